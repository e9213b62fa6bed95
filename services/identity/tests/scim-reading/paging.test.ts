import assert from 'node:assert/strict';

import { newId, systemClock } from '@sallyport/storage';

import { newDirectory, type Answer, type Body, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from '../support/identity.ts';
import { assertError } from './assert-error.ts';
import { insertUsers } from './insert-users.ts';

const PEOPLE = 2_000;
const LEAVERS = 50;

describe('paging (RFC 7644 §3.4.2.4, RFC 9865)', () => {
  let aheadMs = 0;
  const now = (): Date => new Date(systemClock.now().getTime() + aheadMs);
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;

  before(async () => {
    identity = await startIdentity({ clock: { ...systemClock, now } });
    organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
  });
  after(() => identity.close());

  const get = async (query: Readonly<Record<string, string>>, path = '/Users'): Promise<Answer> =>
    await directory.scim('GET', `${path}?${new URLSearchParams(query).toString()}`);

  const ok = async (query: Readonly<Record<string, string>>, path = '/Users'): Promise<Body> => {
    const { status, body } = await get(query, path);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  };

  const cursorOf = (body: Body | undefined, name: 'nextCursor' | 'previousCursor' = 'nextCursor'): string => {
    const cursor = body?.[name];
    assert.ok(typeof cursor === 'string', `no ${name}`);
    return cursor;
  };

  const idsOf = ({ Resources }: Body): string[] => Resources.map(({ id }) => id);

  describe('by cursor', () => {
    it('walks forward and back over every row once, in every order', async () => {
      const own = await newDirectory(identity, organization, 'Walk');
      for (let index = 0; index < 11; index += 1)
        await own.scim('POST', '/Users', {
          userName: `walk${String(index)}@example.com`,
          // Ties and absent values on both sides of page borders.
          ...(index % 3 === 0 ? {} : { nickName: `nick${String(index % 2)}` }),
        });
      const ask = async (query: Readonly<Record<string, string>>): Promise<Body> => {
        const { status, body } = await own.scim('GET', `/Users?${new URLSearchParams(query).toString()}`);
        assert.equal(status, 200, JSON.stringify(body));
        return body;
      };
      const orders: Readonly<Record<string, string>>[] = [
        {},
        { sortBy: 'userName' },
        { sortBy: 'nickName' },
        { sortBy: 'nickName', sortOrder: 'descending' },
        { sortBy: 'meta.lastModified', sortOrder: 'descending' },
        { filter: 'userName pr', sortBy: 'nickName' },
      ];
      for (const order of orders) {
        const expected = idsOf(await ask(order));
        assert.equal(expected.length, 11);
        const pages = [await ask({ ...order, cursor: '', count: '3' })];
        assert.equal(pages[0]?.totalResults, 11);
        assert.equal('previousCursor' in (pages[0] ?? {}), false);
        assert.equal('startIndex' in (pages[0] ?? {}), false);
        while ('nextCursor' in (pages.at(-1) ?? {}))
          pages.push(await ask({ ...order, cursor: cursorOf(pages.at(-1)), count: '3' }));
        assert.deepEqual(pages.flatMap(idsOf), expected, JSON.stringify(order));
        assert.deepEqual(
          pages.map(({ itemsPerPage }) => itemsPerPage),
          [3, 3, 3, 2],
        );
        let back = pages[3];
        assert.ok(back);
        for (const page of pages.slice(0, -1).toReversed()) {
          back = await ask({ ...order, cursor: cursorOf(back, 'previousCursor'), count: '3' });
          assert.deepEqual(idsOf(back), idsOf(page));
        }
        assert.equal('previousCursor' in back, false);
        assert.deepEqual(idsOf(await ask({ ...order, cursor: cursorOf(back), count: '3' })), expected.slice(3, 6));
      }
    });

    it(`loses nobody while ${String(LEAVERS)} others leave and some come (a startIndex walk does)`, async () => {
      const own = await newDirectory(identity, organization, 'Large');
      const ids = await insertUsers(identity, own, PEOPLE);
      const leavers = ids.filter((_id, index) => index % (PEOPLE / LEAVERS) === 3);
      const staying = new Set(ids.filter((id) => !leavers.includes(id)));
      const seen: string[] = [];
      let cursor: string | undefined = '';
      const leaving: Promise<Answer>[] = [];
      while (cursor !== undefined) {
        const query = new URLSearchParams({ cursor, count: '50', attributes: 'userName' });
        const { status, body }: Answer = await own.scim('GET', `/Users?${query.toString()}`);
        assert.equal(status, 200, JSON.stringify(body));
        seen.push(...idsOf(body));
        cursor = body['nextCursor'] as string | undefined;
        // Leavers from behind and ahead of the walk, and somebody new, while the next page is read.
        for (const id of leavers.splice(0, 2)) leaving.push(own.scim('DELETE', `/Users/${id}`));
        if (seen.length % 500 === 0) leaving.push(own.scim('POST', '/Users', { userName: `${newId()}@example.com` }));
      }
      for (const { status } of await Promise.all(leaving)) assert.ok(status === 204 || status === 201);
      assert.equal(new Set(seen).size, seen.length, 'nobody twice');
      const missed = [...staying].filter((id) => !seen.includes(id));
      assert.deepEqual(missed, []);
    }).timeout(180_000);

    it('is opaque: no name of anybody is in it', async () => {
      await directory.scim('POST', '/Users', { userName: 'aaa.visible@example.com' });
      await directory.scim('POST', '/Users', { userName: 'bbb.visible@example.com' });
      const cursor = cursorOf(await ok({ cursor: '', count: '1', sortBy: 'userName' }));
      assert.match(cursor, /^[\w-]+$/);
      assert.equal(Buffer.from(cursor, 'base64url').toString('latin1').includes('visible'), false);
    });

    it('belongs to its query, order, type and connection, and opens nothing else', async () => {
      const query = { count: '1', sortBy: 'userName', filter: 'userName pr' };
      const cursor = cursorOf(await ok({ ...query, cursor: '' }));
      // The same query in another spelling, and another page size, is the same query.
      await ok({ ...query, cursor, sortBy: 'USERNAME', filter: '(userName PR)', count: '2', attributes: 'id' });
      for (const change of [
        { filter: 'userName sw "b"' },
        { sortBy: 'displayName' },
        { sortOrder: 'descending' },
      ] as Readonly<Record<string, string>>[])
        assertError(await get({ ...query, ...change, cursor }), 400, 'invalidCursor');
      assertError(await get({ cursor, count: '1' }), 400, 'invalidCursor');
      const plain = cursorOf(await ok({ cursor: '', count: '1' }));
      assertError(await get({ cursor: plain }, '/Groups'), 400, 'invalidCursor');
      const others = [
        await newDirectory(identity, organization, 'Another'),
        await newDirectory(identity, await newOrganization(identity)),
      ];
      for (const other of others) assertError(await other.scim('GET', `/Users?cursor=${plain}`), 400, 'invalidCursor');
    });

    it('made up or changed is invalidCursor', async () => {
      const cursor = cursorOf(await ok({ cursor: '', count: '1' }));
      const changed = `${cursor.slice(0, -2)}${cursor.endsWith('AA') ? 'BB' : 'AA'}`;
      for (const wrong of [
        'x',
        '0',
        'null',
        changed,
        cursor.slice(4),
        `${cursor}=`,
        'A'.repeat(9_000),
        '%00',
        "' OR 1=1",
      ])
        assertError(await get({ cursor: wrong }), 400, 'invalidCursor');
    });

    it('lives for 600 seconds', async () => {
      const cursor = cursorOf(await ok({ cursor: '', count: '1' }));
      aheadMs += 599_000;
      await ok({ cursor, count: '1' });
      aheadMs += 1_001;
      assertError(await get({ cursor, count: '1' }), 400, 'expiredCursor');
    });

    it('wants a count that is one', async () => {
      for (const count of ['-1', 'many', '1.5', '']) assertError(await get({ cursor: '', count }), 400, 'invalidCount');
      const none = await ok({ cursor: '', count: '0' });
      assert.deepEqual([none.Resources, 'nextCursor' in none], [[], false]);
      assert.ok(none.totalResults > 0);
      assert.ok((await ok({ cursor: '', count: '100000' })).itemsPerPage <= 500);
    });

    it('goes with no startIndex', async () => {
      assertError(await get({ cursor: '', startIndex: '1' }), 400, 'invalidValue');
    });
  });

  it('sorting by what cannot be sorted by is refused, never ignored', async () => {
    for (const sortBy of [
      'nope',
      'name',
      'addresses',
      'groups',
      'schemas',
      'password',
      'constructor',
      'emails[type eq "x"]',
      '',
    ])
      assertError(await get({ sortBy }), 400, 'invalidValue');
    assertError(await get({ sortBy: 'members' }, '/Groups'), 400, 'invalidValue');
    assertError(await get({ sortBy: 'userName', sortOrder: 'up' }), 400, 'invalidValue');
  });

  it('by index: a full last page has its total too', async () => {
    const own = await newDirectory(identity, organization, 'Totals');
    for (let index = 0; index < 4; index += 1)
      await own.scim('POST', '/Users', { userName: `t${String(index)}@x.example` });
    for (const [start, count, items] of [
      [1, 4, 4],
      [1, 5, 4],
      [3, 2, 2],
      [4, 2, 1],
      [5, 2, 0],
      [900, 2, 0],
      [1, 0, 0],
    ]) {
      const { body } = await own.scim('GET', `/Users?startIndex=${String(start)}&count=${String(count)}`);
      assert.deepEqual([body.totalResults, body.itemsPerPage, body.startIndex], [4, items, start]);
    }
  });
});
