import assert from 'node:assert/strict';

import { createMetrics } from '@sallyport/telemetry';
import pg from 'pg';

import { Advisor } from '../src/roles/index.ts';
import { type GrantDesk, deskForEachTest, MAPPINGS, codeOf } from './support/grant-desk.ts';
import { RoleDesk } from './support/role-desk.ts';
import type { Answer, Organization, World } from './support/world.ts';

const RULES = '/api/policy/v1/separation-rules';
const VIOLATIONS = '/api/policy/v1/separation-violations';
const ADVICE = '/api/policy/v1/advice';
const PREVIEW = `${MAPPINGS}/preview`;

interface ViolationBody {
  readonly rule: { readonly id: string };
  readonly subject: { readonly type: string; readonly id: string; readonly active: boolean };
  readonly roles: readonly string[];
  readonly grants: readonly { readonly role: string; readonly groupId: string | null }[];
}

interface PreviewBody {
  readonly total: number;
  readonly refusals: readonly { readonly code: string }[];
  readonly items: readonly { readonly id: string; readonly gains: readonly string[]; readonly violations: object[] }[];
  readonly nextCursor: string | null;
}

describe('separation of duties', () => {
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

  const get = async <T>(path: string, token = org.ownerToken): Promise<T> => {
    const answer = await world.call('GET', path, { token });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as T;
  };
  const violations = async (): Promise<readonly ViolationBody[]> =>
    (await get<{ items: readonly ViolationBody[] }>(VIOLATIONS)).items;
  const exclude = async (...keys: string[]): Promise<Answer> =>
    await desk.post(org.ownerToken, { name: keys.join('/'), roles: keys }, RULES);
  const give = async (subjectId: string, role: string, type = 'user'): Promise<string> => {
    const answer = await desk.post(org.ownerToken, { subject: { type, id: subjectId }, role });
    return answer.status === 201 ? 'given' : codeOf(answer);
  };

  it('holds for whatever roles an organisation says, its own included, in either order and through groups', async () => {
    await roles.made({ levels: ['organization'] });
    assert.equal((await exclude('switcher', 'developer', 'viewer')).status, 201);
    const user = await desk.holding('switcher');
    assert.equal(await give(user.id, 'developer'), 'SEPARATION_OF_DUTIES');
    assert.equal(await give(user.id, 'release_manager'), 'given');
    const other = await desk.holding('viewer');
    assert.equal(await give(other.id, 'switcher'), 'SEPARATION_OF_DUTIES');
    const groupId = await desk.newGroup();
    const member = await desk.newUser([groupId]);
    assert.equal(await give(member.id, 'developer'), 'given');
    assert.equal(await give(groupId, 'switcher', 'group'), 'SEPARATION_OF_DUTIES');
    const mapping = await desk.post(org.ownerToken, { groupId, role: 'viewer' }, MAPPINGS);
    assert.equal(codeOf(mapping), 'SEPARATION_OF_DUTIES');
  });

  it('ends with its rule, and only for a rule that is there', async () => {
    const made = await exclude('developer', 'viewer');
    const { id } = made.body as { id: string };
    const user = await desk.holding('developer');
    assert.equal(await give(user.id, 'viewer'), 'SEPARATION_OF_DUTIES');
    const remove = async (ruleId: string): Promise<number> =>
      (await world.call('DELETE', `${RULES}/${ruleId}`, { token: org.ownerToken })).status;
    assert.equal(await remove('auditor'), 404, 'the built-in rule is nobody’s to end');
    const other = await world.organization();
    assert.equal((await world.call('DELETE', `${RULES}/${id}`, { token: other.ownerToken })).status, 404);
    assert.equal(await remove(id), 204);
    assert.equal(await remove(id), 404);
    assert.equal(await give(user.id, 'viewer'), 'given');
    const { items } = await get<{ items: readonly { id: string; builtIn: boolean }[] }>(RULES);
    assert.deepEqual(
      items.map((rule) => [rule.id, rule.builtIn]),
      [['auditor', true]],
    );
  });

  it('is refused typed when it makes no sense', async () => {
    for (const body of [
      { name: 'x', roles: ['viewer'] },
      { name: 'x', roles: ['viewer', 'viewer'] },
      { name: 'x', roles: ['viewer', 'nobody'] },
      { name: 'x', roles: ['viewer', '__proto__'] },
      { name: '', roles: ['viewer', 'developer'] },
    ])
      assert.equal((await desk.post(org.ownerToken, body, RULES)).status, 400, JSON.stringify(body));
    assert.equal((await exclude('viewer', 'developer')).status, 201);
    assert.equal(codeOf(await exclude('viewer', 'developer')), 'ALREADY_EXISTS');
  });

  it('holds everything up that would change while a rule cannot be read', async () => {
    await exclude('developer', 'viewer');
    const admin = new pg.Client({ connectionString: world.database.adminUrl });
    await admin.connect();
    const sql = `DELETE FROM policy.separation_rule_role WHERE org_id = $1 AND role_key = 'viewer'`;
    await admin.query(sql, [org.orgId]);
    await admin.query('UPDATE policy.grants_head SET revision = revision + 1 WHERE org_id = $1', [org.orgId]);
    await admin.end();
    assert.equal(await give((await desk.newUser()).id, 'viewer'), 'CONFLICT');
    await world.context.knowledge.refresh();
    const { items } = await get<{ items: readonly { code: string }[] }>(ADVICE);
    assert.ok(items.some(({ code }) => code === 'ROWS_QUARANTINED'));
    // What decides is not touched by it.
    const asked = { orgId: org.orgId, subjectId: org.ownerId, action: 'organization:read' };
    assert.equal((await world.check(asked)).reason, 'GRANTED');
  });

  it('keeps a role that a rule names', async () => {
    await roles.made();
    await exclude('switcher', 'viewer');
    assert.equal(codeOf(await roles.remove('switcher')), 'ROLE_IN_USE');
  });

  it('lists what the identity provider combined, and raises the alarm; other changes go on', async () => {
    const groupId = await desk.newGroup();
    assert.equal(await give(groupId, 'developer', 'group'), 'given');
    const auditor = await desk.holding('auditor');
    assert.deepEqual(await violations(), []);
    const alarms: object[] = [];
    const logger = { error: (fields: object) => void alarms.push(fields), warn: () => undefined };
    const metrics = createMetrics('policy-test');
    const advisor = new Advisor({ ...world.context, logger, metrics });
    advisor.look();
    assert.equal(alarms.length, 0);
    const { orgId } = org;
    await world.applied(orgId, world.identity.commit(orgId, [{ subjectId: auditor.id, groupIds: [groupId] }]));
    const [violation, ...others] = await violations();
    assert.equal(others.length, 0);
    assert.deepEqual(
      [violation?.rule.id, violation?.subject, violation?.roles],
      ['auditor', { type: 'user', id: auditor.id, active: true }, ['auditor', 'developer']],
    );
    assert.deepEqual(
      new Map(violation?.grants.map(({ role, groupId: from }) => [role, from])),
      new Map<string, string | null>([
        ['auditor', null],
        ['developer', groupId],
      ]),
    );
    advisor.look();
    advisor.look();
    assert.equal(alarms.length, 1, 'once for each');
    assert.match((await metrics.render()).body, /separation_violations_count\S* 1\n/);
    const { items } = await get<{ items: readonly { code: string }[] }>(ADVICE);
    assert.ok(items.some(({ code }) => code === 'SEPARATION_VIOLATED'));
    // Nothing may be added to it; the rest of the organisation is not held up, and it can be undone.
    assert.equal(await give(auditor.id, 'release_manager'), 'SEPARATION_OF_DUTIES');
    assert.equal(await give(auditor.id, 'viewer'), 'given');
    assert.equal(await give((await desk.newUser()).id, 'developer'), 'given');
    const [own] = (await desk.listed(`?subjectId=${auditor.id}`)).items.filter(({ role }) => role === 'auditor');
    assert.equal((await desk.remove(org.ownerToken, own?.id)).status, 204);
    assert.deepEqual(await violations(), []);
  });

  it('says how many a new rule finds, and lists them page by page', async () => {
    const people: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      const user = await desk.holding('developer');
      assert.equal(await give(user.id, 'viewer'), 'given');
      people.push(user.id);
    }
    const made = await exclude('developer', 'viewer');
    assert.equal((made.body as { violations: number }).violations, 3);
    const found: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: { items: readonly ViolationBody[]; nextCursor: string | null } = await get(
        `${VIOLATIONS}?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      found.push(...page.items.map(({ subject }) => subject.id));
      cursor = page.nextCursor;
    }
    assert.deepEqual(found.sort(), people.sort());
  });

  it('is for Owners to say and for Auditors to see', async () => {
    const admin = await desk.holding('project_admin');
    for (const path of [VIOLATIONS, ADVICE, RULES])
      assert.equal((await world.call('GET', path, { token: admin.token })).status, 403, path);
    const auditor = await desk.holding('auditor');
    for (const path of [VIOLATIONS, ADVICE, RULES]) await get(path, auditor.token);
    assert.equal(
      await desk.refused(auditor.token, { name: 'x', roles: ['viewer', 'developer'] }, RULES),
      'PERMISSION_DENIED',
    );
  });

  it('two Owners are advised, one is enforced', async () => {
    const codes = async (): Promise<readonly string[]> =>
      (await get<{ items: readonly { code: string }[] }>(ADVICE)).items.map(({ code }) => code);
    assert.deepEqual(await codes(), ['FEW_OWNERS']);
    const until = new Date(world.context.clock.now().getTime() + 60_000).toISOString();
    await desk.holding('owner', {}, until);
    assert.deepEqual(await codes(), ['FEW_OWNERS'], 'one for a time is none');
    await desk.holding('owner');
    assert.deepEqual(await codes(), []);
  });

  describe('a group mapping before it is made', () => {
    const preview = async (body: object, token = org.ownerToken, query = ''): Promise<PreviewBody> => {
      const answer = await desk.post(token, body, PREVIEW + query);
      assert.equal(answer.status, 200, answer.text);
      return answer.body as PreviewBody;
    };

    it('shows who would gain what, and writes nothing', async () => {
      const groupId = await desk.newGroup();
      const [fresh, reader] = [await desk.newUser([groupId]), await desk.newUser([groupId])];
      const scope = { environmentId: org.stagingId };
      await world.grant(org, { subject: { type: 'user', id: reader.id }, role: 'viewer' });
      const before = world.context.knowledge.organization(org.orgId)?.revision;
      const { items, total, refusals } = await preview({ groupId, role: 'developer', scope });
      assert.deepEqual([total, refusals], [2, []]);
      const gain = (id: string): readonly string[] => items.find((each) => each.id === id)?.gains ?? [];
      assert.ok(gain(fresh.id).includes('flag:read at non-production'));
      assert.ok(gain(fresh.id).includes('flag:toggle at non-production'));
      assert.ok(gain(reader.id).includes('flag:toggle at non-production'));
      assert.equal(gain(reader.id).includes('flag:read at non-production'), false, 'it is theirs already');
      assert.ok(items.every(({ gains: found }) => found.every((each) => each.endsWith('non-production'))));
      assert.equal(world.context.knowledge.organization(org.orgId)?.revision, before);
      // It is what the mapping then does.
      assert.equal((await desk.post(org.ownerToken, { groupId, role: 'developer', scope }, MAPPINGS)).status, 201);
      const asked = { orgId: org.orgId, subjectId: fresh.id, environmentId: org.stagingId };
      assert.equal((await world.check({ ...asked, action: 'flag:toggle' })).reason, 'GRANTED');
      const again = await preview({ groupId, role: 'developer', scope });
      assert.deepEqual(
        [again.refusals.map(({ code }) => code), again.items.flatMap((each) => each.gains)],
        [['ALREADY_EXISTS'], []],
      );
    });

    it('shows whose roles would exclude each other, and every rule that would refuse it', async () => {
      const groupId = await desk.newGroup();
      const member = await desk.newUser([groupId]);
      await world.grant(org, { subject: { type: 'user', id: member.id }, role: 'auditor' });
      const { items, refusals } = await preview({ groupId, role: 'developer' });
      assert.equal(items.find(({ id }) => id === member.id)?.violations.length, 1);
      assert.deepEqual(
        refusals.map(({ code }) => code),
        ['SEPARATION_OF_DUTIES'],
      );
      const boss = await desk.newUser([groupId]);
      await world.grant(org, { subject: { type: 'user', id: boss.id }, role: 'owner' });
      const own = await preview({ groupId, role: 'viewer' }, boss.token);
      assert.deepEqual(
        own.refusals.map(({ code }) => code),
        ['ESCALATION'],
      );
      const mapper = { organization: ['mapping:manage', 'grant:read'] };
      await roles.made({ key: 'mapper', name: 'Mapper', levels: ['organization'], permissions: mapper });
      const { token } = await desk.holding('mapper');
      const beyond = await preview({ groupId: await desk.newGroup(), role: 'viewer' }, token);
      assert.deepEqual(
        beyond.refusals.map(({ code }) => code),
        ['ESCALATION'],
      );
    });

    it('comes page by page, complete', async () => {
      const groupId = await desk.newGroup();
      for (let at = 0; at < 5; at += 1) await desk.newUser([groupId]);
      const found: string[] = [];
      let query = '?limit=2';
      for (;;) {
        const page = await preview({ groupId, role: 'viewer' }, org.ownerToken, query);
        assert.equal(page.total, 5);
        found.push(...page.items.map(({ id }) => id));
        if (page.nextCursor === null) break;
        query = `?limit=2&cursor=${page.nextCursor}`;
      }
      assert.equal(new Set(found).size, 5);
    });

    it('is for who may map groups, of what there is', async () => {
      const groupId = await desk.newGroup();
      const admin = await desk.holding('project_admin');
      assert.equal(await desk.refused(admin.token, { groupId, role: 'viewer' }, PREVIEW), 'PERMISSION_DENIED');
      const other = await world.organization();
      const foreign = await desk.post(other.ownerToken, { groupId, role: 'viewer' }, PREVIEW);
      assert.equal(foreign.status, 404);
      assert.equal((await desk.post(org.ownerToken, { groupId, role: 'nobody' }, PREVIEW)).status, 400);
    });
  });
});
