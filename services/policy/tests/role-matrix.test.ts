import assert from 'node:assert/strict';

import { Decision, DecisionServiceClient, OperatorServiceClient, type CheckRequest } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import type { Place } from '../src/model/permissions.ts';
import { MATRIX, MATRIX_ROLES } from './support/role-matrix.ts';
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
      { deadlineMs: 5_000 },
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
    const { results } = await client.unary('checkMany', { checks }, { deadlineMs: 5_000 });
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

  it('is what AuthZEN answers', async function viaAuthzen() {
    this.timeout(60_000);
    const ask = async ({ role, permission, place, allowed }: (typeof MATRIX)[number]): Promise<void> => {
      const { projectId, environmentId } = scopeAt(place);
      const properties = {
        ...(projectId === '' ? {} : { project: projectId }),
        ...(environmentId === '' ? {} : { environment: environmentId }),
      };
      const { status, text } = await world.call('POST', '/access/v1/evaluation', {
        token,
        body: {
          subject: { type: 'user', id: subjects.get(role) },
          action: { name: permission },
          resource: { type: 'flag', id: 'checkout', properties },
        },
      });
      assert.deepEqual([status, text], [200, JSON.stringify({ decision: allowed })], `${role} ${permission} ${place}`);
    };
    for (let from = 0; from < MATRIX.length; from += 16) await Promise.all(MATRIX.slice(from, from + 16).map(ask));
  });
});
