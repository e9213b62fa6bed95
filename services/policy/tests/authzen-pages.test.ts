import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { AuthzenDesk, SEARCH, tokenOf, type Json } from './support/authzen-desk.ts';
import { SearchDesk, idsOf, type Found } from './support/search-desk.ts';
import { World } from './support/world.ts';

describe('AuthZEN pages of searches (§8.2)', () => {
  let world: World;
  let people: SearchDesk;
  let desk: AuthzenDesk;

  before(async () => {
    world = await World.create();
    people = await SearchDesk.open(world);
    ({ desk } = people);
  });
  after(async () => {
    await world.dispose();
  });

  /** Every page, one after the other; each but the last is full. */
  const pages = async (
    path: (typeof SEARCH)[keyof typeof SEARCH],
    body: Json,
    limit: number,
  ): Promise<readonly Found[]> => {
    const all = [await people.search(path, { ...body, page: { limit } })];
    for (let next = all[0]?.page?.next_token ?? ''; next !== ''; next = all.at(-1)?.page?.next_token ?? '') {
      assert.equal(all.at(-1)?.results.length, limit);
      all.push(await people.search(path, { ...body, page: { limit, token: next } }));
    }
    return all;
  };

  const firstToken = async (body: Json, page: Json = { limit: 2 }): Promise<string> =>
    (await people.search(SEARCH.subject, { ...body, page })).page?.next_token ?? '';

  it('a result that fits is answered without a page unless one was asked for', async () => {
    assert.deepEqual(Object.keys(await people.search(SEARCH.subject, people.whoToggles())), ['results']);
    const { page } = await people.search(SEARCH.subject, people.whoToggles({ page: {} }));
    assert.deepEqual(page, { next_token: '', count: 8, total: 8 });
  });

  it('every page but the last has a token; all pages together are the whole, in order', async () => {
    for (const [path, body] of [
      [SEARCH.subject, people.whoToggles()],
      [SEARCH.resource, people.whereToggled({ subject: { type: 'user', id: desk.org.ownerId } })],
      [SEARCH.action, people.whatMay()],
    ] as const) {
      const { results: whole } = await people.search(path, body);
      for (const limit of [1, 2, 3, whole.length, whole.length + 1]) {
        const all = await pages(path, body, limit);
        assert.deepEqual(
          all.flatMap(({ results }) => results),
          whole,
        );
        assert.equal(all.length, Math.ceil(whole.length / limit));
        assert.equal(all.at(-1)?.page?.next_token, '', '"" is the end (§8.2.2)');
        for (const { page, results } of all)
          assert.deepEqual([page?.count, page?.total], [results.length, whole.length]);
      }
    }
  });

  it('page comes first in the object (§8.3)', async () => {
    const { text } = await desk.post(
      SEARCH.subject,
      people.whoToggles({ page: { limit: 1 }, options: { reasons: true } }),
    );
    assert.match(text, /^\{"page":\{"next_token":"[\w-]+","count":1,"total":8\},"context":\{.+\},"results":\[/);
  });

  it('a limit is an upper bound: none at all is one too, and what is beyond ours is cut', async () => {
    const none = await people.search(SEARCH.subject, people.whoToggles({ page: { limit: 0 } }));
    assert.deepEqual([none.results, none.page?.count, none.page?.total], [[], 0, 8]);
    assert.notEqual(none.page?.next_token, '', 'there is more (§8.2.2)');
    const huge = await people.search(SEARCH.subject, people.whoToggles({ page: { limit: Number.MAX_SAFE_INTEGER } }));
    assert.equal(huge.results.length, 8);
    for (const limit of [-1, 1.5, '2', null, [], true])
      await desk.refused(SEARCH.subject, people.whoToggles({ page: { limit } }));
  });

  it('a limit left out later is the first one; what else is in page is ignored', async () => {
    const token = await firstToken(people.whoToggles());
    assert.equal((await people.search(SEARCH.subject, people.whoToggles({ page: { token } }))).results.length, 2);
    // Drafts had it in requests: it means nothing now.
    const draft = await people.search(SEARCH.subject, people.whoToggles({ page: { next_token: token, size: 1 } }));
    assert.deepEqual([draft.results.length, draft.page?.next_token], [8, '']);
  });

  it('400 when any entity or parameter is another one', async () => {
    const properties = { door: 'front' };
    const first = people.whoToggles({ context: properties, action: { name: 'flag:toggle', properties } });
    const page = { limit: 2, properties };
    const token = await firstToken(first, page);
    const again = async (changes: Json, more: Json = {}): Promise<void> => {
      await desk.refused(SEARCH.subject, { ...first, page: { token, ...more }, ...changes });
    };
    await again({ subject: { type: 'service_account' } });
    await again({ subject: { type: 'user', properties } });
    await again({ action: { name: 'flag:read', properties } });
    await again({ action: { name: 'flag:toggle' } });
    await again({ resource: desk.flag('live') });
    await again({ resource: desk.flag('staging', 'other') });
    await again({ context: { door: 'back' } });
    await again({ context: undefined });
    await again({}, { limit: 3 });
    await again({}, { properties: {} });
    const { results } = await people.search(SEARCH.subject, { ...first, page: { token, limit: 2, properties } });
    assert.equal(results.length, 2);
  });

  it('the order of members, and fields nobody knows, make no difference', async () => {
    const token = await firstToken(people.whoToggles({ context: { a: 1, b: { c: 2, d: [3] } } }));
    const { resource, action } = people.whoToggles();
    const { properties, ...rest } = resource as Json;
    const reordered = Object.entries(properties as Json).reverse();
    const { results } = await people.search(SEARCH.subject, {
      page: { token, future: true },
      future: {},
      context: { b: { d: [3], c: 2 }, a: 1 },
      resource: { properties: Object.fromEntries(reordered), ...rest, future: 1 },
      action,
      subject: { id: 'ignored', type: 'user' },
    });
    assert.equal(results.length, 2);
  });

  it('a token is good for its decision token, its organisation and its search alone', async () => {
    const body = people.whoToggles();
    const token = await firstToken(body);
    const rival = await AuthzenDesk.open(world);
    const next = { ...body, page: { token } };
    for (const caller of [await tokenOf(world, desk.org), rival.token])
      assert.equal((await desk.post(SEARCH.subject, next, { token: caller })).status, 400);
    for (const path of [SEARCH.resource, SEARCH.action]) await desk.refused(path, { ...next, subject: desk.subject() });
    assert.equal((await people.search(SEARCH.subject, next)).results.length, 2);
  });

  it('a token that was made up or changed is refused', async () => {
    const body = people.whoToggles();
    const token = await firstToken(body);
    const parts = JSON.parse(Buffer.from(token, 'base64url').toString()) as Json;
    const write = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const other of [
      '',
      'x',
      '!',
      'e30',
      write({ ...parts, l: 1_000 }),
      write({ ...parts, c: '' }),
      write({ ...parts, p: 'x' }),
      write({ ...parts, m: '' }),
      write({ ...parts, x: 1 }),
      write([parts]),
      `${token}A`,
      token.slice(0, -8),
      'A'.repeat(2_000),
      7,
      null,
      [token],
    ])
      await desk.refused(SEARCH.subject, { ...body, page: { token: other } });
  });

  it('pages go on at the revision of the first, whatever changes meanwhile', async () => {
    const { orgId } = desk.org;
    const body = people.whoToggles({ options: { reasons: true } });
    const whole = await people.search(SEARCH.subject, body);
    const first = await people.search(SEARCH.subject, { ...body, page: { limit: 3 } });
    const late = newId();
    await world.user(orgId, late, `late-${late}`, [people.groupId]);
    const token = first.page?.next_token ?? '';
    const second = await people.search(SEARCH.subject, { ...body, page: { limit: 3, token } });
    assert.deepEqual([...first.results, ...second.results], whole.results.slice(0, 6));
    assert.deepEqual(second.context, first.context);
    assert.ok(idsOf(await people.search(SEARCH.subject, body)).includes(late));
    const gone = [{ subjectId: late, active: false, epoch: 2n }];
    await world.applied(orgId, world.identity.commit(orgId, gone));
  });
});
