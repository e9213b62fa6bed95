import type { Attack, Scene } from './scene.ts';
import type { Json } from '../authzen-desk.ts';
import type { Person } from '../grant-desk.ts';

/** A Developer of the project: may toggle in staging, may not in live. */
const developerOf = async (scene: Scene): Promise<Person> =>
  await scene.holding('developer', { projectId: scene.org.projectId });

const toggle = (subjectId: string, properties: Json, more: Json = {}): Json => ({
  subject: { type: 'user', id: subjectId },
  action: { name: 'flag:toggle' },
  resource: { type: 'flag', id: 'checkout', properties },
  ...more,
});

const asked = (door: Attack['door'], what: string, refused: string, arrange: Attack['arrange']): Attack => ({
  door,
  what,
  refused,
  audited: null,
  arrange,
});

/** Names that something else would take for the staging environment, or for the live one. */
const NAMES: readonly (readonly [what: string, name: string])[] = [
  ['a path', 'live/../staging'],
  ['a path, escaped', 'live%2F..%2Fstaging'],
  ['capitals', 'STAGING'],
  ['a look-alike letter', 'ѕtaging'],
  ['full-width letters', 'ｓｔａｇｉｎｇ'],
  ['a combining mark', 'staging\u0307'],
  ['an invisible letter', 'stag\u200Bing'],
  ['a blank behind', 'staging '],
  ['a line break behind', 'staging\n'],
  ['a wildcard', 'stag*'],
  ['a pattern', '.*'],
  ['a list in text', 'staging,live'],
  ['a quote', "staging' OR '1'='1"],
  ['an object internal', '__proto__'],
];

const ENVIRONMENT_CONFUSION: readonly Attack[] = [
  ...NAMES.map(([what, environment]) =>
    asked('AuthZEN', `staging is named by ${what}`, 'deny UNKNOWN_ENVIRONMENT', async (scene) => {
      const { id } = await developerOf(scene);
      return () => scene.authzen(toggle(id, { project: 'shop', environment }));
    }),
  ),
  ...(['staging', 'STAGING', 'live/../staging', '*'] as const).map((environmentId) =>
    asked('gRPC', `${environmentId} stands where an id belongs`, 'deny UNKNOWN_ENVIRONMENT', async (scene) => {
      const { id } = await developerOf(scene);
      return () => scene.check({ subjectId: id, action: 'flag:toggle', environmentId });
    }),
  ),
  asked('gRPC', 'a control character in an id', 'deny INVALID_REQUEST', async (scene) => {
    const { id } = await developerOf(scene);
    return () => scene.check({ subjectId: id, action: 'flag:toggle', environmentId: `${scene.org.stagingId}\n` });
  }),
  asked('AuthZEN', 'an environment is claimed for another project', 'deny UNKNOWN_PROJECT', async (scene) => {
    const { id } = await developerOf(scene);
    return () => scene.authzen(toggle(id, { project: 'other', environment: scene.org.stagingId }));
  }),
  asked(
    'gRPC',
    'the project of one, the environment of another organisation',
    'deny UNKNOWN_ENVIRONMENT',
    async (scene) => {
      const [{ id }, { stagingId }] = [await developerOf(scene), await scene.rival()];
      const { projectId } = scene.org;
      return () => scene.check({ subjectId: id, action: 'flag:toggle', projectId, environmentId: stagingId });
    },
  ),
  asked('AuthZEN', 'the environment is left out', 'deny NO_GRANT', async (scene) => {
    const { id } = await developerOf(scene);
    return () => scene.authzen(toggle(id, { project: 'shop' }));
  }),
  asked('AuthZEN', 'the place is a list', 'deny UNKNOWN_ENVIRONMENT', async (scene) => {
    const { id } = await developerOf(scene);
    return () => scene.authzen(toggle(id, { project: 'shop', environment: ['staging', 'live'] }));
  }),
];

/** What a caller says of tier, tenant, role and group is not listened to. */
const CALLER_SUPPLIED: readonly Attack[] = [
  asked('AuthZEN', 'the caller says that live is not production', 'deny NO_GRANT', async (scene) => {
    const { id } = await developerOf(scene);
    const lie = { tier: 'non-production', place: 'non-production', production: false };
    return () => scene.authzen(toggle(id, { project: 'shop', environment: 'live', ...lie }, { context: lie }));
  }),
  asked('gRPC', 'the caller says that live is not production', 'deny NO_GRANT', async (scene) => {
    const { id } = await developerOf(scene);
    const lie = { tier: 'non-production', place: 'non-production', environmentId: scene.org.stagingId };
    const given = { resource: lie, context: lie, action: lie };
    return () => scene.check({ subjectId: id, action: 'flag:toggle', environmentId: scene.org.liveId, given });
  }),
  asked('AuthZEN', 'the caller says that the subject is Owner', 'deny NO_GRANT', async (scene) => {
    const { id } = await developerOf(scene);
    const subject = { type: 'user', id, properties: { role: 'owner', roles: ['owner'], groups: ['owners'] } };
    return () => scene.authzen(toggle(id, { project: 'shop', environment: 'live' }, { subject }));
  }),
  asked('AuthZEN', 'the caller names another organisation', 'deny SUBJECT_UNKNOWN', async (scene) => {
    const { orgId, ownerId, projectId } = await scene.rival();
    const tenant = { org: orgId, orgId, tenant: orgId };
    const question = toggle(ownerId, { project: 'shop', environment: 'live', projectId, ...tenant });
    return () => scene.authzen({ ...question, ...tenant, context: tenant });
  }),
  asked(
    'AuthZEN',
    "the caller meets a condition with the policy's own property",
    'deny CONDITION_NOT_MET',
    async (scene) => {
      const user = await scene.newUser();
      const condition = { property: 'resource.place', operator: 'equals', value: 'non-production' };
      await scene.world.grant(scene.org, {
        subject: { type: 'user', id: user.id },
        role: 'release_manager',
        condition,
      });
      const lie = { project: 'shop', environment: 'live', place: 'non-production' };
      return () => scene.authzen(toggle(user.id, lie));
    },
  ),
  asked('gRPC', 'the caller leaves out what a denial looks at', 'deny EXPLICIT_DENY', async (scene) => {
    const { id } = await developerOf(scene);
    const condition = { property: 'context.ip', operator: 'inNetwork', value: ['203.0.113.0/24'] };
    await scene.world.grant(scene.org, { subject: { type: 'user', id }, role: 'developer', effect: 'deny', condition });
    return () => scene.check({ subjectId: id, action: 'flag:toggle', environmentId: scene.org.stagingId });
  }),
  {
    ...asked(
      'HTTP',
      'an administrator says where they are',
      '403 PERMISSION_DENIED CONDITION_NOT_MET',
      async (scene) => {
        const user = await scene.newUser();
        const condition = { property: 'context.ip', operator: 'inNetwork', value: ['203.0.113.0/24'] };
        await scene.world.grant(scene.org, { subject: { type: 'user', id: user.id }, role: 'owner', condition });
        // What they sent themselves comes first; the last is what the proxy saw.
        const headers = { 'x-forwarded-for': '203.0.113.7, 198.51.100.9', 'x-real-ip': '203.0.113.7' };
        return () => scene.http('GET', '/api/policy/v1/roles', user.token, undefined, headers);
      },
    ),
    audited: 'request.denied CONDITION_NOT_MET',
  },
];

/** Who is meant is looked up exactly, in the organisation of the asker. */
const SUBJECTS: readonly Attack[] = [
  asked('AuthZEN', "another organisation's subject", 'deny SUBJECT_UNKNOWN', async (scene) => {
    const { ownerId } = await scene.rival();
    return () => scene.authzen(toggle(ownerId, { project: 'shop', environment: 'staging' }));
  }),
  asked('gRPC', "another organisation's subject", 'deny SUBJECT_UNKNOWN', async (scene) => {
    const { ownerId } = await scene.rival();
    return () => scene.check({ subjectId: ownerId, action: 'flag:toggle', environmentId: scene.org.stagingId });
  }),
  asked('gRPC', 'our Owner, asked about in another organisation', 'deny SUBJECT_UNKNOWN', async (scene) => {
    const { orgId } = await scene.rival();
    return () => scene.check({ orgId, subjectId: scene.org.ownerId, action: 'organization:read' });
  }),
  asked('gRPC', 'an organisation that does not exist', 'deny UNKNOWN_ORGANIZATION', async (scene) => {
    const orgId = scene.org.projectId;
    return await Promise.resolve(() =>
      scene.check({ orgId, subjectId: scene.org.ownerId, action: 'organization:read' }),
    );
  }),
  asked('gRPC', 'a user passes for a service account', 'deny SUBJECT_UNKNOWN', async (scene) => {
    const { ownerId: subjectId } = scene.org;
    return await Promise.resolve(() =>
      scene.check({ subjectId, action: 'organization:read', type: 'service_account' }),
    );
  }),
  asked('AuthZEN', 'a group passes for a subject', 'deny INVALID_REQUEST', async (scene) => {
    const groupId = await scene.newGroup();
    await scene.world.grant(scene.org, { subject: { type: 'group', id: groupId }, role: 'owner' });
    const subject = { type: 'group', id: groupId };
    return () => scene.authzen(toggle('', { project: 'shop', environment: 'live' }, { subject }));
  }),
  asked('AuthZEN', 'a list of subjects, one of whom may', '400', async (scene) => {
    const { id } = await developerOf(scene);
    const subject = { type: 'user', id: [id, scene.org.ownerId] };
    return () => scene.authzen(toggle('', { project: 'shop', environment: 'staging' }, { subject }));
  }),
  asked('AuthZEN', 'every action at once', 'deny UNKNOWN_ACTION', async (scene) => {
    const question = toggle(scene.org.ownerId, { project: 'shop', environment: 'live' }, { action: { name: '*' } });
    return await Promise.resolve(() => scene.authzen(question));
  }),
  asked('gRPC', 'an action by its beginning', 'deny UNKNOWN_ACTION', async (scene) => {
    const { ownerId: subjectId, liveId: environmentId } = scene.org;
    return await Promise.resolve(() => scene.check({ subjectId, action: 'flag:', environmentId }));
  }),
];

/** What is over is over, and what has not begun is not there. */
const OVER: readonly Attack[] = [
  ...(['gRPC', 'AuthZEN'] as const).map((door) =>
    asked(door, 'a role that has ended is used on', 'deny GRANT_EXPIRED', async (scene) => {
      const { id } = await scene.holding('developer', {}, scene.inMs(3_000));
      const question = { subjectId: id, action: 'flag:toggle', environmentId: scene.org.stagingId };
      await scene.until(async () => (await scene.check(question)) !== 'allow', 'the role did not end');
      const properties = { project: 'shop', environment: 'staging' };
      return () => (door === 'gRPC' ? scene.check(question) : scene.authzen(toggle(id, properties)));
    }),
  ),
  asked('gRPC', 'a role is used before it begins', 'deny GRANT_NOT_YET_VALID', async (scene) => {
    const subject = await scene.target();
    await scene.world.grant(scene.org, { subject, role: 'developer', validFrom: scene.inMs(3_600_000) });
    return () => scene.check({ subjectId: subject.id, action: 'flag:toggle', environmentId: scene.org.stagingId });
  }),
  asked('AuthZEN', 'somebody deactivated goes on', 'deny SUBJECT_REVOKED', async (scene) => {
    const person = await developerOf(scene);
    await scene.changed(person, { active: false, epoch: 2n });
    return () => scene.authzen(toggle(person.id, { project: 'shop', environment: 'staging' }));
  }),
  asked('gRPC', 'a sign-in from before a security event', 'deny SUBJECT_REVOKED', async (scene) => {
    const person = await developerOf(scene);
    await scene.changed(person, { epoch: 2n });
    const question = { subjectId: person.id, action: 'flag:toggle', environmentId: scene.org.stagingId };
    return () => scene.check({ ...question, epoch: 1n });
  }),
  asked('AuthZEN', 'somebody who was taken out of the group', 'deny NO_GRANT', async (scene) => {
    const groupId = await scene.newGroup();
    const person = await scene.newUser([groupId]);
    await scene.world.grant(scene.org, { subject: { type: 'group', id: groupId }, role: 'developer' });
    await scene.changed(person, { groupIds: [] });
    return () => scene.authzen(toggle(person.id, { project: 'shop', environment: 'staging' }));
  }),
];

/** Questions put so that the answer would allow what nobody was given. */
export const DECISIONS: readonly Attack[] = [...ENVIRONMENT_CONFUSION, ...CALLER_SUPPLIED, ...SUBJECTS, ...OVER];
