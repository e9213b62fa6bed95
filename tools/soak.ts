// npm run soak -- scim: suites that run for longer than CI has; the same code, larger numbers.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';

const SOAKS: ReadonlyMap<string, string> = new Map([
  ['policy', 'services/policy/tests/soak.ts'],
  ['scim', 'services/identity/tests/scim/soak.ts'],
]);

const [name = '', ...args] = process.argv.slice(2);
const entry = SOAKS.get(name);
if (entry === undefined) {
  console.error(`npm run soak -- <${[...SOAKS.keys()].join(' | ')}> [options]; see the suite for its options`);
  process.exitCode = 2;
} else {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', entry), ...args], { stdio: 'inherit' });
  child.once('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
