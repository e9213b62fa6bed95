import {
  DecisionServiceClient,
  OperatorServiceClient,
  OwnershipServiceClient,
  ScopeServiceClient,
  Tier,
} from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { GRANTS } from '../grant-desk.ts';
import type { Attack, Scene } from './scene.ts';

const OPTIONS = { deadlineMs: 10_000 };
const TOKENS = '/api/policy/v1/decision-tokens';
const NOBODY = '401 UNAUTHENTICATED';

const attack = (
  door: Attack['door'],
  what: string,
  [refused, audited]: readonly [refused: string, audited: string | null],
  arrange: Attack['arrange'],
): Attack => ({ door, what, refused, audited, arrange });

const ownersQuestion = ({ org: { ownerId, orgId } }: Scene) => ({
  subject: { type: 'user', id: ownerId },
  action: { name: 'organization:read' },
  resource: { type: 'organization', id: orgId },
});

/** A decision token asks; it does nothing else, and nothing else asks. */
const DECISION_TOKENS: readonly Attack[] = [
  attack('HTTP', 'a decision token makes a grant', [NOBODY, null], async (scene) => {
    const subject = await scene.target();
    return () => scene.http('POST', GRANTS, scene.decisionToken, { subject, role: 'viewer' });
  }),
  attack(
    'HTTP',
    'a decision token issues another',
    [NOBODY, null],
    async (scene) => await Promise.resolve(() => scene.http('POST', TOKENS, scene.decisionToken, { name: 'another' })),
  ),
  attack(
    'HTTP',
    'a decision token reads the audit log',
    [NOBODY, null],
    async (scene) => await Promise.resolve(() => scene.http('GET', '/api/policy/v1/audit', scene.decisionToken)),
  ),
  attack(
    'AuthZEN',
    'a person asks with their own token',
    ['401', null],
    async (scene) => await Promise.resolve(() => scene.authzen(ownersQuestion(scene), scene.org.ownerToken)),
  ),
  attack(
    'AuthZEN',
    'nobody asks',
    ['401', null],
    async (scene) => await Promise.resolve(() => scene.authzen(ownersQuestion(scene), '')),
  ),
  attack('AuthZEN', "another organisation's decision token", ['deny UNKNOWN_ORGANIZATION', null], async (scene) => {
    const { ownerToken } = await scene.rival();
    const token = await issue(scene, { name: 'theirs' }, ownerToken);
    return () => scene.authzen(ownersQuestion(scene), token);
  }),
  attack('AuthZEN', 'a decision token that was revoked', ['401', null], async (scene) => {
    const made = await scene.post(scene.org.ownerToken, { name: 'gone' }, TOKENS);
    const { id, token } = made.body as { id: string; token: string };
    await scene.world.call('DELETE', `${TOKENS}/${id}`, { token: scene.org.ownerToken });
    return () => scene.authzen(ownersQuestion(scene), token);
  }),
  attack('AuthZEN', 'a decision token that has expired', ['401', null], async (scene) => {
    const token = await issue(scene, { name: 'short', expiresAt: scene.inMs(3_000) });
    const question = ownersQuestion(scene);
    await scene.until(async () => (await scene.authzen(question, token)) !== 'allow', 'the token did not expire');
    return () => scene.authzen(question, token);
  }),
  attack('AuthZEN', 'a decision token with its last letter changed', ['401', null], async (scene) => {
    const last = scene.decisionToken.endsWith('A') ? 'B' : 'A';
    const token = scene.decisionToken.slice(0, -1) + last;
    return await Promise.resolve(() => scene.authzen(ownersQuestion(scene), token));
  }),
  attack(
    'HTTP',
    'a Project Admin issues a decision token',
    ['403 PERMISSION_DENIED NO_GRANT', 'request.denied NO_GRANT'],
    async (scene) => {
      const { token } = await scene.holding('project_admin');
      return () => scene.http('POST', TOKENS, token, { name: 'mine' });
    },
  ),
];

const issue = async (scene: Scene, body: object, ownerToken = scene.org.ownerToken): Promise<string> =>
  ((await scene.post(ownerToken, body, TOKENS)).body as { token: string }).token;

/** A credential is worth what its owner is worth now. */
const SESSIONS: readonly Attack[] = [
  attack(
    'HTTP',
    'an Owner who was deactivated goes on with their session',
    ['403 PERMISSION_DENIED SUBJECT_REVOKED', 'request.denied SUBJECT_REVOKED'],
    async (scene) => {
      const [owner, subject] = [await scene.holding('owner'), await scene.target()];
      await scene.changed(owner, { active: false, epoch: 2n });
      return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer' });
    },
  ),
  attack(
    'HTTP',
    'an Owner goes on with a session from before a security event',
    ['403 PERMISSION_DENIED SUBJECT_REVOKED', 'request.denied SUBJECT_REVOKED'],
    async (scene) => {
      const [owner, subject] = [await scene.holding('owner'), await scene.target()];
      await scene.changed(owner, { epoch: 2n });
      return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer' });
    },
  ),
  attack(
    'HTTP',
    'somebody who was removed goes on with their session',
    ['403 PERMISSION_DENIED SUBJECT_REVOKED', 'request.denied SUBJECT_REVOKED'],
    async (scene) => {
      const owner = await scene.holding('owner');
      await scene.changed(owner, { deleted: true, active: false, epoch: 2n });
      return () => scene.http('GET', GRANTS, owner.token);
    },
  ),
  attack(
    'HTTP',
    'an Owner whose role has ended gives one',
    ['403 PERMISSION_DENIED GRANT_EXPIRED', 'request.denied GRANT_EXPIRED'],
    async (scene) => {
      const [owner, subject] = [await scene.holding('owner', {}, scene.inMs(3_000)), await scene.target()];
      const question = { subjectId: owner.id, action: 'grant:manage' };
      await scene.until(async () => (await scene.check(question)) !== 'allow', 'the role did not end');
      return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer' });
    },
  ),
  attack('HTTP', 'a session of nobody', [NOBODY, null], async (scene) => {
    const subject = await scene.target();
    return () => scene.http('POST', GRANTS, 'made-up', { subject, role: 'owner' });
  }),
  attack('HTTP', 'no credential', [NOBODY, null], async (scene) => {
    const subject = await scene.target();
    return () => scene.http('POST', GRANTS, undefined, { subject, role: 'owner' });
  }),
];

const NOT_YOURS = ['PERMISSION_DENIED', null] as const;

/** A service certificate opens what the service is for. */
const CERTIFICATES: readonly Attack[] = [
  ...(['identity', 'operator', 'policy'] as const).map((peer) =>
    attack('gRPC', `${peer} makes a production environment harmless`, NOT_YOURS, async (scene) => {
      const { orgId, projectId, liveId: environmentId } = scene.org;
      const client = scene.world.client(ScopeServiceClient, peer);
      const change = { orgId, projectId, environmentId, key: 'live', tier: Tier.TIER_NON_PRODUCTION, deleted: false };
      return await Promise.resolve(() =>
        scene.call(async () =>
          String((await client.unary('putEnvironment', { ...change, sequence: 99n }, OPTIONS)).grantsRevision),
        ),
      );
    }),
  ),
  ...(['identity', 'flags', 'policy'] as const).map((peer) =>
    attack('gRPC', `${peer} creates an organisation of its own`, NOT_YOURS, async (scene) => {
      const client = scene.world.client(OperatorServiceClient, peer);
      const order = { orgId: newId(), slug: 'mine', ownerSubjectId: scene.org.ownerId };
      return await Promise.resolve(() =>
        scene.call(async () => String((await client.unary('createOrganization', order, OPTIONS)).created)),
      );
    }),
  ),
  attack('gRPC', 'flags issues itself a decision token', NOT_YOURS, async (scene) => {
    const client = scene.world.client(OperatorServiceClient, 'flags');
    const order = { orgId: scene.org.orgId, name: 'mine' };
    return await Promise.resolve(() =>
      scene.call(async () => (await client.unary('issueDecisionToken', order, OPTIONS)).token),
    );
  }),
  attack(
    'gRPC',
    'a service that is no asker asks',
    NOT_YOURS,
    async (scene) =>
      await Promise.resolve(() => scene.check({ subjectId: scene.org.ownerId, action: 'organization:read' }, 'policy')),
  ),
  attack('gRPC', 'flags asks who owns the organisation', NOT_YOURS, async (scene) => {
    const client = scene.world.client(OwnershipServiceClient, 'flags');
    return await Promise.resolve(() =>
      scene.call(async () =>
        String((await client.unary('getOwnership', { orgId: scene.org.orgId }, OPTIONS)).ownerUserIds),
      ),
    );
  }),
  attack('gRPC', 'flags registers an environment of no tier', ['INVALID_REQUEST', null], async (scene) => {
    const { orgId, projectId, liveId: environmentId } = scene.org;
    const client = scene.world.client(ScopeServiceClient, 'flags');
    const change = { orgId, projectId, environmentId, key: 'live', tier: Tier.TIER_UNSPECIFIED, deleted: false };
    return await Promise.resolve(() =>
      scene.call(async () =>
        String((await client.unary('putEnvironment', { ...change, sequence: 99n }, OPTIONS)).grantsRevision),
      ),
    );
  }),
  attack('gRPC', 'flags moves an environment into another project', ['CONFLICT', null], async (scene) => {
    const { orgId, liveId: environmentId } = scene.org;
    const client = scene.world.client(ScopeServiceClient, 'flags');
    const projectId = newId();
    await client.unary('putProject', { orgId, projectId, key: 'other', deleted: false, sequence: 50n }, OPTIONS);
    const change = { orgId, projectId, environmentId, key: 'live', tier: Tier.TIER_NON_PRODUCTION, deleted: false };
    return () =>
      scene.call(async () =>
        String((await client.unary('putEnvironment', { ...change, sequence: 99n }, OPTIONS)).grantsRevision),
      );
  }),
  attack('gRPC', 'more questions at once than are answered', ['TOO_MANY', null], async (scene) => {
    const client = scene.world.client(DecisionServiceClient, 'flags');
    const checks = Array.from({ length: 1_001 }, () => ({
      orgId: scene.org.orgId,
      subject: { type: 'user', id: scene.org.ownerId, epoch: 0n },
      action: 'organization:read',
      resource: { type: '', id: '', projectId: '', environmentId: '', properties: undefined },
      context: undefined,
      requestId: '',
    }));
    return await Promise.resolve(() =>
      scene.call(async () => String((await client.unary('checkMany', { checks }, OPTIONS)).results.length)),
    );
  }),
];

/** Credentials that are not what they are used for. */
export const CREDENTIALS: readonly Attack[] = [...DECISION_TOKENS, ...SESSIONS, ...CERTIFICATES];
