import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { isAppError } from '@sallyport/errors';

import { createGrant } from '../src/grants/index.ts';
import { GrantDesk, deskForEachTest, MAPPINGS, codeOf, type Person } from './support/grant-desk.ts';
import { administratorAfter } from './support/meanwhile.ts';
import { ROLES, RoleDesk, SWITCHER } from './support/role-desk.ts';
import type { Answer, Organization, World } from './support/world.ts';

const SEPARATION = '/api/policy/v1/separation-rules';
const OWNERS_ONLY = { organization: ['account:manage'] };

describe('escalation through roles', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;
  let roles: RoleDesk;

  const opened = deskForEachTest();
  beforeEach(() => {
    desk = opened();
    ({ world, org } = desk);
    roles = new RoleDesk(desk);
  });

  const refusal = ({ status, body }: Answer): readonly [number, string, string] => [
    status,
    codeOf({ body } as Answer),
    (body as { detail?: string } | undefined)?.detail ?? '',
  ];
  const refused = (answer: Answer, code: string): string => {
    const [status, found, detail] = refusal(answer);
    assert.ok(status === 403 || status === 409, answer.text);
    assert.equal(found, code, answer.text);
    return detail;
  };

  /** An Owner whose credential is limited to these permissions. */
  const limitedTo = async (...scopes: string[]): Promise<string> => {
    const { id } = await desk.holding('owner');
    const token = `limited-${id}`;
    world.identity.allow(token, { orgId: org.orgId, subjectId: id, scopes });
    return token;
  };

  it('whoever is not Owner makes, changes and deletes no role', async () => {
    await roles.made();
    const scope = { projectId: org.projectId };
    const people: Person[] = [await desk.holding('project_admin', scope)];
    for (const role of ['project_admin', 'release_manager', 'developer', 'viewer', 'auditor'])
      people.push(await desk.holding(role));
    for (const { token } of people) {
      refused(await roles.create({ ...SWITCHER, key: 'mine', name: 'Mine' }, token), 'PERMISSION_DENIED');
      refused(await roles.update({ ...SWITCHER, permissions: OWNERS_ONLY }, token), 'PERMISSION_DENIED');
      refused(await roles.remove('switcher', token), 'PERMISSION_DENIED');
      refused(await desk.post(token, { name: 'x', roles: ['viewer', 'developer'] }, SEPARATION), 'PERMISSION_DENIED');
    }
  });

  it('who may make roles by a role of their own makes none beyond it', async () => {
    const steward = { organization: ['role:manage', 'role:read', 'grant:read'], production: ['flag:toggle'] };
    await roles.made({ key: 'steward', name: 'Steward', levels: ['organization'], permissions: steward });
    const { token } = await desk.holding('steward');
    const mine = { ...SWITCHER, key: 'mine', name: 'Mine' };
    assert.equal((await roles.create({ ...mine, permissions: { production: ['flag:toggle'] } }, token)).status, 201);
    for (const permissions of [
      OWNERS_ONLY,
      { production: ['flag:toggle', 'flag:read'] },
      { 'non-production': ['flag:toggle'] },
      { organization: ['grant:manage'] },
    ])
      refused(await roles.create({ ...mine, key: 'more', name: 'More', permissions }, token), 'ESCALATION');
  });

  it('nobody widens a role beyond what they hold, nor touches one that holds more', async () => {
    const steward = { organization: ['role:manage', 'role:read'], production: ['flag:read'] };
    await roles.made({ key: 'steward', name: 'Steward', levels: ['organization'], permissions: steward });
    const role = await roles.made({ key: 'reader', name: 'Reader', permissions: { production: ['flag:read'] } });
    const switcher = await roles.made();
    const { token } = await desk.holding('steward');
    const wider = { ...role, permissions: { production: ['flag:read', 'flag:toggle'] } };
    assert.match(refused(await roles.update(wider, token), 'ESCALATION'), /flag:toggle at production/);
    // What somebody else holds beyond them is not theirs to narrow either: a denial of it would let go.
    refused(await roles.update({ ...switcher, permissions: { production: ['flag:read'] } }, token), 'ESCALATION');
    refused(await roles.remove('switcher', token), 'ESCALATION');
    assert.equal((await roles.update({ ...role, name: 'Reads' }, token)).status, 200);
  });

  it('nobody changes a role of their own, held directly or through a group', async () => {
    const groupId = await desk.newGroup();
    const boss = await desk.newUser([groupId]);
    await world.grant(org, { subject: { type: 'user', id: boss.id }, role: 'owner' });
    const role = await roles.made();
    const scope = { projectId: org.projectId };
    const grantId = await world.grant(org, { subject: { type: 'user', id: boss.id }, role: role.key, scope });
    assert.match(refused(await roles.update({ ...role, name: 'Mine' }, boss.token), 'ESCALATION'), /their own/);
    assert.equal((await desk.remove(org.ownerToken, grantId)).status, 204);
    assert.equal((await roles.update({ ...role, name: 'Mine' }, boss.token)).status, 200);
    assert.equal((await desk.post(org.ownerToken, { groupId, role: role.key, scope }, MAPPINGS)).status, 201);
    refused(await roles.update({ ...role, name: 'Ours' }, boss.token), 'ESCALATION');
  });

  it('nobody frees themselves of a denial by emptying its role', async () => {
    const boss = await desk.holding('owner');
    const role = await roles.made({ levels: ['organization'] });
    const denial = { subject: { type: 'user', id: boss.id }, role: role.key, effect: 'deny' } as const;
    await world.grant(org, denial);
    refused(await roles.update({ ...role, permissions: { production: ['change:read'] } }, boss.token), 'ESCALATION');
    // Being denied it, they do not hold it: another role with it is not theirs to make.
    refused(await roles.create({ ...role, key: 'again', name: 'Again' }, boss.token), 'ESCALATION');
  });

  it('who is Owner for a time changes no role beyond it; making one is nothing yet', async () => {
    const until = new Date(world.context.clock.now().getTime() + 60_000).toISOString();
    const { token } = await desk.holding('owner', {}, until);
    const role = await roles.made();
    await desk.holding(role.key, { projectId: org.projectId });
    refused(await roles.update({ ...role, permissions: { production: ['flag:delete'] } }, token), 'ESCALATION');
    assert.equal((await roles.create({ ...role, key: 'other', name: 'Other' }, token)).status, 201);
    const subject = { type: 'user', id: (await desk.newUser()).id };
    const given = { subject, role: 'other', scope: { projectId: org.projectId } };
    refused(await desk.post(token, given), 'ESCALATION');
  });

  it('a token limited to scopes puts nothing else into a role', async () => {
    const role = await roles.made();
    refused(await roles.update({ ...role, name: 'Other' }, await limitedTo('role:manage')), 'ESCALATION');
    refused(await roles.create({ ...role, key: 'other', name: 'Other' }, await limitedTo('role:manage')), 'ESCALATION');
    refused(await roles.remove('switcher', await limitedTo('role:read')), 'PERMISSION_DENIED');
    const enough = await limitedTo('role:manage', 'flag:read', 'flag:toggle');
    assert.equal((await roles.create({ ...role, key: 'other', name: 'Other' }, enough)).status, 201);
  });

  it('nobody gives a role of the organisation beyond what they hold', async () => {
    await roles.made({ key: 'keeper', name: 'Keeper', levels: ['organization', 'project'], permissions: OWNERS_ONLY });
    await roles.made();
    const scope = { projectId: org.projectId };
    const admin = await desk.holding('project_admin', scope);
    const subject = { type: 'user', id: (await desk.newUser()).id };
    assert.equal((await desk.post(admin.token, { subject, role: 'switcher', scope })).status, 201);
    refused(await desk.post(admin.token, { subject, role: 'keeper' }), 'PERMISSION_DENIED');
    await roles.made({ key: 'creator', name: 'Creator', permissions: { project: ['role:read'], production: [] } });
    const { token } = await desk.holding('viewer');
    refused(await desk.post(token, { subject, role: 'creator', scope }), 'PERMISSION_DENIED');
  });

  it('a role that comes to write is refused for whoever is Auditor, also through a group', async () => {
    const quiet = await roles.made({ levels: ['organization'], permissions: { production: ['flag:read'] } });
    const auditor = await desk.holding('auditor');
    await world.grant(org, { subject: { type: 'user', id: auditor.id }, role: quiet.key });
    const loud = { ...quiet, permissions: { production: ['flag:read', 'flag:toggle'] } };
    refused(await roles.update(loud, org.ownerToken), 'SEPARATION_OF_DUTIES');
    assert.equal((await roles.update({ ...quiet, permissions: { project: ['flag:read'] } })).status, 200);
    const [direct] = (await desk.listed(`?subjectId=${auditor.id}`)).items.filter(({ role }) => role === quiet.key);
    assert.equal((await desk.remove(org.ownerToken, direct?.id)).status, 204);
    assert.equal((await roles.update(loud, org.ownerToken)).status, 200);
    const given = { subject: { type: 'user', id: auditor.id }, role: quiet.key };
    refused(await desk.post(org.ownerToken, given), 'SEPARATION_OF_DUTIES');
    const groupId = await desk.newGroup();
    const member = await desk.newUser([groupId]);
    await world.grant(org, { subject: { type: 'user', id: member.id }, role: 'auditor' });
    refused(await desk.post(org.ownerToken, { groupId, role: quiet.key }, MAPPINGS), 'SEPARATION_OF_DUTIES');
  });

  it('one organisation does not reach the roles of another', async () => {
    await roles.made();
    const other = await world.organization();
    const theirs = new RoleDesk(new GrantDesk(world, other));
    for (const answer of [
      await roles.update({ ...SWITCHER, name: 'Stolen' }, other.ownerToken, '*'),
      await roles.remove('switcher', other.ownerToken, '*'),
      await world.call('GET', `${ROLES}/switcher`, { token: other.ownerToken }),
    ])
      assert.equal(answer.status, 404);
    assert.equal((await theirs.create(SWITCHER, other.ownerToken)).status, 201);
    const given = { subject: { type: 'user', id: (await desk.newUser()).id }, role: 'switcher' };
    assert.equal((await desk.post(other.ownerToken, { ...given, scope: { projectId: org.projectId } })).status, 404);
  });

  it('two edits at once do not both pass: the second is asked on what the first left', async () => {
    const role = await roles.made();
    const tag = await roles.etag(role.key);
    const edits = ['One', 'Two', 'Three'].map((name) => roles.update({ ...role, name }, org.ownerToken, tag));
    const statuses = (await Promise.all(edits)).map(({ status }) => String(status)).sort();
    assert.deepEqual(statuses, ['200', '412', '412']);
  });

  it('a role deleted meanwhile is not given', async () => {
    await roles.made();
    const subject = { type: 'user', id: (await desk.newUser()).id };
    const given = { subject, role: 'switcher', scope: { projectId: org.projectId } };
    const [removal, grant] = await Promise.all([roles.remove('switcher'), desk.post(org.ownerToken, given)]);
    assert.ok(
      (removal.status === 204 && grant.status === 400) || (removal.status === 409 && grant.status === 201),
      `${String(removal.status)} ${String(grant.status)}`,
    );
    await waitFor(() => world.context.knowledge.organization(org.orgId)?.quarantined.length === 0, {
      message: 'something was quarantined',
    });
  });

  it('a role given in a protected scope is not changed alone; one given elsewhere is', async () => {
    const role = await roles.made();
    const other = await roles.made({ key: 'other', name: 'Other' });
    await desk.holding('owner');
    await desk.holding(role.key, { environmentId: org.liveId });
    await desk.holding(other.key, { environmentId: org.stagingId });
    const protection = { scope: { environmentId: org.liveId }, requiredApprovals: 1 };
    assert.equal((await desk.post(org.ownerToken, protection, '/api/policy/v1/protections')).status, 201);
    refused(await roles.update({ ...role, permissions: { production: ['flag:read'] } }), 'APPROVAL_REQUIRED');
    assert.equal((await roles.update({ ...other, permissions: { production: ['flag:read'] } })).status, 200);
    assert.equal((await roles.create({ ...role, key: 'third', name: 'Third' })).status, 201);
  });

  it('a role deleted while its grant waits for the lock is not given', async () => {
    await roles.made();
    const { id } = await desk.newUser();
    const validity = { validForMs: 5_000, decidedAtMonotonicMs: world.context.clock.monotonicMs() };
    const deleted = async (): Promise<void> => {
      assert.equal((await roles.remove('switcher')).status, 204);
    };
    const attempt = createGrant(world.context, administratorAfter(org, org.ownerId, validity, deleted), {
      subjectType: 'user',
      subjectId: id,
      roleKey: 'switcher',
      scope: { projectId: org.projectId, environmentId: null },
      effect: 'allow',
      tier: null,
      resourceType: null,
      condition: null,
      source: 'direct',
      validFrom: null,
      validUntil: null,
    });
    await assert.rejects(attempt, (error) => isAppError(error) && error.code === 'INVALID_REQUEST');
    assert.equal((await desk.listed(`?subjectId=${id}`)).items.length, 0);
  });

  it('is recorded', async () => {
    const boss = await desk.holding('owner');
    const role = await roles.made();
    await world.grant(org, {
      subject: { type: 'user', id: boss.id },
      role: role.key,
      scope: { projectId: org.projectId },
    });
    await roles.update({ ...role, permissions: { production: ['flag:delete'] } }, boss.token);
    const [denied] = (await desk.audit()).filter(({ entry }) => entry.outcome === 'denied');
    assert.deepEqual(
      [denied?.entry.action, denied?.entry.reason, denied?.entry.target.id],
      ['role.updated', 'ESCALATION', 'switcher'],
    );
  });
});
