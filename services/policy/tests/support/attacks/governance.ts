/** Attempts on what governs others: roles of an organisation's own, access requests, protections and proposals. */
import assert from 'node:assert/strict';

import { GRANTS, MAPPINGS, type Person } from '../grant-desk.ts';
import { PROPOSALS, PROTECTIONS, type ProposalBody } from '../proposal-desk.ts';
import { ROLES, SWITCHER, type RoleBody } from '../role-desk.ts';
import type { Answer } from '../world.ts';
import type { Attack, Scene } from './scene.ts';

const REQUESTS = '/api/policy/v1/access-requests';
const HOUR_MS = 3_600_000;
const DENIED = ['403 PERMISSION_DENIED NO_GRANT', 'request.denied NO_GRANT'] as const;

const http = (
  what: string,
  [refused, audited]: readonly [refused: string, audited: string | null],
  arrange: Attack['arrange'],
): Attack => ({ door: 'HTTP', what, refused, audited, arrange });

/** What is made for the attempt is there for everybody in the organisation. */
const alone = (attacks: readonly Attack[]): Attack[] => attacks.map((attack) => ({ ...attack, alone: true }));

const made = ({ status, text, body }: Answer): unknown => {
  assert.equal(status, 201, text);
  return body;
};

const makeRole = async (scene: Scene, role: Partial<RoleBody> = {}): Promise<void> => {
  made(await scene.post(scene.org.ownerToken, { ...SWITCHER, ...role }, ROLES));
};

/** Holds a role that makes roles, and little else. */
const steward = async (scene: Scene): Promise<Person> => {
  const permissions = { organization: ['role:manage', 'role:read'], production: ['flag:read'] };
  await makeRole(scene, { key: 'steward', name: 'Steward', levels: ['organization'], permissions });
  return await scene.holding('steward');
};

const OWN_ROLES: readonly Attack[] = [
  http('a Project Admin makes a role', DENIED, async (scene) => {
    const { token } = await scene.holding('project_admin');
    return () => scene.http('POST', ROLES, token, SWITCHER);
  }),
  http(
    'who makes roles makes one beyond their own',
    ['403 ESCALATION BEYOND_OWN', 'role.created ESCALATION'],
    async (scene) => {
      const { token } = await steward(scene);
      return () => scene.http('POST', ROLES, token, SWITCHER);
    },
  ),
  http(
    'a role takes the key of a built-in one',
    ['409 ALREADY_EXISTS', null],
    async (scene) =>
      await Promise.resolve(() => scene.http('POST', ROLES, scene.org.ownerToken, { ...SWITCHER, key: 'viewer' })),
  ),
  http('a role permits what there is not', ['400 INVALID_REQUEST UNKNOWN_PERMISSION', null], async (scene) => {
    const permissions = { production: ['flag:*'] };
    return await Promise.resolve(() => scene.http('POST', ROLES, scene.org.ownerToken, { ...SWITCHER, permissions }));
  }),
  http('a role is given where it may not be', ['400 INVALID_REQUEST WRONG_LEVEL', null], async (scene) => {
    await makeRole(scene);
    const subject = await scene.target();
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: SWITCHER.key });
  }),
  http("another organisation's role is given", ['400 INVALID_REQUEST UNKNOWN_ROLE', null], async (scene) => {
    await makeRole(scene);
    const { ownerToken, ownerId, projectId } = await scene.rival();
    const body = { subject: { type: 'user', id: ownerId }, role: SWITCHER.key, scope: { projectId } };
    return () => scene.http('POST', GRANTS, ownerToken, body);
  }),
  http("another organisation's role is read", ['404 NOT_FOUND', null], async (scene) => {
    await makeRole(scene);
    const { ownerToken } = await scene.rival();
    return () => scene.http('GET', `${ROLES}/${SWITCHER.key}`, ownerToken);
  }),
  http('a role is deleted while somebody holds it', ['409 ROLE_IN_USE', null], async (scene) => {
    await makeRole(scene);
    await scene.holding(SWITCHER.key, { projectId: scene.org.projectId });
    const { headers } = await scene.world.call('GET', `${ROLES}/${SWITCHER.key}`, { token: scene.org.ownerToken });
    const condition = { 'if-match': headers.get('etag') ?? '' };
    return () => scene.http('DELETE', `${ROLES}/${SWITCHER.key}`, scene.org.ownerToken, undefined, condition);
  }),
];

interface Requested {
  readonly id: string;
  readonly hash: string;
}

const asked = async (scene: Scene, person: Person): Promise<Requested> => {
  const wish = { role: 'release_manager', scope: { environmentId: scene.org.liveId }, reason: 'The checkout is down.' };
  return made(await scene.post(person.token, { ...wish, validUntil: scene.inMs(HOUR_MS) }, REQUESTS)) as Requested;
};

const ACCESS_REQUESTS: readonly Attack[] = [
  http(
    'an Owner approves what they asked for',
    ['403 SELF_APPROVAL', 'access-request.answer-refused SELF_APPROVAL'],
    async (scene) => {
      const owner = { id: scene.org.ownerId, token: scene.org.ownerToken };
      const { id, hash } = await asked(scene, owner);
      return () => scene.http('POST', `${REQUESTS}/${id}/approve`, owner.token, { hash });
    },
  ),
  http(
    'a service account approves',
    ['403 SELF_APPROVAL', 'access-request.answer-refused SELF_APPROVAL'],
    async (scene) => {
      const [robot, request] = [await scene.robot('owner'), await asked(scene, await scene.newUser())];
      return () => scene.http('POST', `${REQUESTS}/${request.id}/approve`, robot.token, { hash: request.hash });
    },
  ),
  http('a Developer approves', DENIED, async (scene) => {
    const [developer, request] = [await scene.holding('developer'), await asked(scene, await scene.newUser())];
    return () => scene.http('POST', `${REQUESTS}/${request.id}/approve`, developer.token, { hash: request.hash });
  }),
  http('another request than the one that was read is approved', ['409 HASH_MISMATCH', null], async (scene) => {
    const request = await asked(scene, await scene.newUser());
    const hash = '0'.repeat(64);
    return () => scene.http('POST', `${REQUESTS}/${request.id}/approve`, scene.org.ownerToken, { hash });
  }),
  http("another organisation's request is approved", ['404 NOT_FOUND', null], async (scene) => {
    const [{ id, hash }, { ownerToken }] = [await asked(scene, await scene.newUser()), await scene.rival()];
    return () => scene.http('POST', `${REQUESTS}/${id}/approve`, ownerToken, { hash });
  }),
];

/** Two further Owners: as many as may have to agree. */
const protect = async (scene: Scene, requiredApprovals = 1): Promise<{ id: string; other: Person }> => {
  const other = await scene.holding('owner');
  await scene.holding('owner');
  const protection = { scope: { environmentId: scene.org.liveId }, requiredApprovals };
  const { id } = made(await scene.post(scene.org.ownerToken, protection, PROTECTIONS)) as { id: string };
  return { id, other };
};

const UNAGREED = '409 APPROVAL_REQUIRED';

const proposed = async (scene: Scene, token = scene.org.ownerToken): Promise<ProposalBody> => {
  const scope = { environmentId: scene.org.liveId };
  const change = { kind: 'grant.create', grant: { subject: await scene.target(), role: 'developer', scope } };
  return made(await scene.post(token, { change, reason: 'On call.' }, PROPOSALS)) as ProposalBody;
};

const FOUR_EYES: readonly Attack[] = [
  ...(['environment', 'project', 'organization'] as const).map((level) =>
    http(
      `a role that reaches what is protected is given alone, at the ${level}`,
      [UNAGREED, 'grant.created APPROVAL_REQUIRED'],
      async (scene) => {
        await protect(scene);
        const { liveId, projectId, ownerToken } = scene.org;
        const scope = { environment: { environmentId: liveId }, project: { projectId }, organization: {} }[level];
        const subject = await scene.target();
        return () => scene.http('POST', GRANTS, ownerToken, { subject, role: 'viewer', scope });
      },
    ),
  ),
  http(
    'a group is mapped to what is protected, alone',
    [UNAGREED, 'group-mapping.created APPROVAL_REQUIRED'],
    async (scene) => {
      await protect(scene);
      const groupId = await scene.newGroup();
      return () => scene.http('POST', MAPPINGS, scene.org.ownerToken, { groupId, role: 'viewer' });
    },
  ),
  http(
    'a protection is weakened alone',
    ['409 APPROVAL_REQUIRED', 'protection.changed APPROVAL_REQUIRED'],
    async (scene) => {
      const { id } = await protect(scene, 2);
      return () => scene.http('PATCH', `${PROTECTIONS}/${id}`, scene.org.ownerToken, { requiredApprovals: 1 });
    },
  ),
  http(
    'a proposal is approved by who made it',
    ['403 SELF_APPROVAL', 'proposal.review-refused SELF_APPROVAL'],
    async (scene) => {
      await protect(scene);
      const { id, hash } = await proposed(scene);
      return () => scene.http('POST', `${PROPOSALS}/${id}/approve`, scene.org.ownerToken, { hash });
    },
  ),
  http(
    'a proposal nobody has agreed to is applied',
    [UNAGREED, 'proposal.apply-refused APPROVAL_REQUIRED, grant.created APPROVAL_REQUIRED'],
    async (scene) => {
      await protect(scene);
      const { id, hash } = await proposed(scene);
      return () => scene.http('POST', `${PROPOSALS}/${id}/apply`, scene.org.ownerToken, { hash });
    },
  ),
  http('another revision than the one that was read is approved', ['409 HASH_MISMATCH', null], async (scene) => {
    const { other } = await protect(scene);
    const { id } = await proposed(scene);
    return () => scene.http('POST', `${PROPOSALS}/${id}/approve`, other.token, { hash: '0'.repeat(64) });
  }),
  http(
    'an Owner for an hour proposes to end a denial that would have lasted',
    ['403 ESCALATION BEYOND_OWN', 'proposal.refused ESCALATION'],
    async (scene) => {
      const [owner, subject] = [await scene.holding('owner', {}, scene.inMs(HOUR_MS)), await scene.target()];
      const grantId = await scene.world.grant(scene.org, { subject, role: 'viewer', effect: 'deny' });
      const body = { change: { kind: 'grant.delete', grantId }, reason: 'On call.' };
      return () => scene.http('POST', PROPOSALS, owner.token, body);
    },
  ),
  http(
    'a service account proposes a role for who is behind it',
    ['403 ESCALATION OWN_GRANT', 'proposal.refused ESCALATION'],
    async (scene) => {
      const person = await scene.newUser();
      const [robot, subject] = [await scene.robot('owner', {}, [person]), { type: 'user', id: person.id }];
      const change = { kind: 'grant.create', grant: { subject, role: 'developer' } };
      return () => scene.http('POST', PROPOSALS, robot.token, { change, reason: 'On call.' });
    },
  ),
  http(
    'a service account proposes to approve what who is behind it asked for',
    ['403 SELF_APPROVAL', 'proposal.refused SELF_APPROVAL'],
    async (scene) => {
      const person = await scene.newUser();
      const [robot, request] = [await scene.robot('owner', {}, [person]), await asked(scene, person)];
      const change = { kind: 'access-request.approve', requestId: request.id };
      return () => scene.http('POST', PROPOSALS, robot.token, { change, reason: 'On call.' });
    },
  ),
  http("another organisation's proposal is approved", ['404 NOT_FOUND', null], async (scene) => {
    await protect(scene);
    const [{ id, hash }, { ownerToken }] = [await proposed(scene), await scene.rival()];
    return () => scene.http('POST', `${PROPOSALS}/${id}/approve`, ownerToken, { hash });
  }),
];

/** Who may see what: lists, reasons and the past tell as much as decisions. */
const READING: readonly Attack[] = (
  [
    ['POST', '/api/policy/v1/list/subjects', { action: 'organization:read' }],
    ['POST', '/api/policy/v1/check', { subject: { type: 'user', id: 'x' }, action: 'flag:read' }],
    ['GET', '/api/policy/v1/decisions', undefined],
    ['GET', '/api/policy/v1/export', undefined],
    ['GET', '/api/policy/v1/audit', undefined],
  ] as const
).map(([method, path, body]) =>
  http(`a Developer looks into ${path}`, DENIED, async (scene) => {
    const { token } = await scene.holding('developer');
    return () => scene.http(method, path, token, body);
  }),
);

export const GOVERNANCE: readonly Attack[] = [...alone(OWN_ROLES), ...ACCESS_REQUESTS, ...alone(FOUR_EYES), ...READING];
