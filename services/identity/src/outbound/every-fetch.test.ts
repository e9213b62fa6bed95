import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SERVICES = join(import.meta.dirname, '..', '..', '..');

/** Ways out of the process that go by no guard. */
const WAYS_OUT: readonly (readonly [string, RegExp])[] = [
  ['the global fetch', /globalThis\.fetch|\bwindow\.fetch/],
  ['a client of node:http', /import \{[^}]*\b(?:request|get|Agent)\b[^}]*\} from 'node:https?'/],
  ['all of node:http', /import (?:\* as )?\w+ from 'node:https?'/],
  ['undici', /from 'undici'/],
  ['a socket', /import \{[^}]*\b(?:connect|createConnection|Socket)\b[^}]*\} from 'node:(?:net|tls)'/],
  ['keys fetched by the library', /\bcreateRemoteJWKSet\b/],
];
const BARE_FETCH = /(?<![.#\w'])fetch\(/;

describe('Every request to an address from configuration', () => {
  const files = globSync('*/src/**/*.ts', { cwd: SERVICES }).filter(
    (file) => !file.includes('/outbound/') && !file.endsWith('.test.ts'),
  );

  it('goes by the guard: no source of a service has another way out', () => {
    assert.ok(files.length > 300);
    for (const file of files) {
      const text = readFileSync(join(SERVICES, file), 'utf8');
      for (const [name, way] of WAYS_OUT) assert.doesNotMatch(text, way, `${file} has ${name}`);
      // What is called fetch there is the guarded one, which was passed in.
      if (BARE_FETCH.test(text)) assert.match(text, /\bGuardedFetch\b/, `${file} fetches by itself`);
    }
  });
});
