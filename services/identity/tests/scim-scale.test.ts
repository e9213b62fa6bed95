import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { GROUP_URN, newDirectory, patchOf, USER_URN, type Client, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';
import { recordStatements } from './support/statements.ts';

const LARGE = 12_000;
const RUNS = 5;
const CONCURRENT = 200;

describe('SCIM at size', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let scim: Client;
  let people: readonly string[];
  before(async () => {
    identity = await startIdentity();
    directory = await newDirectory(identity, await newOrganization(identity));
    scim = directory.scim;
    await scim('POST', '/Users', { schemas: [USER_URN], userName: 'first@example.com' });
    await identity.admin(
      `INSERT INTO identity.account (org_id, id, kind, status, connection_id, user_name, user_name_key, created_at,
         updated_at)
       SELECT $1, gen_random_uuid(), 'user', 'active', $2, 'u' || n, 'u' || n, now(), now()
         FROM generate_series(1, $3::int) AS n`,
      [directory.orgId, directory.connectionId, LARGE],
    );
    const rows = await identity.admin<{ id: string }>(
      `SELECT id FROM identity.account WHERE connection_id = $1 AND user_name ~ '^u' ORDER BY id`,
      [directory.connectionId],
    );
    people = rows.map(({ id }) => id);
  });
  after(() => identity.close());

  const groupOf = (displayName: string, ids: readonly string[]) => ({
    schemas: [GROUP_URN],
    displayName,
    members: ids.map((value) => ({ value })),
  });
  const create = async (ids: readonly string[]): Promise<{ id: string; name: string }> => {
    const name = newId();
    const { status, body } = await scim('POST', '/Groups?excludedAttributes=members', groupOf(name, ids));
    assert.equal(status, 201, JSON.stringify(body));
    return { id: body.id, name };
  };
  const membersOf = async (id: string): Promise<string[]> => {
    const rows = await identity.admin<{ account_id: string }>(
      'SELECT account_id FROM identity.group_member WHERE group_id = $1 ORDER BY account_id',
      [id],
    );
    return rows.map(({ account_id: accountId }) => accountId);
  };
  const add = (id: string, member: string) =>
    scim('PATCH', `/Groups/${id}`, patchOf({ op: 'add', path: 'members', value: [{ value: member }] }));
  const remove = (id: string, member: string) =>
    scim('PATCH', `/Groups/${id}`, patchOf({ op: 'remove', path: `members[value eq "${member}"]` }));

  it('a change of one member takes the same statements, and reads the same rows, in a group of any size', async () => {
    const [large, small] = [await create(people.slice(0, -10)), await create(people.slice(0, 10))];
    const newcomer = people.at(-1) ?? '';
    const costOnce = async (id: string, change: typeof add) => {
      // Twice before: what is prepared, and seen for the first time, is out of the way.
      for (let time = 0; time < 2; time += 1) for (const each of [add, remove]) await each(id, newcomer);
      if (change === remove) await add(id, newcomer);
      return await recordStatements(async () => {
        assert.equal((await change(id, newcomer)).status, 204);
      });
    };
    // The service does other things of its own meanwhile, now and then: the fewest of three are the change's.
    const cost = async (id: string, change: typeof add) => {
      const costs = [await costOnce(id, change), await costOnce(id, change), await costOnce(id, change)];
      return costs.reduce((least, each) => (each.texts.length < least.texts.length ? each : least));
    };
    for (const change of [add, remove]) {
      const [ofLarge, ofSmall] = [await cost(large.id, change), await cost(small.id, change)];
      assert.deepEqual(ofLarge.texts, ofSmall.texts);
      assert.equal(ofLarge.rows, ofSmall.rows);
      assert.ok(ofLarge.rows < 20, `${String(ofLarge.rows)} rows`);
    }
  });

  it('a list that is there already writes nothing; one that differs writes the difference', async () => {
    const { id, name } = await create(people.slice(0, LARGE - 1));
    const version = async (): Promise<string | undefined> =>
      (await scim('GET', `/Groups/${id}?excludedAttributes=members`)).body.meta['version'];
    const before = await version();
    const put = (ids: readonly string[]) => scim('PUT', `/Groups/${id}?excludedAttributes=members`, groupOf(name, ids));
    const same = await recordStatements(() => put(people.slice(0, LARGE - 1).toReversed()));
    assert.deepEqual(
      same.texts.filter((text) => /^\s*(INSERT|DELETE|UPDATE)/.test(text)),
      [],
    );
    assert.equal(await version(), before);
    assert.equal((await put(people.slice(1))).status, 200);
    assert.deepEqual(await membersOf(id), people.slice(1));
    const [entry] = await identity.admin<{ leaf: string }>(
      `SELECT convert_from(leaf, 'UTF8') AS leaf FROM identity.audit_entry
        WHERE action = 'group.members-changed' AND target_id = $1 ORDER BY idx DESC LIMIT 1`,
      [id],
    );
    const { before: went, after: came } = JSON.parse(entry?.leaf.split('\n')[3] ?? '') as Record<string, unknown>;
    assert.deepEqual([went, came], [{ members: [people[0]] }, { members: [people.at(-1)] }]);
  });

  it('longer lists than one statement takes are told whole: to the audit log and to whoever follows the subject log', async () => {
    const { id } = await create(people);
    assert.deepEqual(await membersOf(id), people);
    const told = async (cause: string) => {
      const rows = await identity.admin<{ subject: string; groups: string[]; most: number }>(
        `SELECT s ->> 'subjectId' AS subject, s -> 'groupIds' AS groups,
                (SELECT max(jsonb_array_length(subjects))::int FROM identity.subject_log) AS most
           FROM identity.subject_log l, jsonb_array_elements(l.subjects) AS s
          WHERE l.org_id = $1 AND l.cause = $2 AND l.position > (
            SELECT max(position) - 24 FROM identity.subject_log WHERE org_id = $1)`,
        [directory.orgId, cause],
      );
      assert.ok((rows[0]?.most ?? 0) <= 500);
      return rows;
    };
    const came = await told('group.created');
    assert.deepEqual(came.map(({ subject }) => subject).sort(), people);
    assert.ok(came.every(({ groups }) => groups.includes(id)));
    assert.equal((await scim('DELETE', `/Groups/${id}`)).status, 204);
    const went = await told('group.deleted');
    assert.deepEqual(went.map(({ subject }) => subject).sort(), people);
    assert.ok(went.every(({ groups }) => !groups.includes(id)));
    const [recorded] = await identity.admin<{ ids: number }>(
      `SELECT sum(jsonb_array_length(body -> 'before' -> 'members'))::int AS ids
         FROM (SELECT split_part(convert_from(leaf, 'UTF8'), E'\\n', 4)::jsonb AS body FROM identity.audit_entry
                WHERE target_id = $1 AND action = 'group.members-changed') AS entry`,
      [id],
    );
    assert.equal(recorded?.ids, LARGE);
  });

  it('one unknown member among thousands: 400 invalidValue, and nothing has changed', async () => {
    const { id, name } = await create(people.slice(0, 3));
    for (const stranger of [newId(), 'nobody', directory.connectionId]) {
      const ids = [...people.slice(0, 6_000), stranger];
      const { status, body } = await scim('PUT', `/Groups/${id}`, groupOf(name, ids));
      assert.deepEqual([status, body.scimType], [400, 'invalidValue']);
      const patched = await add(id, stranger);
      assert.deepEqual([patched.status, patched.body.scimType], [400, 'invalidValue']);
    }
    assert.deepEqual(await membersOf(id), people.slice(0, 3));
  });

  it('members that are not asked for are not touched', async () => {
    const { id } = await create(people);
    for (const query of ['attributes=displayName', 'excludedAttributes=members']) {
      const path = `/Groups/${id}?${query}`;
      const { texts } = await recordStatements(() => scim('GET', path));
      assert.ok(texts.length > 0);
      assert.ok(!texts.some((text) => text.includes('group_member')), path);
    }
  });

  it(`loses nothing under ${String(CONCURRENT)} concurrent PATCHes of single members, ${String(RUNS)} times`, async () => {
    for (let run = 0; run < RUNS; run += 1) {
      const inside = people.slice(0, CONCURRENT / 2);
      const outside = people.slice(CONCURRENT / 2, CONCURRENT);
      const { id } = await create(inside);
      const answers = await Promise.all([
        ...inside.map((member) => remove(id, member)),
        ...outside.map((member) => add(id, member)),
      ]);
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [204]);
      assert.deepEqual(await membersOf(id), outside);
    }
  }).timeout(180_000);

  it('a user is created in a bounded number of statements, the audit entry and the subject log among them', async () => {
    const post = (name: string) =>
      scim('POST', '/Users', { schemas: [USER_URN], userName: name, externalId: name, emails: [{ value: name }] });
    await post('before@example.com');
    const { texts } = await recordStatements(() => post('counted@example.com'));
    assert.ok(
      texts.some((text) => text.includes('append_audit')) && texts.some((text) => text.includes('append_subject_log')),
    );
    assert.ok(texts.length <= 18, `${String(texts.length)}:\n${texts.join('\n')}`);
  });
});
