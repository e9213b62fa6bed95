import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { longestTurnMs } from '@sallyport/testing';

import { createVerifier, type SamlVerifier, type VerifierOptions } from '../../src/saml/verifier/pool.ts';
import type { Expectations, Verdict } from '../../src/saml/verify/login.ts';

const expected: Expectations = {
  idpEntityId: 'idp',
  spEntityId: 'sp',
  acsUrl: 'acs',
  certificates: [],
  requireSignedResponse: false,
  requireSignedAssertion: false,
  allowUnsolicited: false,
  maxAuthenticationAgeMs: null,
  nowMs: 0,
};
const endless = new URL('./endless-worker.ts', import.meta.url);
const reasonOf = (verdict: Verdict): string => (verdict.ok ? 'accepted' : verdict.reason);

describe('SAML verifier threads', () => {
  let verifier: SamlVerifier;
  /** Starts the threads and waits until one of them answers. */
  const start = async (options: VerifierOptions): Promise<void> => {
    // A thread that has to be started anew is waited for, however long the machine takes.
    verifier = createVerifier({ maxWaitMs: 15_000, ...options });
    await waitFor(async () => (await judge('fine', 'first')) !== 'VERIFIER_BUSY', { message: 'a thread to be up' });
  };
  afterEach(async () => {
    await verifier.close();
  });
  const judge = async (message: string, connection = 'c1'): Promise<string> =>
    reasonOf(await verifier.verify(connection, message, expected));

  it('answers with the verdict of the strict layer', async () => {
    await start({});
    assert.equal(await judge(Buffer.from('<!DOCTYPE x>').toString('base64')), 'DOCTYPE_FORBIDDEN');
  });

  it('ends a thread at the deadline, keeps the main thread free, and goes on with a new one', async () => {
    await start({ threads: 1, deadlineMs: 100, workerFile: endless });
    const longestMs = await longestTurnMs(async () => {
      assert.equal(await judge('spin'), 'VERIFIER_DEADLINE');
    }, 50);
    assert.ok(longestMs < 50, `${String(longestMs)} ms`);
    assert.equal(await judge('fine'), 'SIGNATURE_MISSING');
  });

  it('does not refuse a message because the thread was not let compute', async () => {
    await start({ threads: 1, deadlineMs: 100, workerFile: endless });
    const startedAt = performance.now();
    assert.equal(await judge('wait'), 'SIGNATURE_MISSING');
    assert.ok(performance.now() - startedAt > 100);
  });

  it('ends a thread that neither computes nor answers after five times the deadline', async () => {
    await start({ threads: 1, deadlineMs: 100, workerFile: endless });
    assert.equal(await judge('wait for ever'), 'VERIFIER_DEADLINE');
    assert.equal(await judge('fine'), 'SIGNATURE_MISSING');
  });

  it('refuses the message that crashes a thread, and goes on with a new one', async () => {
    await start({ threads: 1, workerFile: endless });
    assert.equal(await judge('crash'), 'VERIFIER_CRASHED');
    assert.equal(await judge('fine'), 'SIGNATURE_MISSING');
  });

  it('refuses beyond the share of a connection without starving another one', async () => {
    await start({ threads: 1, deadlineMs: 100, maxPerConnection: 2, workerFile: endless });
    const flood = ['spin', 'spin', 'spin', 'spin'].map((message) => judge(message, 'noisy'));
    const quiet = judge('fine', 'quiet');
    assert.deepEqual(await Promise.all(flood), [
      'VERIFIER_DEADLINE',
      'VERIFIER_DEADLINE',
      'VERIFIER_BUSY',
      'VERIFIER_BUSY',
    ]);
    assert.equal(await quiet, 'SIGNATURE_MISSING');
  });

  it('gives a share back as each of its messages is judged, and no more than that', async () => {
    await start({ threads: 1, deadlineMs: 100, maxPerConnection: 2, workerFile: endless });
    const [first, second] = [judge('fine', 'noisy'), judge('spin', 'noisy')];
    assert.equal(await first, 'SIGNATURE_MISSING');
    const third = judge('fine', 'noisy');
    assert.equal(await judge('fine', 'noisy'), 'VERIFIER_BUSY');
    assert.deepEqual([await second, await third], ['VERIFIER_DEADLINE', 'SIGNATURE_MISSING']);
  });

  it('refuses what no thread takes in time, and judges it no more', async () => {
    await start({ threads: 1, deadlineMs: 200, maxWaitMs: 40, workerFile: endless });
    const spinning = judge('spin', 'first');
    assert.equal(await judge('crash', 'second'), 'VERIFIER_BUSY');
    assert.equal(await spinning, 'VERIFIER_DEADLINE');
    await waitFor(async () => (await judge('fine', 'third')) !== 'VERIFIER_BUSY', { message: 'a thread to be up' });
    assert.equal(await judge('fine', 'third'), 'SIGNATURE_MISSING');
  });

  it('leaves no thread behind once closed', async () => {
    await start({ threads: 2, workerFile: endless });
    let started = 0;
    const count = (): void => {
      started += 1;
    };
    process.on('worker', count);
    await verifier.close();
    process.off('worker', count);
    assert.equal(started, 0);
  });

  it('refuses once closed', async () => {
    await start({});
    await verifier.close();
    assert.equal(await judge('fine'), 'VERIFIER_BUSY');
  });
});
