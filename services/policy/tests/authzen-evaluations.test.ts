import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import { longestTurnMs } from '@sallyport/testing';

import { AuthzenDesk, EVALUATION, EVALUATIONS, type Json } from './support/authzen-desk.ts';
import { World } from './support/world.ts';

const MAX_TURN_MS = 50;

describe('AuthZEN Access Evaluations (§7)', () => {
  let world: World;
  let desk: AuthzenDesk;

  before(async () => {
    // What Casbin costs beside the index is not what a batch costs.
    world = await World.create({ SALLYPORT_SHADOW_EVERY: '0' });
    desk = await AuthzenDesk.open(world);
  });
  after(async () => {
    await world.dispose();
  });

  const many = async (body: Json): Promise<readonly Json[]> => {
    const { evaluations, ...rest } = await desk.answered(EVALUATIONS, body);
    assert.deepEqual(rest, {}, 'beside evaluations no decision (§7.2)');
    return evaluations as readonly Json[];
  };
  const decisions = async (body: Json): Promise<readonly unknown[]> =>
    (await many(body)).map(({ decision }) => decision);

  const staging = (): Json => ({ resource: desk.flag('staging') });
  const live = (): Json => ({ resource: desk.flag('live') });
  const defaults = (): Json => ({ subject: desk.subject(), action: { name: 'flag:toggle' } });

  describe('without items (§7.1)', () => {
    it('behaves and answers as a single Access Evaluation, absent and empty alike', async () => {
      for (const items of [{}, { evaluations: [] }]) {
        const yes = await desk.post(EVALUATIONS, desk.question(items));
        assert.deepEqual([yes.status, yes.text], [200, '{"decision":true}']);
        const no = await desk.post(EVALUATIONS, desk.question({ ...items, ...live() }));
        assert.deepEqual([no.status, no.text], [200, '{"decision":false}']);
        for (const missing of ['subject', 'action', 'resource'])
          await desk.refused(EVALUATIONS, desk.question({ ...items, [missing]: undefined }));
      }
    });

    it('a semantic changes nothing then', async () => {
      const options = { evaluations_semantic: 'deny_on_first_deny' };
      assert.deepEqual(await desk.answered(EVALUATIONS, desk.question({ options })), { decision: true });
    });
  });

  it('answers every item, in the order of the request (§7.2)', async () => {
    const evaluations = [staging(), live(), live(), staging(), staging(), live()];
    assert.deepEqual(await decisions({ ...defaults(), evaluations }), [true, false, false, true, true, false]);
  });

  it('answers equal items each (§7.2)', async () => {
    const items = [staging(), staging(), live(), live(), staging()];
    assert.deepEqual(await decisions({ ...defaults(), evaluations: items }), [true, true, false, false, true]);
  });

  it('gives bare decisions, and reasons when asked (§5.5.1)', async () => {
    const evaluations = [staging(), live()];
    assert.deepEqual(await many({ ...defaults(), evaluations }), [{ decision: true }, { decision: false }]);
    const answers = await many({ ...defaults(), evaluations, options: { reasons: true } });
    const reasons = answers.map(({ context }) => (context as Json)['reason']);
    assert.deepEqual(reasons, ['GRANTED', 'NO_GRANT']);
  });

  describe('defaults (§7.1.1)', () => {
    it('stand in for what an item lacks, each on its own', async () => {
      const whole = desk.question();
      for (const key of ['subject', 'action', 'resource']) {
        const { [key]: value, ...item } = whole;
        assert.deepEqual(await decisions({ [key]: value, evaluations: [item] }), [true], key);
      }
      assert.deepEqual(await decisions({ ...whole, evaluations: [{}, live()] }), [true, false]);
    });

    it('are overridden by the whole entity: nothing is merged within', async () => {
      const nobody = { type: 'user', id: newId() };
      const bare = { resource: { type: 'flag', id: 'checkout' } };
      const evaluations = [{}, bare, { subject: nobody }, { action: { name: 'grant:manage' } }];
      assert.deepEqual(await decisions({ ...desk.question(), evaluations }), [true, false, false, false]);
    });

    it('of context too, whole', async () => {
      const subject = { type: 'user', id: newId() };
      await world.user(desk.org.orgId, subject.id, `from-${subject.id}`);
      const condition = { property: 'context.door', operator: 'equals', value: 'front' };
      await world.grant(desk.org, { subject, role: 'developer', condition });
      const context = { door: 'front' };
      const evaluations = [{}, { context: {} }, { context: { window: 'open' } }, { context: { door: 'back' } }];
      assert.deepEqual(await decisions({ ...desk.question({ subject, context }), evaluations }), [
        true,
        false,
        false,
        false,
      ]);
    });

    it('what is missing in both denies the item and says so; the others stand', async () => {
      const { subject, action, resource } = desk.question();
      for (const [top, item] of [
        [{ action, resource }, {}],
        [{ subject, resource }, {}],
        [{ subject, action }, {}],
        [{}, { subject }],
      ] as const) {
        const [bad, good] = await many({ ...top, evaluations: [item, { subject, action, resource }] });
        assert.equal(bad?.['decision'], false);
        const { error } = bad['context'] as { error: Json };
        assert.equal(error['status'], 400);
        assert.match(String(error['message']), /required/);
        assert.deepEqual(good, { decision: true });
      }
    });
  });

  describe('one bad item (§7.2.1)', () => {
    it('is denied with what is wrong, and spoils no other', async () => {
      const bad: readonly unknown[] = [
        null,
        7,
        'x',
        [],
        [staging()],
        { resource: null },
        { resource: 'checkout' },
        { resource: [] },
        { resource: { type: 'flag' } },
        { resource: { type: 'flag', id: '' } },
        { resource: { type: 'flag', id: ['checkout'] } },
        { resource: { type: 'flag', id: { toString: 'x' } } },
        { resource: { type: 'flag', id: 'x'.repeat(2_000) } },
        { subject: { type: 'user', id: [desk.developer] } },
        { subject: { type: 'user', id: null } },
        { subject: { type: 'user', id: desk.developer, properties: [] } },
        { action: {} },
        { action: { name: 7 } },
        { context: [] },
        { context: 'now' },
        { context: null },
      ];
      const evaluations = bad.flatMap((item) => [staging(), item, live()]);
      const answers = await many({ ...desk.question(), evaluations });
      assert.equal(answers.length, evaluations.length);
      for (const [at, item] of bad.entries()) {
        const [before, refused, after] = answers.slice(at * 3, at * 3 + 3);
        assert.deepEqual([before, after], [{ decision: true }, { decision: false }]);
        assert.equal(refused?.['decision'], false, JSON.stringify(item));
        const { error } = refused['context'] as { error: Json };
        assert.deepEqual([Object.keys(error), error['status']], [['status', 'message'], 400]);
      }
    });

    it('counts as a denial: it ends deny_on_first_deny and does not end permit_on_first_permit', async () => {
      const evaluations = [{ resource: 7 }, staging()];
      const semantic = (evaluations_semantic: string) => ({ options: { evaluations_semantic } });
      assert.deepEqual(await decisions({ ...defaults(), evaluations, ...semantic('deny_on_first_deny') }), [false]);
      assert.deepEqual(await decisions({ ...defaults(), evaluations, ...semantic('permit_on_first_permit') }), [
        false,
        true,
      ]);
    });
  });

  describe('semantics (§7.1.2.1)', () => {
    const cases: readonly (readonly [semantic: string, items: string, answered: string])[] = [
      ['execute_all', 'ydyd', 'ydyd'],
      ['deny_on_first_deny', 'yydy', 'yyd'],
      ['deny_on_first_deny', 'dyy', 'd'],
      ['deny_on_first_deny', 'yyy', 'yyy'],
      ['permit_on_first_permit', 'ddyd', 'ddy'],
      ['permit_on_first_permit', 'ydd', 'y'],
      ['permit_on_first_permit', 'ddd', 'ddd'],
    ];
    for (const [semantic, items, answered] of cases)
      it(`${semantic}: ${items} is answered ${answered}`, async () => {
        const evaluations = [...items].map((item) => (item === 'y' ? staging() : live()));
        const body = { ...defaults(), evaluations, options: { evaluations_semantic: semantic } };
        assert.deepEqual(
          await decisions(body),
          [...answered].map((item) => item === 'y'),
        );
      });

    it('executes all when none is chosen, whatever other options there are', async () => {
      const evaluations = [live(), staging(), live()];
      for (const options of [{}, { another_option: 'value' }, { evaluation_semantics: 'deny_on_first_deny' }])
        assert.deepEqual(await decisions({ ...defaults(), evaluations, options }), [false, true, false]);
    });

    it('any other value is refused, for it would change what an answer means', async () => {
      for (const evaluations_semantic of ['', 'EXECUTE_ALL', 'deny_on_first', 'toString', 7, null, ['execute_all']])
        await desk.refused(EVALUATIONS, {
          ...defaults(),
          evaluations: [staging()],
          options: { evaluations_semantic },
        });
    });
  });

  it('400 for what is wrong with the message as a whole (§7.2.1, §10.1.1)', async () => {
    const evaluations = [desk.question()];
    for (const body of [
      { evaluations: {} },
      { evaluations: 'x' },
      { evaluations: null },
      { evaluations, subject: 'alice' },
      { evaluations, resource: { type: 'flag' } },
      { evaluations, action: [] },
      { evaluations, context: [] },
      { evaluations, options: 'x' },
      { evaluations, options: [] },
      { evaluations: Array.from({ length: 1_001 }, () => ({})), ...desk.question() },
      [],
      evaluations,
      {},
    ])
      await desk.refused(EVALUATIONS, body);
  });

  it('ignores fields it does not know, at the top and in items (§10.1.1)', async () => {
    const evaluations = [{ ...staging(), future: 1, options: { evaluations_semantic: 7 } }];
    assert.deepEqual(await decisions({ ...defaults(), evaluations, future: { a: [null] } }), [true]);
  });

  it('decides every item as Access Evaluation does', async () => {
    const resources = ['staging', 'live', 'nowhere', 'dev/../staging', 'STAGING'].map((name) => desk.flag(name));
    const actions = ['flag:read', 'flag:toggle', 'flag:delete', 'project:read', 'flag:*', 'constructor'];
    const items = resources.flatMap((resource) => actions.map((name) => ({ resource, action: { name } })));
    const together = await decisions({ subject: desk.subject(), evaluations: items });
    for (const [at, item] of items.entries()) {
      const { decision } = await desk.answered(EVALUATION, { subject: desk.subject(), ...item });
      assert.equal(together[at], decision, JSON.stringify(item));
    }
  });

  it('at its cap keeps nobody else waiting (§11.7)', async () => {
    const properties = Object.fromEntries(Array.from({ length: 38 }, (_, at) => [`property-${String(at)}`, 'value']));
    const item = (at: number): Json => ({
      resource: {
        type: 'flag',
        id: `flag-${String(at)}`,
        properties: { ...properties, project: 'shop', environment: 'staging' },
      },
    });
    const evaluations = Array.from({ length: 1_000 }, (_, at) => item(at));
    const body = JSON.stringify({ ...defaults(), evaluations, options: { reasons: true } });
    assert.ok(body.length > 800_000 && body.length < 1024 * 1024, String(body.length));
    await desk.answered(EVALUATIONS, body);
    const longestMs = await longestTurnMs(() => desk.answered(EVALUATIONS, body), MAX_TURN_MS);
    assert.ok(longestMs < MAX_TURN_MS, `the event loop was kept for ${String(longestMs)} ms`);
  });
});
