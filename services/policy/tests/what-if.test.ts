import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { GrantDesk, codeOf } from './support/grant-desk.ts';
import { World, type Answer, type Organization } from './support/world.ts';

const PATH = '/api/policy/v1/what-if';

interface Item {
  readonly subject: { readonly id: string };
  readonly place: string;
  readonly environmentId: string | null;
  readonly gains: readonly string[];
  readonly losses: readonly string[];
  readonly conditional: readonly {
    readonly action: string;
    readonly change: string;
    readonly grants: readonly string[];
  }[];
}

interface Body {
  readonly complete: boolean;
  readonly counts: Readonly<Record<'subjects' | 'inactive' | 'entries' | 'gains' | 'losses' | 'conditional', number>>;
  readonly blocked: readonly { readonly change: number | null; readonly code: string; readonly rule: string }[];
  readonly lockOuts: readonly { readonly projectId: string | null; readonly lostBy: readonly string[] }[];
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

describe('what-if', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;

  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    org = await world.organization();
    desk = new GrantDesk(world, org);
  });
  after(async () => {
    await world.dispose();
  });

  const ask = async (changes: readonly object[], more: object = {}, token = org.ownerToken): Promise<Answer> =>
    await world.call('POST', PATH, { token, body: { changes, ...more } });
  const answered = async (changes: readonly object[], more: object = {}, token = org.ownerToken): Promise<Body> => {
    const answer = await ask(changes, more, token);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Body;
  };
  const user = (id: string) => ({ type: 'user', id });
  const add = (grant: object) => ({ change: 'add-grant', grant });

  it('says who gains which action in which environment, and changes nothing', async () => {
    const { id } = await desk.newUser();
    const found = await answered([add({ subject: user(id), role: 'developer', scope: { projectId: org.projectId } })]);
    assert.deepEqual(found.blocked, []);
    assert.equal(found.complete, true);
    const at = (place: string): readonly string[] => found.items.find((item) => item.place === place)?.gains ?? [];
    assert.ok(found.items.every(({ subject, losses }) => subject.id === id && losses.length === 0));
    assert.ok(at('non-production').includes('flag:toggle'));
    assert.ok(at('production').includes('flag:read') && !at('production').includes('flag:toggle'));
    assert.deepEqual(at('organization'), []);
    assert.deepEqual([found.counts.subjects, found.counts.entries], [1, 3]);
    const question = { orgId: org.orgId, subjectId: id, action: 'flag:toggle', environmentId: org.stagingId };
    assert.equal((await world.check(question)).reason, 'NO_GRANT');
  });

  it('counts every member of a group, names conditional access with its grant, and pages', async () => {
    const groupId = await desk.newGroup();
    const members = [await desk.newUser([groupId]), await desk.newUser([groupId]), await desk.newUser([groupId])];
    const condition = { property: 'context.ip', operator: 'inNetwork', value: ['192.0.2.0/24'] };
    const changes = [
      { change: 'add-mapping', mapping: { groupId, role: 'viewer', scope: { projectId: org.projectId } } },
      add({ subject: { type: 'group', id: groupId }, role: 'release_manager', condition }),
    ];
    const whole = await answered(changes);
    assert.equal(whole.counts.subjects, 3);
    assert.equal(whole.counts.entries, whole.items.length);
    const live = whole.items.filter(({ environmentId }) => environmentId === org.liveId);
    assert.deepEqual(live.map(({ subject }) => subject.id).sort(), members.map(({ id }) => id).sort());
    for (const { gains, conditional } of live) {
      assert.ok(gains.includes('flag:read') && !gains.includes('flag:toggle'));
      assert.deepEqual(
        conditional.filter(({ action }) => action === 'flag:toggle'),
        [{ action: 'flag:toggle', change: 'gains', grants: ['proposed-1'] }],
      );
    }
    const paged: Item[] = [];
    let cursor: string | null = null;
    do {
      const page: Body = await answered(changes, { limit: 2, ...(cursor === null ? {} : { cursor }) });
      assert.equal(page.complete, page.nextCursor === null);
      assert.deepEqual(page.counts, whole.counts);
      paged.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    assert.deepEqual(paged, whole.items);
  });

  it('refuses to go on where the policy, memberships or the proposal are others', async () => {
    const groupId = await desk.newGroup();
    await desk.newUser([groupId]);
    const changes = [{ change: 'add-mapping', mapping: { groupId, role: 'viewer' } }];
    const { nextCursor: cursor } = await answered(changes, { limit: 1 });
    assert.ok(cursor !== null);
    assert.equal(codeOf(await ask([...changes, ...changes], { cursor })), 'EXPIRED_CURSOR');
    await desk.holding('viewer');
    assert.equal(codeOf(await ask(changes, { cursor })), 'EXPIRED_CURSOR');
    assert.equal(codeOf(await ask(changes, { cursor: 'x' })), 'INVALID_CURSOR');
  });

  it('names lock-outs, and what the rules would refuse', async () => {
    const owner = (await desk.listed(`?subjectId=${org.ownerId}`)).items[0];
    const last = await answered([{ change: 'remove-grant', grantId: owner?.id }]);
    assert.deepEqual(
      last.blocked.map(({ code, rule, change }) => [code, rule, change]),
      [
        ['ESCALATION', 'OWN_GRANT', 0],
        ['LAST_OWNER', 'LAST_OWNER', null],
      ],
    );
    assert.equal(last.lockOuts.length, 4);
    assert.ok(last.lockOuts.every(({ lostBy }) => lostBy[0] === org.ownerId));

    const second = await desk.holding('owner');
    const fine = await answered([{ change: 'remove-grant', grantId: owner?.id }], {}, second.token);
    assert.deepEqual([fine.blocked, fine.lockOuts], [[], []]);
    assert.ok(fine.counts.losses > 0);

    const auditor = await desk.newUser();
    const both = await answered([
      add({ subject: user(auditor.id), role: 'auditor' }),
      add({ subject: user(auditor.id), role: 'developer' }),
    ]);
    assert.deepEqual(
      both.blocked.map(({ code }) => code),
      ['SEPARATION_OF_DUTIES'],
    );

    const admin = await desk.holding('project_admin', { projectId: org.projectId });
    const { id } = await desk.newUser();
    const beyond = await answered(
      [add({ subject: user(id), role: 'project_admin', scope: { projectId: org.projectId } })],
      {},
      admin.token,
    );
    assert.deepEqual(beyond.blocked, []);
    const self = await answered(
      [add({ subject: user(admin.id), role: 'viewer', scope: { environmentId: org.liveId } })],
      {},
      admin.token,
    );
    assert.deepEqual(
      self.blocked.map(({ rule }) => rule),
      ['OWN_GRANT'],
    );
  });

  it('is for who may see the grants it is about', async () => {
    const admin = await desk.holding('project_admin', { projectId: org.projectId });
    const { id } = await desk.newUser();
    const everywhere = [add({ subject: user(id), role: 'viewer' })];
    assert.equal((await ask(everywhere, {}, admin.token)).status, 403);
    const here = [add({ subject: user(id), role: 'viewer', scope: { projectId: org.projectId } })];
    assert.equal((await ask(here, {}, admin.token)).status, 200);
    assert.equal((await ask([...here, ...everywhere], {}, admin.token)).status, 403);
    assert.equal((await ask(here, {}, (await desk.holding('viewer')).token)).status, 403);
  });

  it('refuses what makes no sense, with the place', async () => {
    const { id } = await desk.newUser();
    const bad: readonly (readonly [readonly object[], number, string])[] = [
      [[], 400, 'INVALID_REQUEST'],
      [[{ change: 'surprise' }], 400, 'INVALID_REQUEST'],
      [[{ change: 'remove-grant', grantId: newId() }], 404, 'NOT_FOUND'],
      [[add({ subject: user(id), role: 'nobody' })], 400, 'INVALID_REQUEST'],
      [[add({ subject: user(id), role: 'owner', scope: { projectId: org.projectId } })], 400, 'INVALID_REQUEST'],
      [[add({ subject: user(id), role: 'viewer', scope: { projectId: newId() } })], 404, 'NOT_FOUND'],
      [[{ change: 'remove-role', key: 'owner' }], 409, 'READ_ONLY'],
      [[{ change: 'remove-role', key: 'nobody' }], 404, 'NOT_FOUND'],
    ];
    for (const [changes, status, code] of bad) {
      const answer = await ask(changes);
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], answer.text);
    }
  });

  it('tells what a role of their own would give or take when it changes', async () => {
    const permissions = {
      organization: [],
      project: ['project:read'],
      'non-production': [],
      production: ['flag:read'],
    };
    const role = { key: 'watcher', name: 'Watcher', levels: ['organization'], permissions };
    const { id } = await desk.newUser();
    const found = await answered([{ change: 'put-role', role }, add({ subject: user(id), role: 'watcher' })]);
    const at = (place: string): readonly string[] => found.items.find((item) => item.place === place)?.gains ?? [];
    assert.deepEqual([at('project'), at('production'), at('non-production')], [['project:read'], ['flag:read'], []]);
    assert.deepEqual(found.blocked, []);
  });
});
