import assert from 'node:assert/strict';

import { Decision, DecisionServiceClient, OperatorServiceClient, type CheckRequest } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { findTarget, evaluate } from '../src/decide/index.ts';
import { PLACES, permissionNumber, type Place } from '../src/model/permissions.ts';
import { EVALUATION, EVALUATIONS, SEARCH, type Json } from './support/authzen-desk.ts';
import { MATRIX, MATRIX_PERMISSIONS, MATRIX_ROLES, type MatrixCase } from './support/role-matrix.ts';
import { World, type Organization } from './support/world.ts';

describe('role matrix, role × permission × place', () => {
  let world: World;
  let org: Organization;
  let token: string;
  const subjects = new Map<string, string>();

  const scopeAt = (place: Place): { projectId: string; environmentId: string } => {
    if (place === 'organization') return { projectId: '', environmentId: '' };
    const environmentId = { project: '', 'non-production': org.stagingId, production: org.liveId }[place];
    return { projectId: org.projectId, environmentId };
  };

  before(async () => {
    world = await World.create();
    org = await world.organization();
    for (const role of MATRIX_ROLES) {
      const id = newId();
      subjects.set(role, id);
      await world.user(org.orgId, id, `token-${role}`);
      await world.grant(org, { subject: { type: 'user', id }, role });
    }
    const operator = world.client(OperatorServiceClient, 'operator');
    ({ token } = await operator.unary(
      'issueDecisionToken',
      { orgId: org.orgId, name: 'matrix' },
      { deadlineMs: 10_000 },
    ));
  });
  after(async () => {
    await world.dispose();
  });

  it('is what gRPC answers', async () => {
    const checks = MATRIX.map(({ role, permission, place }): CheckRequest => ({
      orgId: org.orgId,
      subject: { type: 'user', id: subjects.get(role) ?? '', epoch: 1n },
      action: permission,
      resource: { type: 'flag', id: 'checkout', ...scopeAt(place), properties: undefined },
      context: undefined,
      requestId: '',
    }));
    const client = world.client(DecisionServiceClient, 'flags');
    const { results } = await client.unary('checkMany', { checks }, { deadlineMs: 10_000 });
    assert.equal(results.length, MATRIX.length);
    for (const [index, { role, permission, place, allowed }] of MATRIX.entries()) {
      const expected = allowed ? Decision.DECISION_ALLOW : Decision.DECISION_DENY;
      assert.equal(
        results[index]?.decision,
        expected,
        `${role} ${permission} ${place} ${results[index]?.reason ?? ''}`,
      );
      if (allowed) assert.equal(results[index]?.matchedRole, role);
    }
  });

  it('is what the index of the running service says', () => {
    const index = world.context.knowledge.organization(org.orgId);
    assert.ok(index !== undefined);
    for (const { role, permission, place, allowed } of MATRIX) {
      const { projectId, environmentId } = scopeAt(place);
      const target = findTarget(index, projectId, environmentId);
      assert.ok(typeof target !== 'string');
      const actor = { type: 'user', id: subjects.get(role) ?? '', groupIds: [] } as const;
      const verdict = evaluate(index, { actor, permission: permissionNumber(permission), target, nowMs: 0 });
      assert.equal(verdict.kind === 'allowed', allowed, `${role} ${permission} ${place}`);
    }
  });

  const resourceAt = (place: Place): Json => {
    const { projectId, environmentId } = scopeAt(place);
    const properties = {
      ...(projectId === '' ? {} : { project: projectId }),
      ...(environmentId === '' ? {} : { environment: environmentId }),
    };
    return { type: 'flag', id: 'checkout', properties };
  };
  const subjectOf = (role: string): Json => ({ type: 'user', id: subjects.get(role) });

  const post = async (path: string, body: Json): Promise<Json> => {
    const answer = await world.call('POST', path, { token, body });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Json;
  };

  it('is what AuthZEN answers', async function viaAuthzen() {
    this.timeout(180_000);
    const ask = async ({ role, permission, place, allowed }: MatrixCase): Promise<void> => {
      const question = { subject: subjectOf(role), action: { name: permission }, resource: resourceAt(place) };
      assert.deepEqual(await post(EVALUATION, question), { decision: allowed }, `${role} ${permission} ${place}`);
    };
    for (let from = 0; from < MATRIX.length; from += 16) await Promise.all(MATRIX.slice(from, from + 16).map(ask));
  });

  it('is what AuthZEN answers in batches', async () => {
    for (let from = 0; from < MATRIX.length; from += 500) {
      const cases = MATRIX.slice(from, from + 500);
      const evaluations = cases.map(({ role, permission, place }) => ({
        subject: subjectOf(role),
        action: { name: permission },
        resource: resourceAt(place),
      }));
      const answers = await post(EVALUATIONS, { evaluations });
      assert.deepEqual(answers, { evaluations: cases.map(({ allowed }) => ({ decision: allowed })) });
    }
  });

  const permitted = (pick: (each: MatrixCase) => boolean): readonly MatrixCase[] =>
    MATRIX.filter((each) => each.allowed && pick(each));

  it('is what AuthZEN finds: the actions of every role, and who has every permission', async () => {
    for (const place of PLACES) {
      const resource = resourceAt(place);
      for (const role of MATRIX_ROLES) {
        const { results } = await post(SEARCH.action, { subject: subjectOf(role), resource });
        const names = (results as readonly Json[]).map(({ name }) => name);
        const expected = permitted((each) => each.role === role && each.place === place);
        assert.deepEqual(new Set(names), new Set(expected.map(({ permission }) => permission)), `${role} ${place}`);
      }
      for (const permission of MATRIX_PERMISSIONS) {
        const question = { subject: { type: 'user' }, action: { name: permission }, resource };
        const { results } = await post(SEARCH.subject, question);
        const expected = permitted((each) => each.permission === permission && each.place === place);
        // The Owner who made the organisation is found wherever an Owner is.
        const ids = expected.flatMap(({ role }) => [subjects.get(role), ...(role === 'owner' ? [org.ownerId] : [])]);
        const found = (results as readonly Json[]).map(({ id }) => id);
        assert.deepEqual(new Set(found), new Set(ids), `${permission} ${place}`);
      }
    }
  });
});
