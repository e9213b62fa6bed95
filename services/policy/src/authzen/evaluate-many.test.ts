import assert from 'node:assert/strict';

import { REASONS, type Decision } from '../decide/index.ts';
import { MAX_EVALUATIONS, evaluateMany } from './evaluate-many.ts';

describe('a batch of evaluations', () => {
  it('gives way to everybody else every few milliseconds (§11.7)', async () => {
    let nowMs = 0;
    // Every look at the clock is a millisecond later.
    const clock = { now: () => new Date(0), monotonicMs: () => (nowMs += 1) };
    const decision: Decision = {
      allowed: false,
      reason: 'GRANTS_STALE',
      explanation: REASONS.GRANTS_STALE,
      matchedGrant: null,
      matchedRole: null,
      standingPosition: 0n,
      grantsRevision: 0n,
      policyRevision: '',
      validForMs: 0,
    };
    const dependencies = {
      clock,
      knowledge: { organization: () => undefined },
      decisions: { refuse: () => decision, ask: () => Promise.resolve(decision) },
    };
    let [turns, isOver] = [0, false];
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const body = {
      subject: { type: 'user', id: 'somebody' },
      action: { name: 'flag:toggle' },
      resource: { type: 'flag', id: 'checkout' },
      evaluations: Array.from({ length: MAX_EVALUATIONS }, () => ({})),
    };
    const caller = { orgId: 'org', tokenId: 'token', requestId: 'request' };
    const answers = await evaluateMany(dependencies, caller, body, false);
    isOver = true;
    assert.equal(answers.length, MAX_EVALUATIONS);
    assert.ok(turns >= nowMs / 10, `${String(turns)} turns in ${String(nowMs)} ms`);
  });
});
