import { GRANTS, MAPPINGS } from '../grant-desk.ts';
import type { Attack } from './scene.ts';

const DENIED = '403 PERMISSION_DENIED NO_GRANT';
const REQUEST = 'request.denied NO_GRANT';
const BEYOND = '403 ESCALATION BEYOND_OWN';
const OWN = '403 ESCALATION OWN_GRANT';
const GRANT = 'grant.created ESCALATION';
const MISSING = '404 NOT_FOUND';
const HOUR_MS = 3_600_000;

const http = (
  what: string,
  [refused, audited]: readonly [refused: string, audited: string | null],
  arrange: Attack['arrange'],
): Attack => ({ door: 'HTTP', what, refused, audited, arrange });

/** Whoever gives what they do not hold, in place, time, condition or kind. */
const BEYOND_OWN: readonly Attack[] = [
  http('a Viewer makes somebody Viewer', [DENIED, REQUEST], async (scene) => {
    const [{ token }, subject] = [await scene.holding('viewer'), await scene.target()];
    return () => scene.http('POST', GRANTS, token, { subject, role: 'viewer' });
  }),
  http('a Release Manager makes somebody Viewer in staging', [DENIED, REQUEST], async (scene) => {
    const [{ token }, subject] = [await scene.holding('release_manager'), await scene.target()];
    const scope = { environmentId: scene.org.stagingId };
    return () => scene.http('POST', GRANTS, token, { subject, role: 'viewer', scope });
  }),
  http('a Project Admin makes somebody Owner', [DENIED, REQUEST], async (scene) => {
    const admin = await scene.holding('project_admin', { projectId: scene.org.projectId });
    const subject = await scene.target();
    return () => scene.http('POST', GRANTS, admin.token, { subject, role: 'owner' });
  }),
  http('a Project Admin makes somebody Project Admin of every project', [DENIED, REQUEST], async (scene) => {
    const admin = await scene.holding('project_admin', { projectId: scene.org.projectId });
    const subject = await scene.target();
    return () => scene.http('POST', GRANTS, admin.token, { subject, role: 'project_admin' });
  }),
  http('a Project Admin of every project makes somebody Auditor', [DENIED, REQUEST], async (scene) => {
    const [admin, subject] = [await scene.holding('project_admin'), await scene.target()];
    return () => scene.http('POST', GRANTS, admin.token, { subject, role: 'auditor' });
  }),
  http('an administrator outside production gives production too', [BEYOND, GRANT], async (scene) => {
    const [admin, subject] = [await scene.newUser(), await scene.target()];
    const scope = { projectId: scene.org.projectId };
    const own = { subject: { type: 'user', id: admin.id }, role: 'project_admin', scope };
    await scene.world.grant(scene.org, { ...own, tier: 'non-production' });
    await scene.world.grant(scene.org, { ...own, resourceType: 'grant' });
    return () => scene.http('POST', GRANTS, admin.token, { subject, role: 'developer', scope });
  }),
  http('an Owner who is denied a thing gives it on', [BEYOND, GRANT], async (scene) => {
    const [owner, subject] = [await scene.holding('owner'), await scene.target()];
    const denial = { subject: { type: 'user', id: owner.id }, role: 'developer', effect: 'deny' } as const;
    await scene.world.grant(scene.org, { ...denial, scope: { environmentId: scene.org.stagingId } });
    return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'developer' });
  }),
  http('an Owner for an hour gives a role for ever', [BEYOND, GRANT], async (scene) => {
    const [owner, subject] = [await scene.holding('owner', {}, scene.inMs(HOUR_MS)), await scene.target()];
    return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer' });
  }),
  http('an Owner for an hour gives a role for an hour more', [BEYOND, GRANT], async (scene) => {
    const [owner, subject] = [await scene.holding('owner', {}, scene.inMs(HOUR_MS)), await scene.target()];
    const validUntil = scene.inMs(2 * HOUR_MS);
    return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer', validUntil });
  }),
  http('an Owner for an hour gives a role that begins when theirs has ended', [BEYOND, GRANT], async (scene) => {
    const [owner, subject] = [await scene.holding('owner', {}, scene.inMs(HOUR_MS)), await scene.target()];
    const period = { validFrom: scene.inMs(2 * HOUR_MS), validUntil: scene.inMs(3 * HOUR_MS) };
    return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer', ...period });
  }),
  http(
    'an Owner for an hour ends a denial that would have lasted',
    [BEYOND, 'grant.deleted ESCALATION'],
    async (scene) => {
      const [owner, subject] = [await scene.holding('owner', {}, scene.inMs(HOUR_MS)), await scene.target()];
      const id = await scene.world.grant(scene.org, { subject, role: 'viewer', effect: 'deny' });
      return () => scene.http('DELETE', `${GRANTS}/${id}`, owner.token);
    },
  ),
];

const HERE = { property: 'context.ip', operator: 'inNetwork', value: ['127.0.0.0/8', '::1/128'] };
const TOKEN = { property: 'subject.credentialType', operator: 'equals', value: 'api_token' };

const conditionalOwner =
  (held: object, given: object): Attack['arrange'] =>
  async (scene) => {
    const [owner, subject] = [await scene.newUser(), await scene.target()];
    await scene.world.grant(scene.org, { subject: { type: 'user', id: owner.id }, role: 'owner', condition: held });
    return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'viewer', ...given });
  };

/** A condition one holds a role on is passed on with it, or nothing is. */
const CONDITIONS: readonly Attack[] = [
  http('who is Owner on a condition drops it', [BEYOND, GRANT], conditionalOwner(HERE, {})),
  http(
    'who is Owner on a condition loosens it',
    [BEYOND, GRANT],
    conditionalOwner(HERE, {
      condition: { any: [HERE, { property: 'context.ip', operator: 'inNetwork', value: ['0.0.0.0/0'] }] },
    }),
  ),
  http(
    'who is Owner on a condition turns it round',
    [BEYOND, GRANT],
    conditionalOwner(HERE, { condition: { not: HERE } }),
  ),
  http(
    'who is Owner on a condition about themselves passes it to somebody else',
    [BEYOND, GRANT],
    conditionalOwner(TOKEN, { condition: TOKEN }),
  ),
];

/** Nobody serves themselves. */
const OWN_GRANTS: readonly Attack[] = [
  http('an Owner gives themselves a role', [OWN, GRANT], async (scene) => {
    const { ownerId, ownerToken } = scene.org;
    const subject = { type: 'user', id: ownerId };
    await scene.holding('owner');
    return () => scene.http('POST', GRANTS, ownerToken, { subject, role: 'developer' });
  }),
  http('an Owner gives a role to a group they are in', [OWN, GRANT], async (scene) => {
    const groupId = await scene.newGroup();
    const owner = await scene.newUser([groupId]);
    await scene.world.grant(scene.org, { subject: { type: 'user', id: owner.id }, role: 'owner' });
    const subject = { type: 'group', id: groupId };
    return () => scene.http('POST', GRANTS, owner.token, { subject, role: 'owner' });
  }),
  http('an Owner maps a group they are in', [OWN, 'group-mapping.created ESCALATION'], async (scene) => {
    const groupId = await scene.newGroup();
    const owner = await scene.newUser([groupId]);
    await scene.world.grant(scene.org, { subject: { type: 'user', id: owner.id }, role: 'owner' });
    return () => scene.http('POST', MAPPINGS, owner.token, { groupId, role: 'project_admin' });
  }),
  http('an Owner takes away what denies them', [OWN, 'grant.deleted ESCALATION'], async (scene) => {
    const owner = await scene.holding('owner');
    const scope = { environmentId: scene.org.liveId };
    const denial = { subject: { type: 'user', id: owner.id }, role: 'viewer', effect: 'deny', scope } as const;
    const id = await scene.world.grant(scene.org, denial);
    return () => scene.http('DELETE', `${GRANTS}/${id}`, owner.token);
  }),
  http('a service account gives itself a role', [OWN, GRANT], async (scene) => {
    const robot = await scene.robot('owner');
    const subject = { type: 'service_account', id: robot.id };
    return () => scene.http('POST', GRANTS, robot.token, { subject, role: 'project_admin' });
  }),
  http('a service account gives a role to who is behind it', [OWN, GRANT], async (scene) => {
    const person = await scene.newUser();
    const [robot, subject] = [await scene.robot('owner', {}, [person]), { type: 'user', id: person.id }];
    return () => scene.http('POST', GRANTS, robot.token, { subject, role: 'project_admin' });
  }),
  http('a service account gives a role to a group of who is behind it', [OWN, GRANT], async (scene) => {
    const groupId = await scene.newGroup();
    const robot = await scene.robot('owner', {}, [await scene.newUser(), await scene.newUser([groupId])]);
    return () => scene.http('POST', GRANTS, robot.token, { subject: { type: 'group', id: groupId }, role: 'viewer' });
  }),
  http('a service account ends what denies who is behind it', [OWN, 'grant.deleted ESCALATION'], async (scene) => {
    const person = await scene.newUser();
    const [robot, subject] = [await scene.robot('owner', {}, [person]), { type: 'user', id: person.id }];
    const id = await scene.world.grant(scene.org, { subject, role: 'viewer', effect: 'deny' });
    return () => scene.http('DELETE', `${GRANTS}/${id}`, robot.token);
  }),
  http('a service account that develops makes somebody Viewer', [DENIED, REQUEST], async (scene) => {
    const [robot, subject] = [await scene.robot('developer'), await scene.target()];
    return () => scene.http('POST', GRANTS, robot.token, { subject, role: 'viewer' });
  }),
];

/** Tokens are never wider than what they are for. */
const TOKEN_SCOPES: readonly Attack[] = [
  http('a token for grants passes on what it is not for', [BEYOND, GRANT], async (scene) => {
    const [owner, subject] = [await scene.holding('owner'), await scene.target()];
    const token = scene.limited(owner, ['grant:manage']);
    return () => scene.http('POST', GRANTS, token, { subject, role: 'viewer' });
  }),
  http('a token for grants takes away what it is not for', [BEYOND, 'grant.deleted ESCALATION'], async (scene) => {
    const [owner, subject] = [await scene.holding('owner'), await scene.target()];
    const id = await scene.world.grant(scene.org, { subject, role: 'developer' });
    const token = scene.limited(owner, ['grant:manage', 'grant:read']);
    return () => scene.http('DELETE', `${GRANTS}/${id}`, token);
  }),
  http(
    'a token for reading grants makes one',
    ['403 PERMISSION_DENIED CREDENTIAL_SCOPE', 'request.denied CREDENTIAL_SCOPE'],
    async (scene) => {
      const [owner, subject] = [await scene.holding('owner'), await scene.target()];
      const token = scene.limited(owner, ['grant:read']);
      return () => scene.http('POST', GRANTS, token, { subject, role: 'viewer' });
    },
  ),
  http(
    'a token for grants issues a decision token',
    ['403 PERMISSION_DENIED CREDENTIAL_SCOPE', 'request.denied CREDENTIAL_SCOPE'],
    async (scene) => {
      const token = scene.limited(await scene.holding('owner'), ['grant:manage']);
      return () => scene.http('POST', '/api/policy/v1/decision-tokens', token, { name: 'mine' });
    },
  ),
];

/** Denials and mappings reach people of any rank: only who administers the whole organisation makes or ends them. */
const WHOLE_ORGANIZATION: readonly Attack[] = [
  http('a Project Admin denies somebody a role', [DENIED, REQUEST], async (scene) => {
    const scope = { projectId: scene.org.projectId };
    const [admin, subject] = [await scene.holding('project_admin', scope), await scene.target()];
    return () => scene.http('POST', GRANTS, admin.token, { subject, role: 'viewer', scope, effect: 'deny' });
  }),
  http('a Project Admin takes a denial away', [DENIED, REQUEST], async (scene) => {
    const scope = { projectId: scene.org.projectId };
    const [admin, subject] = [await scene.holding('project_admin', scope), await scene.target()];
    const id = await scene.world.grant(scene.org, { subject, role: 'viewer', scope, effect: 'deny' });
    return () => scene.http('DELETE', `${GRANTS}/${id}`, admin.token);
  }),
  http('a Project Admin maps a group within the project', [DENIED, REQUEST], async (scene) => {
    const scope = { projectId: scene.org.projectId };
    const [admin, groupId] = [await scene.holding('project_admin', scope), await scene.newGroup()];
    return () => scene.http('POST', MAPPINGS, admin.token, { groupId, role: 'viewer', scope });
  }),
  http('a Project Admin takes away what was given above them', [DENIED, REQUEST], async (scene) => {
    const admin = await scene.holding('project_admin', { projectId: scene.org.projectId });
    const id = await scene.world.grant(scene.org, { subject: await scene.target(), role: 'developer' });
    return () => scene.http('DELETE', `${GRANTS}/${id}`, admin.token);
  }),
  http('a Developer ends a mapping', [DENIED, REQUEST], async (scene) => {
    const [developer, groupId] = [await scene.holding('developer'), await scene.newGroup()];
    const made = await scene.post(scene.org.ownerToken, { groupId, role: 'viewer' }, MAPPINGS);
    const { id } = made.body as { id: string };
    return () => scene.http('DELETE', `${MAPPINGS}/${id}`, developer.token);
  }),
  http('a mapping is ended as if it were a grant', ['409 READ_ONLY', null], async (scene) => {
    const groupId = await scene.newGroup();
    const made = await scene.post(scene.org.ownerToken, { groupId, role: 'viewer' }, MAPPINGS);
    const { id } = made.body as { id: string };
    return () => scene.http('DELETE', `${GRANTS}/${id}`, scene.org.ownerToken);
  }),
  http('a Developer brings the index back in place of Casbin', [DENIED, REQUEST], async (scene) => {
    const developer = await scene.holding('developer');
    return () => scene.http('POST', '/api/policy/v1/index/reset', developer.token);
  }),
];

/** An organisation keeps an Owner, and an Auditor stays one. */
const RULES: readonly Attack[] = [
  http('a service account removes the last Owner', ['409 LAST_OWNER', 'grant.deleted LAST_OWNER'], async (scene) => {
    const robot = await scene.robot('owner');
    const [own] = (await scene.listed(`?subjectId=${scene.org.ownerId}`)).items;
    return () => scene.http('DELETE', `${GRANTS}/${String(own?.id)}`, robot.token);
  }),
  http('a service account denies the last Owner', ['409 LAST_OWNER', 'grant.created LAST_OWNER'], async (scene) => {
    const robot = await scene.robot('owner');
    const subject = { type: 'user', id: scene.org.ownerId };
    return () => scene.http('POST', GRANTS, robot.token, { subject, role: 'viewer', effect: 'deny' });
  }),
  http('the last Owner is denied through a group', ['409 LAST_OWNER', 'grant.created LAST_OWNER'], async (scene) => {
    const [robot, groupId] = [await scene.robot('owner'), await scene.newGroup()];
    await scene.changed({ id: scene.org.ownerId, token: '' }, { groupIds: [groupId] });
    const subject = { type: 'group', id: groupId };
    return () => scene.http('POST', GRANTS, robot.token, { subject, role: 'viewer', effect: 'deny' });
  }),
  http(
    'who is Owner for a while stands in for the last one',
    ['409 LAST_OWNER', 'grant.deleted LAST_OWNER'],
    async (scene) => {
      const robot = await scene.robot('owner');
      await scene.holding('owner', {}, scene.inMs(HOUR_MS));
      const [own] = (await scene.listed(`?subjectId=${scene.org.ownerId}`)).items;
      return () => scene.http('DELETE', `${GRANTS}/${String(own?.id)}`, robot.token);
    },
  ),
  http(
    'an Auditor is made Developer',
    ['409 SEPARATION_OF_DUTIES auditor', 'grant.created SEPARATION_OF_DUTIES'],
    async (scene) => {
      const subject = { type: 'user', id: (await scene.holding('auditor')).id };
      return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'developer' });
    },
  ),
  http(
    'a group with an Auditor in it is mapped to a role that writes',
    ['409 SEPARATION_OF_DUTIES auditor', 'group-mapping.created SEPARATION_OF_DUTIES'],
    async (scene) => {
      const groupId = await scene.newGroup();
      const member = await scene.newUser([groupId]);
      await scene.world.grant(scene.org, { subject: { type: 'user', id: member.id }, role: 'auditor' });
      return () => scene.http('POST', MAPPINGS, scene.org.ownerToken, { groupId, role: 'release_manager' });
    },
  ),
];

/** Ids of another organisation name nothing here. */
const CROSS_SCOPE: readonly Attack[] = [
  http("a grant to another organisation's user", [MISSING, null], async (scene) => {
    const subject = { type: 'user', id: (await scene.rival()).ownerId };
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer' });
  }),
  http("a grant to another organisation's group", [MISSING, null], async (scene) => {
    const [{ orgId }, groupId] = [await scene.rival(), await scene.newGroup()];
    const foreign = groupId.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    const position = scene.world.identity.commit(orgId, [], [{ groupId: foreign, displayName: 'Theirs' }]);
    await scene.world.applied(orgId, position);
    const subject = { type: 'group', id: foreign };
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer' });
  }),
  http("a grant in another organisation's project", [MISSING, null], async (scene) => {
    const [{ projectId }, subject] = [await scene.rival(), await scene.target()];
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer', scope: { projectId } });
  }),
  http("a grant in another organisation's environment", [MISSING, null], async (scene) => {
    const [{ liveId }, subject] = [await scene.rival(), await scene.target()];
    const scope = { projectId: scene.org.projectId, environmentId: liveId };
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer', scope });
  }),
  http("another organisation's grant is taken away", [MISSING, null], async (scene) => {
    const rival = await scene.rival();
    const listed = await scene.world.call('GET', GRANTS, { token: rival.ownerToken });
    const id = (listed.body as { items: { id: string }[] }).items[0]?.id ?? '';
    return () => scene.http('DELETE', `${GRANTS}/${id}`, scene.org.ownerToken);
  }),
  http("another organisation's decision token is revoked", [MISSING, null], async (scene) => {
    const { ownerToken } = await scene.rival();
    const path = '/api/policy/v1/decision-tokens';
    const made = await scene.world.call('POST', path, { token: ownerToken, body: { name: 'theirs' } });
    const { id } = made.body as { id: string };
    return () => scene.http('DELETE', `${path}/${id}`, scene.org.ownerToken);
  }),
  http('the organisation is named in the body', ['400 INVALID_REQUEST UNKNOWN_FIELD', null], async (scene) => {
    const [{ orgId, ownerId }, { token }] = [await scene.rival(), await scene.holding('owner')];
    const subject = { type: 'user', id: ownerId };
    return () => scene.http('POST', GRANTS, token, { orgId, subject, role: 'viewer' });
  }),
  http('the organisation is named in headers', [MISSING, null], async (scene) => {
    const { orgId, ownerId } = await scene.rival();
    const subject = { type: 'user', id: ownerId };
    const headers = { 'x-org-id': orgId, 'x-tenant-id': orgId, 'sallyport-organization': orgId };
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer' }, headers);
  }),
];

/** What there is not. */
const NONSENSE: readonly Attack[] = [
  ...(['superuser', 'Owner', 'constructor', '__proto__', 'owner ', 'оwner'] as const).map((role) =>
    http(`the role ${JSON.stringify(role)} is given`, ['400 INVALID_REQUEST UNKNOWN_ROLE', null], async (scene) => {
      const subject = await scene.target();
      return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role });
    }),
  ),
  http('Owner of one environment', ['400 INVALID_REQUEST WRONG_LEVEL', null], async (scene) => {
    const [subject, scope] = [await scene.target(), { environmentId: scene.org.liveId }];
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'owner', scope });
  }),
  http('Auditor of one project', ['400 INVALID_REQUEST WRONG_LEVEL', null], async (scene) => {
    const [subject, scope] = [await scene.target(), { projectId: scene.org.projectId }];
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'auditor', scope });
  }),
  http('a role that ended before it is given', ['400 INVALID_REQUEST NOT_A_PERIOD', null], async (scene) => {
    const [subject, validUntil] = [await scene.target(), scene.inMs(-HOUR_MS)];
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer', validUntil });
  }),
  http('a user is given a role as a service account', [MISSING, null], async (scene) => {
    const subject = { type: 'service_account', id: (await scene.newUser()).id };
    return () => scene.http('POST', GRANTS, scene.org.ownerToken, { subject, role: 'viewer' });
  }),
];

/** Attempts to change who may do what. */
export const ADMINISTRATION: readonly Attack[] = [
  ...BEYOND_OWN,
  ...CONDITIONS,
  ...OWN_GRANTS,
  ...TOKEN_SCOPES,
  ...WHOLE_ORGANIZATION,
  ...RULES.map((attack) => ({ ...attack, alone: true })),
  ...CROSS_SCOPE,
  ...NONSENSE,
];
