import assert from 'node:assert/strict';

import type { Answer, Organization, Person } from './world.ts';

export const PROJECT = '/projects/shop';

/** A project with staging (open) and production (protected), and a flag in both. */
export interface Scenario {
  readonly owner: Person;
  readonly developer: Person;
  readonly releaseManager: Person;
  readonly approver: Person;
  readonly flagId: string;
}

export const ok = (answer: Answer, status: number): Answer => {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  return answer;
};

export const BOOLEAN_FLAG = {
  key: 'checkout',
  type: 'boolean',
  variants: { on: true, off: false },
  defaultVariant: 'off',
};

/** Production is protected after the flag is in it, so that one person can set the stage. */
export const arrange = async (org: Organization, requiredApprovals = 1): Promise<Scenario> => {
  const owner = org.person('owner');
  ok(await owner.call('POST', '/projects', { key: 'shop', name: 'Shop' }), 201);
  for (const [key, tier] of [
    ['staging', 'non-production'],
    ['production', 'production'],
  ])
    ok(await owner.call('POST', `${PROJECT}/environments`, { key, name: key, tier }), 201);
  const created = ok(await owner.call('POST', `${PROJECT}/flags`, BOOLEAN_FLAG), 201);
  if (requiredApprovals > 0) {
    const protection = { protected: true, requiredApprovals };
    ok(await owner.call('PATCH', `${PROJECT}/environments/production`, protection), 200);
  }
  return {
    owner,
    developer: org.person('developer'),
    releaseManager: org.person('releaseManager'),
    approver: org.person('releaseManager'),
    flagId: created.body.flag.id,
  };
};

export const toggle = async (person: Person, environment: string, state: string): Promise<Answer> =>
  await person.call('PATCH', `${PROJECT}/flags/checkout/environments/${environment}`, { state });

/** Asks for a change in production and returns the waiting request. */
export const requestToggle = async (person: Person, state = 'ENABLED'): Promise<{ id: string; hash: string }> =>
  ok(await toggle(person, 'production', state), 202).body.change;

export const act = async (person: Person, id: string, action: string, body: object = {}): Promise<Answer> =>
  await person.call('POST', `${PROJECT}/changes/${id}/${action}`, body);

export const stateIn = async (person: Person, environment: string): Promise<string> =>
  ok(await person.call('GET', `${PROJECT}/flags/checkout`), 200).body.environments[environment]?.state ?? 'absent';
