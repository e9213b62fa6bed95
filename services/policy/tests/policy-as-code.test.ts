import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { GRANTS, GrantDesk, MAPPINGS, codeOf, type Person } from './support/grant-desk.ts';
import { World, type Answer, type Organization } from './support/world.ts';

const PATH = '/api/policy/v1/policy';

interface Planned {
  readonly hash: string;
  readonly operations: readonly {
    readonly action: string;
    readonly what: string;
    readonly text: string;
    readonly line: number | null;
  }[];
  readonly counts: { readonly gains: number; readonly losses: number };
  readonly blocked: readonly { readonly code: string; readonly rule: string }[];
}

describe('policy as code', () => {
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

  const exported = async (): Promise<string> => {
    const answer = await world.call('GET', PATH, { token: org.ownerToken });
    assert.equal(answer.status, 200, answer.text);
    return (answer.body as { document: string }).document;
  };
  const yaml = (document: string) => ({ format: 'yaml', document });
  const ask = async (what: string, body: unknown, token = org.ownerToken): Promise<Answer> =>
    await world.call('POST', `${PATH}/${what}`, { token, body });
  const planned = async (document: string, token = org.ownerToken): Promise<Planned> => {
    const answer = await ask('plan', yaml(document), token);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Planned;
  };
  const apply = async (document: string, hash: string, token = org.ownerToken): Promise<Answer> =>
    await ask('apply', { policy: yaml(document), hash }, token);
  const kinds = ({ operations }: Planned): readonly string[] =>
    operations.map(({ action, what }) => `${action} ${what}`).sort();

  const withLists = (lists: Readonly<Record<string, readonly object[]>>, person: Person): string =>
    JSON.stringify({
      version: 1,
      ...lists,
      grants: [
        { subject: `user:${org.ownerId}`, role: 'owner' },
        ...(lists['grants'] ?? []).map((each) => ({ subject: `user:${person.id}`, ...each })),
      ],
    });

  it('exports, plans nothing of what is there, applies what is wanted, and then plans nothing any more', async () => {
    const groupId = await desk.newGroup();
    const gone = await desk.holding('viewer');
    const condition = { property: 'context.ip', operator: 'inNetwork', value: ['192.0.2.0/24'] };
    const person = await desk.newUser();
    await world.grant(org, {
      subject: { type: 'user', id: person.id },
      role: 'developer',
      condition,
      tier: 'production',
    });
    await desk.post(org.ownerToken, { groupId, role: 'viewer', scope: { projectId: org.projectId } }, MAPPINGS);
    const before = await exported();
    assert.match(before, /# Group$/m);
    assert.deepEqual((await planned(before)).operations, []);

    const wanted = withLists(
      {
        roles: [
          { key: 'toggler', name: 'Toggler', levels: ['project'], permissions: { 'non-production': ['flag:toggle'] } },
        ],
        separationRules: [{ name: 'No both', roles: ['toggler', 'release_manager'] }],
        mappings: [{ group: groupId, role: 'developer', project: 'shop' }],
        grants: [
          { role: 'toggler', project: 'shop' },
          { role: 'developer', tier: 'production', condition, validUntil: '2999-01-01T00:00:00Z' },
        ],
      },
      person,
    );
    const plan = await planned(wanted);
    assert.deepEqual(kinds(plan), [
      'add grant',
      'add mapping',
      'add role',
      'add separation-rule',
      'change grant',
      'remove grant',
      'remove mapping',
    ]);
    assert.ok(plan.counts.gains > 0 && plan.counts.losses > 0);
    assert.deepEqual(plan.blocked, []);
    const question = { orgId: org.orgId, subjectId: person.id, action: 'flag:toggle', environmentId: org.stagingId };
    assert.equal((await world.check(question)).reason, 'NO_GRANT');

    const applied = await apply(wanted, plan.hash);
    assert.equal(applied.status, 200, applied.text);
    assert.equal((await world.check(question)).reason, 'GRANTED');
    assert.equal((await world.check({ ...question, subjectId: gone.id })).reason, 'NO_GRANT');
    assert.deepEqual((await planned(wanted)).operations, []);
    assert.deepEqual((await planned(await exported())).operations, []);
    const entries = (await desk.audit())
      .map(({ entry }) => entry)
      .filter(({ reason }) => reason?.includes(plan.hash) === true);
    assert.deepEqual(entries.map(({ action }) => action).sort(), [
      'grant.created',
      'grant.created',
      'grant.deleted',
      'grant.deleted',
      'group-mapping.created',
      'group-mapping.deleted',
      'role.created',
      'separation-rule.created',
    ]);
    assert.ok(entries.every(({ decision }) => decision?.['role'] === 'owner'));

    const back = await planned(before);
    assert.equal((await apply(before, back.hash)).status, 200);
    assert.equal(await exported(), before);
  });

  it('applies nothing but the plan that was looked at (hash)', async () => {
    const person = await desk.newUser();
    const wanted = withLists({ grants: [{ role: 'viewer' }] }, person);
    const other = withLists({ grants: [{ role: 'developer' }] }, person);
    const { hash } = await planned(wanted);
    const changed = await apply(other, hash);
    assert.deepEqual([changed.status, codeOf(changed)], [409, 'CONFLICT']);
    const late = await desk.holding('viewer');
    const stale = await apply(wanted, hash);
    assert.deepEqual([stale.status, codeOf(stale)], [409, 'CONFLICT']);
    assert.equal((await desk.listed(`?subjectId=${person.id}`)).items.length, 0);
    assert.equal((await desk.listed(`?subjectId=${late.id}`)).items.length, 1);
    const again = await planned(wanted);
    assert.equal((await apply(wanted, again.hash)).status, 200);
    assert.equal(codeOf(await apply(wanted, again.hash)), 'CONFLICT');
  });

  it('of two who apply their plans at once, one wins', async () => {
    const person = await desk.newUser();
    const files = ['viewer', 'developer'].map((role) => withLists({ grants: [{ role }] }, person));
    const plans = await Promise.all(files.map(async (file) => await planned(file)));
    const answers = await Promise.all(files.map(async (file, at) => await apply(file, plans[at]?.hash ?? '')));
    assert.deepEqual(
      answers.map(({ status }) => status).sort((one, other) => one - other),
      [200, 409],
    );
    assert.equal((await desk.listed(`?subjectId=${person.id}`)).items.length, 1);
  });

  it('keeps every rule, and does all of it or nothing', async () => {
    const second = await desk.holding('owner');
    const person = await desk.newUser();
    const keep = [
      { subject: `user:${org.ownerId}`, role: 'owner' },
      { subject: `user:${second.id}`, role: 'owner' },
    ];
    const added = { subject: `user:${person.id}`, role: 'viewer' };
    const cases: readonly (readonly [grants: readonly object[], code: string, rule: string])[] = [
      [[keep[1] as object, added], 'ESCALATION', 'OWN_GRANT'],
      [[...keep, added, { subject: `user:${org.ownerId}`, role: 'developer' }], 'ESCALATION', 'OWN_GRANT'],
      [
        [
          ...keep,
          added,
          { subject: `user:${person.id}`, role: 'auditor' },
          { subject: `user:${person.id}`, role: 'developer' },
        ],
        'SEPARATION_OF_DUTIES',
        'auditor',
      ],
    ];
    for (const [grants, code, rule] of cases) {
      const file = JSON.stringify({ version: 1, grants });
      const plan = await planned(file);
      assert.deepEqual(
        plan.blocked.map((each) => [each.code, each.rule]),
        [[code, rule]],
      );
      const refused = await apply(file, plan.hash);
      assert.equal(codeOf(refused), code, refused.text);
      assert.equal((await desk.listed(`?subjectId=${person.id}`)).items.length, 0);
      const denied = (await desk.audit()).find(({ entry }) => entry.action === 'policy.applied');
      assert.deepEqual([denied?.entry.outcome, denied?.entry.reason], ['denied', code]);
    }
  });

  it('is not applied alone where four eyes are demanded anywhere', async () => {
    await desk.holding('owner');
    await desk.holding('owner');
    const person = await desk.newUser();
    const file = `${await exported()}  - subject: user:${person.id}\n    role: viewer\n`;
    const protection = { scope: { projectId: org.projectId }, requiredApprovals: 1 };
    assert.equal((await desk.post(org.ownerToken, protection, '/api/policy/v1/protections')).status, 201);
    const { hash } = await planned(file);
    assert.equal(codeOf(await apply(file, hash)), 'APPROVAL_REQUIRED');
    assert.equal((await desk.listed(`?subjectId=${person.id}`)).items.length, 0);
  });

  it('leaves an Owner: a file without one is refused', async () => {
    const second = await desk.holding('owner');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: org.ownerId, active: false, epoch: 2n }]),
    );
    const third = await desk.newUser();
    const grants = [{ subject: `user:${org.ownerId}`, role: 'owner' }];
    const file = JSON.stringify({ version: 1, grants });
    // Whoever asks cannot take their own role either: both are named.
    const plan = await planned(file, second.token);
    assert.deepEqual(
      plan.blocked.map(({ code }) => code),
      ['ESCALATION', 'LAST_OWNER'],
    );
    assert.equal(codeOf(await apply(file, plan.hash, second.token)), 'ESCALATION');
    assert.equal((await desk.listed(`?subjectId=${third.id}`, second.token)).items.length, 0);
  });

  it('ends no denial for longer than who applies it holds what was denied', async () => {
    const until = new Date(world.context.clock.now().getTime() + 3_600_000).toISOString();
    const [forAnHour, person] = [await desk.holding('owner', {}, until), await desk.newUser()];
    const base = await exported();
    await world.grant(org, { subject: { type: 'user', id: person.id }, role: 'viewer', effect: 'deny' });
    const plan = await planned(base, forAnHour.token);
    assert.deepEqual([plan.operations.length, plan.blocked.map(({ rule }) => rule)], [1, ['BEYOND_OWN']]);
    assert.equal(codeOf(await apply(base, plan.hash, forAnHour.token)), 'ESCALATION');
    assert.equal((await apply(base, (await planned(base)).hash)).status, 200);
  });

  it('is for who may do each of its changes at the organisation', async () => {
    const person = await desk.newUser();
    const role = { key: 'granter', name: 'Granter', levels: ['organization'] };
    const permissions = { organization: ['grant:read', 'grant:manage'], project: ['flag:read'] };
    const made = await world.call('POST', '/api/policy/v1/roles', {
      token: org.ownerToken,
      body: { ...role, permissions },
    });
    assert.equal(made.status, 201, made.text);
    const granter = await desk.holding('granter');
    const base = await exported();
    const withRole = base.replace('name: Granter', 'name: Granter of grants');
    assert.notEqual(withRole, base);
    const plan = await planned(withRole, granter.token);
    const refused = await apply(withRole, plan.hash, granter.token);
    assert.equal(refused.status, 403, refused.text);
    const grant = `${base}  - subject: user:${person.id}\n    role: granter\n`;
    const small = await planned(grant, granter.token);
    assert.equal((await apply(grant, small.hash, granter.token)).status, 200);
    const viewer = await desk.holding('viewer');
    assert.equal((await ask('plan', yaml(base), viewer.token)).status, 403);
    assert.equal((await world.call('GET', PATH, { token: viewer.token })).status, 403);
    assert.equal((await apply(base, 'x', viewer.token)).status, 403);
  });

  it('reads what it exports for Casbin; another model, or a line that makes no sense, is refused', async () => {
    const person = await desk.holding('developer', { projectId: org.projectId });
    const leaver = await desk.holding('viewer');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: leaver.id, active: false, epoch: 2n }]),
    );
    const { model, policy } = (await world.call('GET', '/api/policy/v1/export', { token: org.ownerToken })).body as {
      model: string;
      policy: string;
    };
    const casbin = (document: string, text = model) => ({ format: 'casbin', document, model: text });
    const same = await ask('plan', casbin(policy));
    assert.deepEqual((same.body as Planned).operations, [], same.text);
    const line = policy.split('\n').find((each) => each.startsWith('p, ') && each.includes(person.id)) ?? '';
    const other = policy.replace(line, line.replace('role:developer', 'role:viewer'));
    const plan = (await ask('plan', casbin(other))).body as Planned;
    assert.deepEqual(kinds(plan), ['add grant', 'remove grant']);
    const applied = await ask('apply', { policy: casbin(other), hash: plan.hash });
    assert.equal(applied.status, 200, applied.text);
    assert.deepEqual(((await ask('plan', casbin(other))).body as Planned).operations, []);
    assert.equal(codeOf(await ask('plan', casbin(policy, '[matchers]'))), 'INVALID_VALUE');
    const broken = await ask('plan', casbin(`${policy}p, nonsense\n`));
    assert.deepEqual([broken.status, codeOf(broken)], [400, 'INVALID_REQUEST']);
    assert.match(broken.text, new RegExp(`line ${String(policy.split('\n').length)}:`));
  });

  it('runs policy tests on the policy as it is, and as it is wanted', async () => {
    const person = await desk.holding('developer', { projectId: org.projectId });
    const until = '2030-01-01T00:00:00Z';
    const careful = await desk.newUser();
    await world.grant(org, {
      subject: { type: 'user', id: careful.id },
      role: 'viewer',
      validUntil: until,
      condition: { property: 'context.ip', operator: 'equals', value: 'here' },
    });
    const tests = `
cases:
  - name: developers toggle in staging
    subject: user:${person.id}
    action: flag:toggle
    project: shop
    environment: staging
    expect: allow
  - subject: user:${person.id}
    action: flag:toggle
    project: shop
    environment: live
    expect: deny
    reason: NO_GRANT
  - subject: user:${careful.id}
    action: flag:read
    project: shop
    expect: allow
    context: { ip: here }
  - subject: user:${careful.id}
    action: flag:read
    project: shop
    expect: deny
    reason: GRANT_EXPIRED
    at: ${until}
    context: { ip: here }
`;
    const now = (await ask('test', { tests })).body as { passed: number; failed: number };
    assert.deepEqual([now.passed, now.failed], [4, 0]);
    const none = JSON.stringify({ version: 1, grants: [{ subject: `user:${org.ownerId}`, role: 'owner' }] });
    const then = (await ask('test', { tests, policy: yaml(none) })).body as {
      failed: number;
      results: readonly { passed: boolean; line: number; reason: string; expected: string }[];
    };
    assert.equal(then.failed, 3);
    assert.deepEqual(
      then.results.filter(({ passed }) => !passed).map(({ line, reason }) => [line, reason]),
      [
        [3, 'NO_GRANT'],
        [15, 'NO_GRANT'],
        [20, 'NO_GRANT'],
      ],
    );
    const wrong = await ask('test', { tests: tests.replace('project: shop', 'project: shed') });
    assert.deepEqual([wrong.status, codeOf(wrong)], [400, 'INVALID_REQUEST']);
    assert.match(wrong.text, /line 3:/);
  });

  it('refuses grants to subjects and scopes that are not there, with the line', async () => {
    const base = await exported();
    for (const [text, line] of [
      [`  - subject: user:${newId()}\n    role: viewer\n`, 'no such subject'],
      [`  - subject: user:${org.ownerId}\n    role: nobody\n`, 'no such role'],
      [`  - subject: user:${org.ownerId}\n    role: owner\n    project: shop\n`, 'can be granted at'],
    ] as const) {
      const answer = await ask('plan', yaml(base + text));
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, new RegExp(`line \\d+:.*${line}`));
    }
    assert.ok((await desk.listed()).items.length > 0, GRANTS);
  });
});
