import assert from 'node:assert/strict';

import { systemClock } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';
import { longestTurnMs } from '@sallyport/testing';

import { createFileReader, type FileReader } from '../src/policy-as-code/index.ts';
import type { FileReaderOptions } from '../src/policy-as-code/file-reader.ts';
import { MODEL_TEXT } from '../src/model/index.ts';
import { MAX_FILE_CHARS } from '../src/policy-as-code/read-yaml.ts';
import { parseCasbin } from '../src/policy-as-code/read-casbin.ts';
import { parseDocument } from '../src/policy-as-code/read-document.ts';
import { parseTests } from '../src/policy-as-code/run-tests.ts';
import { World, type Answer } from './support/world.ts';

const MAX_TURN_MS = 50;
const ORG = '01900001-0000-7000-8000-000000000000';
const id = (at: number): string => `01900005-0000-7000-8000-${String(at).padStart(12, '0')}`;
const endless = new URL('./endless-reader.ts', import.meta.url);

/** As many lines as a file may hold. */
const filled = (head: string, lineOf: (at: number) => string): string => {
  const lines = [head];
  for (let [at, chars] = [0, head.length]; ; at += 1) {
    const line = lineOf(at);
    chars += line.length + 1;
    if (chars > MAX_FILE_CHARS) return lines.join('\n');
    lines.push(line);
  }
};

const LARGEST = {
  document: filled('version: 1\ngrants:', (at) => `- {subject: "user:${id(at)}", role: viewer}`),
  tests: filled(
    'cases:',
    (at) => `- {subject: "user:${id(at)}", action: "flag:read", expect: allow, ${'#'.padEnd(150)}\n}`,
  ),
  casbin: filled(
    '# p',
    (at) => `p, org:${ORG}, user:${id(at)}, role:viewer, org:${ORG}, any, any, -, ~, always, allow`,
  ),
  scopes: 'g2,project:a,org:b,x\n'.repeat(49_000),
};

const refusalOf = async (reading: Promise<unknown>): Promise<string> => {
  try {
    await reading;
    return 'read';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('policy files read in a thread', () => {
  let files: FileReader;
  const start = (options: Partial<FileReaderOptions> = {}): void => {
    files = createFileReader({ clock: systemClock, logger: silentLogger(), ...options });
  };
  const told = (what: string, orgId = ORG): Promise<unknown> => files.readTests(orgId, what);
  afterEach(async () => {
    await files.close();
  });

  it('are what reading them here gives', async () => {
    start();
    assert.deepEqual(await files.readDocument(ORG, LARGEST.document), parseDocument(LARGEST.document));
    assert.deepEqual(await files.readTests(ORG, LARGEST.tests), parseTests(LARGEST.tests));
    for (const policy of [LARGEST.casbin, LARGEST.scopes]) {
      const sent = { model: MODEL_TEXT, policy };
      assert.deepEqual(await files.readCasbin(ORG, sent), parseCasbin(sent, ORG));
    }
    // What JSON could not say.
    const odd = `cases:
  - subject: user:${id(1)}
    action: flag:read
    expect: deny
    at: 2026-11-21T12:00:00+01:00
    context: { a: .inf, b: .nan, c: -0.0, d: null, e: [{}, []], constructor: x }
`;
    assert.deepEqual(await files.readTests(ORG, odd), parseTests(odd));
  });

  it('are refused with what they are refused with here', async () => {
    start();
    const weaker = { model: MODEL_TEXT.replace('p.eft == deny', 'p.eft == x'), policy: '' };
    const cases: readonly (readonly [here: () => unknown, there: () => Promise<unknown>])[] = [
      ...['version: 2', 'version: 1\nversion: 1', 'a: &a x', '{', `#${' '.repeat(MAX_FILE_CHARS)}`].map(
        (text) => [() => parseDocument(text), () => files.readDocument(ORG, text)] as const,
      ),
      [() => parseTests('cases: []'), () => files.readTests(ORG, 'cases: []')],
      [() => parseCasbin(weaker, ORG), () => files.readCasbin(ORG, weaker)],
      [
        () => parseCasbin({ model: MODEL_TEXT, policy: 'p, a\nq' }, ORG),
        () => files.readCasbin(ORG, { model: MODEL_TEXT, policy: 'p, a\nq' }),
      ],
    ];
    for (const [here, there] of cases) {
      let expected: unknown;
      try {
        here();
      } catch (error) {
        expected = error;
      }
      assert.ok(expected instanceof Error);
      const { code, message, metadata, fields } = expected as Error & Record<string, unknown>;
      await assert.rejects(there(), { name: 'AppError', code, message, metadata, fields });
    }
  });

  it('keep nobody else waiting, however large they are', async () => {
    start();
    const each: readonly (readonly [name: string, read: () => Promise<unknown>])[] = [
      ['document', () => files.readDocument(ORG, LARGEST.document)],
      ['tests', () => files.readTests(ORG, LARGEST.tests)],
      ['casbin', () => files.readCasbin(ORG, { model: MODEL_TEXT, policy: LARGEST.casbin })],
      ['scopes', () => files.readCasbin(ORG, { model: MODEL_TEXT, policy: LARGEST.scopes })],
    ];
    for (const [name, read] of each) {
      const longestMs = await longestTurnMs(read, MAX_TURN_MS);
      assert.ok(longestMs < MAX_TURN_MS, `${name}: ${String(longestMs)} ms`);
    }
  });

  it('are refused at the deadline, or where they end the thread, and the next one is read by a new one', async () => {
    start({ threadFile: endless, deadlineMs: 200 });
    for (const what of ['spin', 'crash', 'wait for ever']) {
      await assert.rejects(
        told(what),
        {
          code: 'INVALID_VALUE',
          message: /too long/,
          metadata: { line: '1' },
          fields: [
            {
              pointer: '/document',
              code: 'TOO_LONG',
              detail: 'line 1: It takes too long, or too much memory, to read.',
            },
          ],
        },
        what,
      );
      assert.deepEqual(await told('fine'), { cases: ['fine'] });
    }
  });

  it('are refused where they take more memory than a thread has', async () => {
    start({ threadFile: endless, deadlineMs: 60_000 });
    assert.equal(await refusalOf(told('fill')), 'INVALID_VALUE');
    assert.equal(await refusalOf(told('fine')), 'read');
  });

  it('are not refused because the thread was not let compute', async () => {
    start({ threadFile: endless, deadlineMs: 200 });
    assert.equal(await refusalOf(told('wait')), 'read');
  });

  it('wait in a queue that ends, and of which an organisation has its share', async () => {
    start({ threadFile: endless, deadlineMs: 200, maxFiles: 3, maxPerOrganization: 2 });
    const first = ['wait', 'fine', 'fine'].map((what) => refusalOf(told(what, 'a')));
    const others = ['fine', 'fine'].map((what) => refusalOf(told(what, 'b')));
    await assert.rejects(told('fine', 'c'), { code: 'UNAVAILABLE', retryAfterSeconds: 5 });
    assert.deepEqual(await Promise.all([...first, ...others]), ['read', 'read', 'UNAVAILABLE', 'read', 'UNAVAILABLE']);
    assert.equal(await refusalOf(told('fine', 'a')), 'read');
  });

  it('wait no longer than that, and are not read afterwards', async () => {
    start({ threadFile: endless, deadlineMs: 200, maxWaitMs: 40 });
    assert.equal(await refusalOf(told('fine')), 'read');
    const spinning = refusalOf(told('spin'));
    assert.equal(await refusalOf(told('crash')), 'UNAVAILABLE');
    assert.equal(await spinning, 'INVALID_VALUE');
    assert.equal(await refusalOf(told('fine')), 'read');
  });

  it('are refused, to be tried again, where no thread comes up', async () => {
    start({ threadFile: new URL('./no-such-thread.ts', import.meta.url) });
    assert.equal(await refusalOf(told('fine')), 'UNAVAILABLE');
    assert.equal(await refusalOf(told('fine')), 'UNAVAILABLE');
  });

  it('leave no thread behind once it is closed, and none is begun before there is a file', async () => {
    const threads = { begun: 0, ended: 0 };
    const count = (worker: { once(event: 'exit', listener: () => void): unknown }): void => {
      threads.begun += 1;
      worker.once('exit', () => {
        threads.ended += 1;
      });
    };
    process.on('worker', count);
    try {
      start({ threadFile: endless });
      assert.equal(threads.begun, 0);
      assert.equal(await refusalOf(told('fine')), 'read');
      const [reading, waiting] = [refusalOf(told('spin')), refusalOf(told('fine'))];
      await files.close();
      assert.deepEqual([await reading, await waiting, await refusalOf(told('fine'))], Array(3).fill('UNAVAILABLE'));
      assert.deepEqual(threads, { begun: 1, ended: 1 });
    } finally {
      process.off('worker', count);
    }
  });
});

describe('a policy file that somebody sends', () => {
  it('keeps no decision waiting, however large it is; the thread ends with the service', async () => {
    const world = await World.create();
    try {
      const { ownerToken } = await world.organization();
      const ask = async (path: string, body: object): Promise<Answer> =>
        await world.call('POST', `/api/policy/v1/policy/${path}`, { token: ownerToken, body });
      // JSON writes some characters with two.
      const sent = (text: string): string => text.slice(0, text.lastIndexOf('\n- ', 0.94 * MAX_FILE_CHARS));
      const policy = { format: 'yaml', document: sent(LARGEST.document) };
      const longestMs = await longestTurnMs(async () => {
        assert.match((await ask('plan', policy)).text, /line 3: there is no such subject/);
        assert.equal((await ask('test', { tests: sent(LARGEST.tests) })).status, 200);
      }, MAX_TURN_MS);
      assert.ok(longestMs < MAX_TURN_MS, `${String(longestMs)} ms`);
    } finally {
      await world.dispose();
    }
    const { policyFiles } = world.context;
    assert.equal(await refusalOf(policyFiles.readDocument(ORG, 'version: 1')), 'UNAVAILABLE');
  });
});
