/**
 * Escalation through the doors: every attempt is refused with its reason, leaves everything stored as it was, and is in
 * the audit log where something was to be changed. What the rules themselves do is in escalation.test.ts and
 * src/grants/rules.test.ts; another attempt is another row of a table in support/attacks/.
 */
import assert from 'node:assert/strict';

import { ADMINISTRATION } from './support/attacks/administration.ts';
import { CREDENTIALS } from './support/attacks/credentials.ts';
import { DECISIONS } from './support/attacks/decisions.ts';
import { GOVERNANCE } from './support/attacks/governance.ts';
import { Scene, type Attack } from './support/attacks/scene.ts';
import { World } from './support/world.ts';

const ATTACKS: Readonly<Record<string, readonly Attack[]>> = {
  administration: ADMINISTRATION,
  decisions: DECISIONS,
  credentials: CREDENTIALS,
  governance: GOVERNANCE,
};

const MIN_ATTACKS = 40;
const all = Object.values(ATTACKS).flat();

describe('attacks', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await World.create();
  });
  after(async () => {
    await world.dispose();
  });

  it(`are ${String(all.length)}, through every door`, () => {
    assert.ok(all.length >= MIN_ATTACKS);
    assert.deepEqual(new Set(all.map(({ door }) => door)), new Set(['HTTP', 'gRPC', 'AuthZEN']));
    assert.equal(new Set(all.map(({ door, what }) => `${door} ${what}`)).size, all.length, 'each is told once');
  });

  for (const [table, attacks] of Object.entries(ATTACKS))
    describe(table, () => {
      let shared: Scene;
      before(async () => {
        shared = await Scene.open(world);
      });

      for (const { door, what, refused, audited, alone, arrange } of attacks)
        it(`${door}: ${what}: ${refused}`, async () => {
          const scene = alone === true ? await Scene.open(world) : shared;
          const attempt = await arrange(scene);
          const [stored, denials] = [await scene.stored(), await scene.denials()];
          assert.equal(await attempt(), refused);
          assert.deepEqual(await scene.stored(), stored, 'nothing has changed');
          const entries = await scene.denials();
          const fresh = entries.slice(0, entries.length - denials.length);
          assert.equal(fresh.join(', '), audited ?? '', 'the record of the attempt');
        });
    });
});
