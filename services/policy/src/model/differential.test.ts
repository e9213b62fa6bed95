import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';

import fc from 'fast-check';

import {
  randomPolicy,
  randomRequest,
  toTerms,
  type RandomPolicy,
  type RandomRequest,
} from '../../tests/support/random-policy.ts';
import { findTarget } from '../decide/check.ts';
import { evaluate } from '../decide/evaluate.ts';
import { compileOrganization, type OrganizationIndex } from './compile.ts';
import { referenceEnforcer, type ReferenceEnforcer } from './enforcer.ts';
import { permissionNumber } from './permissions.ts';

const SEED = randomInt(2 ** 31);
const MODELS = 2_500;
const REQUESTS_PER_MODEL = 80;

const indexesOf = (policy: RandomPolicy): readonly OrganizationIndex[] =>
  policy.organizations.map(({ rows }) => {
    const compiled = compileOrganization(rows, policy.roles);
    assert.ok(compiled.ok);
    return compiled.index;
  });

const byIndex = (policy: RandomPolicy, index: OrganizationIndex, request: RandomRequest, at: number): boolean => {
  const target = findTarget(index, request.projectId, request.environmentId);
  if (typeof target === 'string') return false;
  const member = policy.organizations[at]?.memberships.find(
    (each) => each.type === request.subjectType && each.subjectId === request.subjectId,
  );
  const actor = { type: request.subjectType, id: request.subjectId, groupIds: member?.groupIds ?? [] };
  return (
    evaluate(index, {
      actor,
      permission: permissionNumber(request.action),
      target,
      nowMs: request.nowMs,
      resource: request.resource,
      given: request.given,
    }).kind === 'allowed'
  );
};

const byCasbin = (policy: RandomPolicy, casbin: ReferenceEnforcer, request: RandomRequest, at: number): boolean => {
  const organization = policy.organizations[at];
  const terms = organization === undefined ? null : toTerms(request, organization);
  return terms !== null && casbin.allows(terms);
};

describe('index and Casbin', () => {
  it(`decide the same for any model, policy and request (seed ${String(SEED)})`, async function differential() {
    this.timeout(120_000);
    const seen = { allowed: 0, denied: 0 };
    const property = fc.asyncProperty(
      randomPolicy,
      fc.array(randomRequest, { minLength: REQUESTS_PER_MODEL, maxLength: REQUESTS_PER_MODEL }),
      async (policy, requests) => {
        const indexes = indexesOf(policy);
        const casbin = await referenceEnforcer(policy);
        for (const request of requests) {
          const at = request.orgIndex % indexes.length;
          const index = indexes[at];
          assert.ok(index !== undefined);
          const expected = byCasbin(policy, casbin, request, at);
          assert.equal(byIndex(policy, index, request, at), expected, `request ${JSON.stringify(request)}`);
          seen[expected ? 'allowed' : 'denied'] += 1;
        }
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: MODELS });
    // A test that never sees an allow would prove nothing.
    assert.ok(seen.allowed > 1_000 && seen.denied > 1_000, JSON.stringify(seen));
  });
});
