import assert from 'node:assert/strict';

import fc from 'fast-check';

import { EVALUATION, EVALUATIONS, SEARCH, type AuthzenDesk, type Json } from './support/authzen-desk.ts';
import { SearchDesk } from './support/search-desk.ts';
import { World } from './support/world.ts';

const RUNS = 150;

/** Whatever is sent: an answer or a refusal, never an error of ours. */
describe('AuthZEN, whatever is sent', function () {
  this.timeout(180_000);
  let world: World;
  let people: SearchDesk;
  let desk: AuthzenDesk;

  before(async () => {
    world = await World.create({ SALLYPORT_SHADOW_EVERY: '0' });
    people = await SearchDesk.open(world);
    ({ desk } = people);
  });
  after(async () => {
    await world.dispose();
  });

  /** Names that mean something here, and any other value. */
  const name = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom('user', 'service_account', 'flag', 'environment', 'project', 'organization'),
    },
    { weight: 3, arbitrary: fc.constantFrom('flag:toggle', 'flag:read', 'shop', 'staging', 'live', 'acme', '*', '') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const properties = fc.oneof(
    fc.record({ project: name, environment: name }, { requiredKeys: [] }),
    fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 70, size: '-1' }),
    fc.jsonValue(),
  );
  const entity = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: name, id: name, name, properties }, { requiredKeys: [] }) },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const entities = { subject: entity, action: entity, resource: entity, context: properties };
  const semantic = fc.constantFrom('execute_all', 'deny_on_first_deny', 'permit_on_first_permit', 'other', 7);
  const body = fc.record(
    {
      ...entities,
      evaluations: fc.oneof(fc.array(fc.record(entities, { requiredKeys: [] }), { maxLength: 5 }), fc.jsonValue()),
      options: fc.oneof(
        fc.record({ evaluations_semantic: semantic, reasons: fc.boolean() }, { requiredKeys: [] }),
        fc.jsonValue(),
      ),
      page: fc.oneof(
        fc.record({ token: name, limit: fc.oneof(fc.integer(), fc.double()), properties }, { requiredKeys: [] }),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  );
  const path = fc.constantFrom(EVALUATION, EVALUATIONS, ...Object.values(SEARCH));

  it('any object', async () => {
    await fc.assert(
      fc.asyncProperty(path, body, async (to, sent) => {
        const { status, body: answered, text } = await desk.post(to, sent);
        assert.ok(status === 200 || status === 400, `${String(status)} ${text}`);
        if (status === 400) assert.equal(typeof answered, 'string');
        else if (to.startsWith('/access/v1/search/')) assert.ok(Array.isArray((answered as Json)['results']));
        else assert.ok('decision' in (answered as Json) !== 'evaluations' in (answered as Json));
      }),
      { numRuns: RUNS },
    );
  });

  it('any text', async () => {
    const mangled = fc.tuple(fc.nat(400), fc.string({ unit: 'binary', maxLength: 4 })).map(([at, inserted]) => {
      const text = JSON.stringify(desk.question());
      return text.slice(0, at) + inserted + text.slice(at + inserted.length);
    });
    await fc.assert(
      fc.asyncProperty(path, fc.oneof(fc.string({ unit: 'binary' }), mangled), async (to, sent) => {
        const { status, text } = await desk.post(to, sent);
        assert.ok(status === 200 || status === 400, `${String(status)} ${text}`);
      }),
      { numRuns: RUNS },
    );
  });

  it('an item of a batch is answered as it would be alone', async () => {
    const item = fc.record(entities, { requiredKeys: [] });
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 6 }), async (items) => {
        const { status, body: together } = await desk.post(EVALUATIONS, { ...desk.question(), evaluations: items });
        // What no parser takes is wrong with the whole message.
        if (status === 400) return;
        const { evaluations } = together as { evaluations: readonly Json[] };
        assert.equal(evaluations.length, items.length);
        for (const [at, each] of items.entries()) {
          const alone = await desk.post(EVALUATION, { ...desk.question(), ...each });
          const answer = evaluations[at] ?? {};
          if (alone.status === 200) assert.deepEqual(answer, alone.body);
          else assert.deepEqual([answer['decision'], Object.keys(answer)], [false, ['decision', 'context']]);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('any subject of any type is allowed only if it is one who may', async () => {
    const may = new Set([...people.members, desk.developer, desk.org.ownerId]);
    const id = fc.oneof(fc.constantFrom(...may, people.viewer, people.robot), name);
    await fc.assert(
      fc.asyncProperty(name, id, async (type, who) => {
        const subject = { type, id: who };
        const { status, body: answered } = await desk.post(EVALUATION, desk.question({ subject }));
        if (status !== 200) return;
        const isHuman = type === 'user' && may.has(who as string);
        const isRobot = type === 'service_account' && who === people.robot;
        assert.deepEqual(answered, { decision: isHuman || isRobot });
      }),
      { numRuns: RUNS },
    );
  });
});
