import assert from 'node:assert/strict';

import { expectStatus, listAll, patient, type Answer, type Caller } from './person.ts';

const answer = (status: number, body: Record<string, unknown>): Answer => ({ status, headers: new Headers(), body });

/** Answers in turn, the last one for ever. */
const answering = (...answers: Answer[]): { readonly caller: Caller; readonly asked: string[] } => {
  const asked: string[] = [];
  const call = async (_method: string, path: string): Promise<Answer> => {
    asked.push(path);
    return await Promise.resolve(answers[Math.min(asked.length, answers.length) - 1] ?? answer(500, {}));
  };
  return { caller: { call }, asked };
};

describe('callers of the public API', () => {
  const expired = answer(409, { code: 'DECISION_EXPIRED' });

  it('patient: call again while the decision was too old, and no more than five times', async () => {
    const slow = answering(expired, expired, answer(201, { id: '1' }));
    assert.deepEqual(await expectStatus(patient(slow.caller), 201, 'POST', '/things', {}), { id: '1' });
    assert.equal(slow.asked.length, 3);
    const stuck = answering(expired);
    assert.equal((await patient(stuck.caller).call('POST', '/things', {})).status, 409);
    assert.equal(stuck.asked.length, 5);
  });

  it('patient: take every other answer as it is', async () => {
    for (const status of [200, 403, 409, 503]) {
      const { caller, asked } = answering(answer(status, { code: 'CONFLICT' }));
      assert.equal((await patient(caller).call('POST', '/things', {})).status, status);
      assert.equal(asked.length, 1);
    }
  });

  it('list every item, page by page, with the query they were given', async () => {
    const first = answer(200, { items: [{ id: '1' }], nextCursor: 'a b' });
    const { caller, asked } = answering(first, answer(200, { items: [{ id: '2' }], nextCursor: null }));
    assert.deepEqual(await listAll(caller, '/things?limit=1'), [{ id: '1' }, { id: '2' }]);
    assert.deepEqual(asked, ['/things?limit=1', '/things?limit=1&cursor=a+b']);
  });
});
