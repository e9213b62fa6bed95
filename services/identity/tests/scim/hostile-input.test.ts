import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';

import { ask, type Answer, type Body } from '../support/http.ts';
import { startIdentity, type TestIdentity } from '../support/identity.ts';
import { assertScimError } from './assert-scim.ts';
import type { Attack, Attacks } from './hostile/attack.ts';
import { aliases, massAssignment, pollution, typeConfusion } from './hostile/objects.ts';
import { bulkBombs, cursors, searches } from './hostile/later.ts';
import { collisions, partial, references } from './hostile/people.ts';
import { openScene, type Scene, type Tenant } from './hostile/scene.ts';
import { addresses, bombs, encodings, filterBombs, schemas } from './hostile/wire.ts';

const CLASSES: readonly (readonly [name: string, attacks: Attacks, atLeast: number])[] = [
  ['prototype pollution by path, key, value filter and JSON', pollution, 30],
  ['mass assignment of identity, tenancy, role and credential', massAssignment, 40],
  ['type confusion of booleans, texts and whole bodies', typeConfusion, 70],
  ['aliases of names and URNs', aliases, 10],
  ['names and external ids that are taken', collisions, 16],
  ['application in part', partial, 10],
  ['people and groups of others, wherever they are referred to', references, 60],
  ['encodings and content types', encodings, 25],
  ['bombs of depth, width and length', bombs, 15],
  ['filter bombs and metacharacters', filterBombs, 20],
  ['ids, pages, methods and conditions', addresses, 25],
  ['schemas nobody knows', schemas, 10],
  ['bulk bombs', bulkBombs, 12],
  ['searches that are none', searches, 12],
];

/** First letter, how many follow, and lengths: what is looked up is in an index, whose entries are bounded. */
const LONG_TEXTS: readonly (readonly [number, number, readonly (readonly [number, boolean])[]])[] = [
  [0x61, 26, [[1_024, true]]],
  // Three bytes each.
  [
    0x4e00,
    20_000,
    [
      [300, true],
      [600, true],
      [1_024, false],
    ],
  ],
  // Four bytes and two UTF-16 units each.
  [
    0x20000,
    40_000,
    [
      [300, true],
      [512, false],
    ],
  ],
  // U+FDFA folds onto eighteen letters.
  [
    0xfdfa,
    1,
    [
      [1, true],
      [500, false],
    ],
  ],
];

describe('SCIM under attack (facts, scim.md §10)', function () {
  this.timeout(180_000);
  let identity: TestIdentity;
  let scene: Scene;

  before(async () => {
    identity = await startIdentity();
    scene = await openScene(identity);
  });
  after(() => identity.close());

  const send = async ({ method, path, body, raw, headers = {} }: Attack): Promise<Answer> => {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`http://127.0.0.1:${String(identity.server.httpPort)}/scim/v2${path}`, {
      method,
      headers: {
        authorization: `Bearer ${scene.own.directory.token}`,
        ...(payload === undefined ? {} : { 'content-type': 'application/scim+json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload as BodyInit }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) as Body };
  };

  const refuseAll = async (all: readonly Attack[]): Promise<void> => {
    assert.equal(new Set(all.map((attack) => attack.name)).size, all.length, 'every attack is another one');
    const before = await scene.snapshot();
    const failures: string[] = [];
    for (const attack of all) {
      try {
        assertScimError(await send(attack), attack.status, attack.words);
        assert.equal(await scene.snapshot(), before, 'something was changed');
      } catch (error) {
        failures.push(`${attack.name}: ${String(error)}`);
      }
    }
    assert.deepEqual(failures, []);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  };

  for (const [name, attacks, atLeast] of CLASSES)
    it(`refuses ${name}, each with its own error, and nothing is changed anywhere`, async () => {
      const all = attacks(scene);
      assert.ok(all.length >= atLeast, String(all.length));
      await refuseAll(all);
    });

  it('refuses cursors that were made up, cut, or given to somebody else', async () => {
    const cursorOf = async ({ directory: { scim } }: Tenant): Promise<string> =>
      String((await scim('GET', '/Users?count=1&cursor=')).body['nextCursor']);
    await refuseAll(cursors(await cursorOf(scene.near), await cursorOf(scene.own))(scene));
    await refuseAll(cursors(await cursorOf(scene.far), await cursorOf(scene.own))(scene));
  });

  it('long texts are kept or refused, whatever alphabet they are in and whether or not they compress', async () => {
    const { scim } = scene.own.directory;
    for (const [first, letters, lengths] of LONG_TEXTS)
      for (const [length, isKept] of lengths) {
        const text = Array.from({ length }, () => String.fromCodePoint(first + randomInt(letters))).join('');
        const user = { userName: text, externalId: text, title: text, emails: [{ value: text, type: 'work' }] };
        const group = { displayName: text, externalId: text };
        for (const [path, body] of [
          ['/Users', user],
          ['/Groups', group],
        ] as const) {
          const created = await scim('POST', path, body);
          if (isKept) {
            assert.equal(created.status, 201, JSON.stringify(created.body));
            assert.equal((await scim('GET', `${path}/${created.body.id}`)).body.externalId, text);
            assert.equal((await scim('DELETE', `${path}/${created.body.id}`)).status, 204);
          } else assertScimError(created, 400, 'invalidValue');
        }
      }
  });

  it('a token in the address is no token', async () => {
    const path = `/scim/v2/Users?access_token=${scene.own.directory.token}`;
    assertScimError(await ask(identity, 'GET', path), 401);
  });
});
