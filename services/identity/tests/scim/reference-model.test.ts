import assert from 'node:assert/strict';

import { startIdentity, type TestIdentity } from '../support/identity.ts';
import { playUntil } from './model/play.ts';
import { openSeed } from './model/seed.ts';
import { Tally } from './model/tally.ts';

const OPERATIONS = 12_000;

describe('SCIM against a reference model of the RFC', function () {
  this.timeout(240_000);
  let identity: TestIdentity;
  before(async () => {
    identity = await startIdentity();
  });
  after(() => identity.close());

  it('every request has exactly its effect or is a 4xx that changed nothing; no silent success (property)', async () => {
    const tally = new Tally();
    await playUntil({ arranging: identity, operations: OPERATIONS, seed: openSeed('SCIM reference model'), tally });
    console.log(`      ${tally.print()}`);
    assert.ok(tally.exact > OPERATIONS / 4, 'most of what is tried is legal');
    for (const word of ['404', 'invalidPath', 'invalidSyntax', 'invalidValue', 'noTarget', 'uniqueness'])
      assert.ok(tally.refused.has(word), `${word} is met`);
  });
});
