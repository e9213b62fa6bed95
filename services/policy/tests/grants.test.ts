import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { World, type Answer, type GrantRequest, type Organization } from './support/world.ts';

interface GrantBody {
  readonly id: string;
  readonly role: string;
  readonly source: string;
  readonly subject: { readonly type: string; readonly id: string };
}

interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

interface AuditItem {
  readonly entry: {
    readonly action: string;
    readonly outcome: string;
    readonly reason?: string;
    readonly target: { readonly id: string };
    readonly before?: Readonly<Record<string, unknown>>;
    readonly after?: Readonly<Record<string, unknown>>;
    readonly decision?: Readonly<Record<string, unknown>>;
  };
}

const GRANTS = '/api/policy/v1/grants';
const MAPPINGS = '/api/policy/v1/group-mappings';

const codeOf = ({ body }: Answer): string => (body as { code?: string } | undefined)?.code ?? '';

describe('grants', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  const newUser = async (groupIds: string[] = []): Promise<{ id: string; token: string }> => {
    const id = newId();
    const token = `token-${id}`;
    await world.user(org.orgId, id, token, groupIds);
    return { id, token };
  };

  const newGroup = async (): Promise<string> => {
    const groupId = newId();
    await world.applied(org.orgId, world.identity.commit(org.orgId, [], [{ groupId, displayName: 'Group' }]));
    return groupId;
  };

  const holding = async (role: string, scope: GrantRequest['scope'] = {}, until?: string) => {
    const user = await newUser();
    const validity = until === undefined ? {} : { validUntil: until };
    await world.grant(org, { subject: { type: 'user', id: user.id }, role, scope, ...validity });
    return user;
  };

  const post = async (token: string, body: unknown, path = GRANTS): Promise<Answer> =>
    await world.call('POST', path, { token, body });

  const page = async <T>(path: string, token: string): Promise<Page<T>> => {
    const answer = await world.call('GET', path, { token });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Page<T>;
  };

  const listed = async (token: string, query = ''): Promise<Page<GrantBody>> =>
    await page<GrantBody>(`${GRANTS}${query}`, token);

  const audit = async (): Promise<readonly AuditItem[]> =>
    (await page<AuditItem>('/api/policy/v1/audit?limit=100', org.ownerToken)).items;

  it('take effect before the answer is given, and end the same way', async () => {
    const user = await newUser();
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle', environmentId: org.stagingId };
    const grant = { subject: { type: 'user', id: user.id }, role: 'developer', scope: { projectId: org.projectId } };
    for (let round = 0; round < 10; round += 1) {
      const id = await world.grant(org, grant);
      const allowed = await world.check(question);
      assert.deepEqual([allowed.reason, allowed.matchedGrant], ['GRANTED', id]);
      assert.equal((await world.call('DELETE', `${GRANTS}/${id}`, { token: org.ownerToken })).status, 204);
      assert.equal((await world.check(question)).reason, 'NO_GRANT');
    }
  });

  it('are recorded with before and after, and the decision they rest on', async () => {
    const user = await holding('viewer');
    const [id] = (await listed(org.ownerToken, `?subjectId=${user.id}`)).items.map((each) => each.id);
    await world.call('DELETE', `${GRANTS}/${String(id)}`, { token: org.ownerToken });
    const entries = (await audit()).map(({ entry }) => entry).filter(({ target }) => target.id === id);
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['grant.deleted', 'grant.created'],
    );
    const [deleted, created] = entries;
    assert.equal(created?.after?.['role'], 'viewer');
    assert.deepEqual(deleted?.before, created?.after);
    assert.equal(created?.decision?.['role'], 'owner');
  });

  it('are listed in pages, for the organisation or for what one may see', async () => {
    const admin = await holding('project_admin', { projectId: org.projectId });
    for (let i = 0; i < 4; i += 1) await holding('viewer', { projectId: org.projectId });
    const found: string[] = [];
    let cursor = '';
    do {
      const { items, nextCursor } = await listed(org.ownerToken, `?limit=2${cursor}`);
      found.push(...items.map(({ id }) => id));
      cursor = nextCursor === null ? '' : `&cursor=${nextCursor}`;
    } while (cursor !== '');
    assert.equal(found.length, 6);
    assert.equal(new Set(found).size, 6);
    assert.equal((await world.call('GET', GRANTS, { token: admin.token })).status, 403);
    assert.equal((await listed(admin.token, `?projectId=${org.projectId}`)).items.length, 5);
    assert.equal((await listed(org.ownerToken, `?environmentId=${org.liveId}`)).items.length, 0);
    assert.equal((await world.call('GET', `${GRANTS}?cursor=x`, { token: org.ownerToken })).status, 400);
  });

  it('end by themselves, at the moment named', async () => {
    const until = new Date(world.context.clock.now().getTime() + 60_000).toISOString();
    const user = await holding('developer', { projectId: org.projectId }, until);
    const question = { orgId: org.orgId, subjectId: user.id, action: 'flag:toggle', environmentId: org.stagingId };
    const { reason, validForMs } = await world.check(question);
    assert.equal(reason, 'GRANTED');
    assert.ok(validForMs <= 600);
    const soon = new Date(world.context.clock.now().getTime() + 120).toISOString();
    const other = await holding('developer', { projectId: org.projectId }, soon);
    let last = '';
    while (last !== 'GRANT_EXPIRED') last = (await world.check({ ...question, subjectId: other.id })).reason;
  });

  it('refuse what makes no sense, with the field', async () => {
    const { id } = await newUser();
    const subject = { type: 'user', id };
    const bad: readonly (readonly [unknown, number])[] = [
      [{ subject, role: 'superuser' }, 400],
      [{ subject, role: '__proto__' }, 400],
      [{ subject, role: 'owner', scope: { projectId: org.projectId } }, 400],
      [{ subject, role: 'viewer', effect: 'maybe' }, 400],
      [{ subject, role: 'viewer', validUntil: '2000-01-01T00:00:00Z' }, 400],
      [{ subject, role: 'viewer', validUntil: 'tomorrow' }, 400],
      [{ subject, role: 'viewer', surprise: true }, 400],
      [{ subject: { type: 'robot', id }, role: 'viewer' }, 400],
      [{ subject: { type: 'user', id: [id] }, role: 'viewer' }, 400],
      [{ subject: { type: 'user', id: 'alice' }, role: 'viewer' }, 400],
      [[], 400],
      [{ subject: { type: 'user', id: newId() }, role: 'viewer' }, 404],
      [{ subject: { type: 'group', id }, role: 'viewer' }, 404],
      [{ subject: { type: 'service_account', id }, role: 'viewer' }, 404],
      [{ subject, role: 'viewer', scope: { projectId: newId() } }, 404],
      [{ subject, role: 'viewer', scope: { projectId: newId(), environmentId: org.liveId } }, 404],
    ];
    for (const [body, status] of bad)
      assert.equal((await post(org.ownerToken, body)).status, status, JSON.stringify(body));
    assert.equal((await listed(org.ownerToken, `?subjectId=${id}`)).items.length, 0);
  });

  it('are given once: the same again is a conflict', async () => {
    const { id } = await newUser();
    const grant = { subject: { type: 'user', id }, role: 'viewer' };
    await world.grant(org, grant);
    const again = await post(org.ownerToken, grant);
    assert.deepEqual([again.status, codeOf(again)], [409, 'ALREADY_EXISTS']);
  });

  it("never show or touch another organisation's", async () => {
    const other = await world.organization();
    const theirs = (await listed(other.ownerToken)).items[0];
    assert.equal(
      (await world.call('DELETE', `${GRANTS}/${String(theirs?.id)}`, { token: org.ownerToken })).status,
      404,
    );
    assert.equal(
      (await world.call('GET', `${GRANTS}?projectId=${other.projectId}`, { token: org.ownerToken })).status,
      404,
    );
    const foreign = { subject: { type: 'user', id: other.ownerId }, role: 'viewer' };
    assert.equal((await post(org.ownerToken, foreign)).status, 404);
    const { id } = await newUser();
    const scope = { projectId: other.projectId };
    assert.equal((await post(org.ownerToken, { subject: { type: 'user', id }, role: 'viewer', scope })).status, 404);
    assert.ok(!(await listed(org.ownerToken)).items.some((each) => each.id === theirs?.id));
  });

  it('demand somebody: no token, a wrong one, a revoked one', async () => {
    assert.equal((await world.call('GET', GRANTS)).status, 401);
    assert.equal((await world.call('GET', GRANTS, { token: 'nobody' })).status, 401);
    const user = await holding('owner');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: user.id, active: false, epoch: 2n }]),
    );
    assert.equal((await world.call('GET', GRANTS, { token: user.token })).status, 403);
  });

  it('through mappings of groups reach every member, and are taken back as mappings', async () => {
    const groupId = await newGroup();
    const member = await newUser([groupId]);
    const created = await post(
      org.ownerToken,
      { groupId, role: 'developer', scope: { projectId: org.projectId } },
      MAPPINGS,
    );
    assert.equal(created.status, 201);
    const { id } = created.body as { id: string };
    const question = { orgId: org.orgId, subjectId: member.id, action: 'flag:toggle', environmentId: org.stagingId };
    assert.equal((await world.check(question)).reason, 'GRANTED');
    const asGrant = await world.call('DELETE', `${GRANTS}/${id}`, { token: org.ownerToken });
    assert.deepEqual([asGrant.status, codeOf(asGrant)], [409, 'READ_ONLY']);
    const mappings = (await world.call('GET', MAPPINGS, { token: org.ownerToken })).body as Page<{ id: string }>;
    assert.deepEqual(
      mappings.items.map((each) => each.id),
      [id],
    );
    assert.equal((await world.call('DELETE', `${MAPPINGS}/${id}`, { token: org.ownerToken })).status, 204);
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
  });

  describe('escalation', () => {
    const refused = async (token: string, body: unknown, path = GRANTS): Promise<string> => {
      const answer = await post(token, body, path);
      assert.ok(answer.status === 403 || answer.status === 409, `${String(answer.status)} ${answer.text}`);
      return codeOf(answer);
    };

    it('whoever may not manage grants gives nothing, anywhere', async () => {
      const target = await newUser();
      const subject = { type: 'user', id: target.id };
      for (const role of ['release_manager', 'developer', 'viewer', 'auditor']) {
        const { token } = await holding(role);
        for (const scope of [{}, { projectId: org.projectId }, { environmentId: org.stagingId }])
          assert.equal(await refused(token, { subject, role: 'viewer', scope }), 'PERMISSION_DENIED', role);
        assert.equal(
          await refused(token, { groupId: await newGroup(), role: 'viewer' }, MAPPINGS),
          'PERMISSION_DENIED',
        );
      }
    });

    it('a Project Admin gives nothing outside the project, nothing above it and no denial', async () => {
      const { token } = await holding('project_admin', { projectId: org.projectId });
      const subject = { type: 'user', id: (await newUser()).id };
      const scope = { projectId: org.projectId };
      assert.equal((await post(token, { subject, role: 'developer', scope })).status, 201);
      assert.equal(await refused(token, { subject, role: 'developer' }), 'PERMISSION_DENIED');
      assert.equal(await refused(token, { subject, role: 'owner' }), 'PERMISSION_DENIED');
      assert.equal(await refused(token, { subject, role: 'auditor' }), 'PERMISSION_DENIED');
      assert.equal(await refused(token, { subject, role: 'viewer', scope, effect: 'deny' }), 'PERMISSION_DENIED');
      const mapping = { groupId: await newGroup(), role: 'viewer', scope };
      assert.equal(await refused(token, mapping, MAPPINGS), 'PERMISSION_DENIED');
    });

    it('who holds a role for a time gives nothing beyond it', async () => {
      const until = new Date(world.context.clock.now().getTime() + 60_000).toISOString();
      const { token } = await holding('owner', {}, until);
      const subject = { type: 'user', id: (await newUser()).id };
      assert.equal(await refused(token, { subject, role: 'owner' }), 'ESCALATION');
      assert.equal(await refused(token, { subject, role: 'viewer' }), 'ESCALATION');
      assert.equal((await post(token, { subject, role: 'viewer', validUntil: until })).status, 201);
    });

    it('a token limited to scopes passes on nothing else', async () => {
      const user = await holding('owner');
      world.identity.allow('limited', { orgId: org.orgId, subjectId: user.id, scopes: ['grant:manage'] });
      const subject = { type: 'user', id: (await newUser()).id };
      assert.equal(await refused('limited', { subject, role: 'viewer' }), 'ESCALATION');
      world.identity.allow('reading', { orgId: org.orgId, subjectId: user.id, scopes: ['grant:read'] });
      assert.equal(await refused('reading', { subject, role: 'viewer' }), 'PERMISSION_DENIED');
    });

    it('nobody changes their own grants, Owners included, also not through their group', async () => {
      const groupId = await newGroup();
      const boss = await newUser([groupId]);
      await world.grant(org, { subject: { type: 'user', id: boss.id }, role: 'owner' });
      for (const subject of [
        { type: 'user', id: boss.id },
        { type: 'group', id: groupId },
      ])
        for (const role of ['viewer', 'project_admin', 'owner'])
          assert.equal(await refused(boss.token, { subject, role }), 'ESCALATION');
      assert.equal(await refused(boss.token, { groupId, role: 'owner' }, MAPPINGS), 'ESCALATION');
      const [own] = (await listed(org.ownerToken, `?subjectId=${boss.id}`)).items;
      const removal = await world.call('DELETE', `${GRANTS}/${String(own?.id)}`, { token: boss.token });
      assert.deepEqual([removal.status, codeOf(removal)], [403, 'ESCALATION']);
    });

    it('nobody takes away what they could not give', async () => {
      const admin = await holding('project_admin', { projectId: org.projectId });
      const other = await holding('developer');
      const [grant] = (await listed(org.ownerToken, `?subjectId=${other.id}`)).items;
      const [owner] = (await listed(org.ownerToken, `?subjectId=${org.ownerId}`)).items;
      for (const id of [grant?.id, owner?.id]) {
        const { status } = await world.call('DELETE', `${GRANTS}/${String(id)}`, { token: admin.token });
        assert.equal(status, 403);
      }
    });

    it('Auditor and a role that writes are never combined, in either order, nor through a group', async () => {
      const groupId = await newGroup();
      const auditor = await holding('auditor');
      const member = await newUser([groupId]);
      const give = (subject: object, role: string) => post(org.ownerToken, { subject, role });
      assert.equal(codeOf(await give({ type: 'user', id: auditor.id }, 'developer')), 'SEPARATION_OF_DUTIES');
      assert.equal((await give({ type: 'group', id: groupId }, 'developer')).status, 201);
      assert.equal(codeOf(await give({ type: 'user', id: member.id }, 'auditor')), 'SEPARATION_OF_DUTIES');
      assert.equal(codeOf(await post(org.ownerToken, { groupId, role: 'auditor' }, MAPPINGS)), 'SEPARATION_OF_DUTIES');
      assert.equal((await give({ type: 'user', id: auditor.id }, 'viewer')).status, 201);
    });

    it('the last Owner stays', async () => {
      const robot = newId();
      world.identity.allow('robot', { orgId: org.orgId, subjectId: robot, type: 2 });
      await world.applied(org.orgId, world.identity.commit(org.orgId, [{ subjectId: robot, type: 2 }]));
      await world.grant(org, { subject: { type: 'service_account', id: robot }, role: 'owner' });
      const [owner] = (await listed(org.ownerToken, `?subjectId=${org.ownerId}`)).items;
      const removal = await world.call('DELETE', `${GRANTS}/${String(owner?.id)}`, { token: 'robot' });
      assert.deepEqual([removal.status, codeOf(removal)], [409, 'LAST_OWNER']);
      const denial = { subject: { type: 'user', id: org.ownerId }, role: 'viewer', effect: 'deny' };
      assert.equal(await refused('robot', denial), 'LAST_OWNER');
      await holding('owner');
      assert.equal((await world.call('DELETE', `${GRANTS}/${String(owner?.id)}`, { token: 'robot' })).status, 204);
    });

    it('of Owners who take each other away at once, one stays', async () => {
      for (let round = 0; round < 5; round += 1) {
        const pair = [await holding('owner'), await holding('owner')] as const;
        const grants = await Promise.all(
          pair.map(async ({ id }) => (await listed(org.ownerToken, `?subjectId=${id}`)).items[0]?.id ?? ''),
        );
        const answers = await Promise.all(
          pair.map(async ({ token }, at) => await world.call('DELETE', `${GRANTS}/${grants[1 - at] ?? ''}`, { token })),
        );
        const statuses = answers.map(({ status }) => status).sort((left, right) => left - right);
        assert.equal(statuses[0], 204, JSON.stringify(statuses));
        assert.ok([403, 409].includes(statuses[1] ?? 0), JSON.stringify(statuses));
      }
    });

    it('is recorded, refused attempts and denied requests alike', async () => {
      const { token, id } = await holding('owner');
      await refused(token, { subject: { type: 'user', id }, role: 'viewer' });
      const viewer = await holding('viewer');
      await refused(viewer.token, { subject: { type: 'user', id }, role: 'viewer' });
      const denied = (await audit()).filter(({ entry }) => entry.outcome === 'denied').map(({ entry }) => entry);
      assert.deepEqual(
        denied.map(({ action, reason }) => [action, reason]),
        [
          ['request.denied', 'NO_GRANT'],
          ['grant.created', 'ESCALATION'],
        ],
      );
    });
  });
});
