import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';

import { waitFor } from '@sallyport/dev-env';
import { newId } from '@sallyport/storage';
import fc from 'fast-check';

import { linesOf, MAX_LINE_BYTES } from '../src/scim/drift/upload.ts';
import { apiClient, newDirectory, patchOf, USER_URN, type Client, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

interface Finding {
  readonly kind: string;
  readonly resourceId: string | null;
  readonly name: string;
  readonly attribute: string | null;
  readonly memberName: string | null;
  readonly here?: unknown;
  readonly there?: unknown;
}

interface Report {
  readonly id: string;
  readonly state: string;
  readonly failure: string | null;
  readonly findings: number;
  readonly received: Readonly<Record<string, number>>;
  readonly byKind: Readonly<Record<string, number>>;
}

const NDJSON = 'application/x-ndjson';

describe('drift reports', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let scim: Client;
  let api: Client;
  let base: string;

  before(async () => {
    identity = await startIdentity();
  });
  after(() => identity.close());
  beforeEach(async () => {
    identity.denied.clear();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
    scim = directory.scim;
    base = `/connections/${directory.connectionId}/drift-reports`;
  });

  const lines = (items: readonly object[]): string => items.map((item) => JSON.stringify(item)).join('\n');

  const post = async (body: string, type = NDJSON, query = ''): Promise<Response> =>
    await fetch(`http://127.0.0.1:${String(identity.server.httpPort)}/api/identity/v1${base}${query}`, {
      method: 'POST',
      headers: { authorization: organization.authorization, 'content-type': type },
      body,
    });

  const settled = async (id: string): Promise<Report> =>
    await waitFor(
      async () => {
        const report = (await api('GET', `${base}/${id}`)).body as unknown as Report;
        return report.state === 'complete' || report.state === 'failed' ? report : undefined;
      },
      { timeoutMs: 60_000, message: 'the report to be complete' },
    );

  const reportOf = async (items: readonly object[], query = ''): Promise<Report> => {
    const answer = await post(lines(items), NDJSON, query);
    const body = (await answer.json()) as Report;
    assert.equal(answer.status, 202, JSON.stringify(body));
    assert.match(answer.headers.get('location') ?? '', new RegExp(`${base}/${body.id}$`));
    return await settled(body.id);
  };

  const findingsOf = async ({ id }: Report, query = ''): Promise<Finding[]> => {
    const found: Finding[] = [];
    let cursor = '';
    do {
      const { status, body } = await api('GET', `${base}/${id}/findings?limit=2${cursor}${query}`);
      assert.equal(status, 200, JSON.stringify(body));
      found.push(...(body.items as unknown as Finding[]));
      cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`;
    } while (cursor !== '');
    return found;
  };

  const brief = (findings: readonly Finding[]): unknown[] =>
    findings.map(({ kind, name, attribute, memberName }) =>
      [kind, name, attribute, memberName].filter((x) => x !== null),
    );

  const userOf = (name: string, more: Record<string, unknown> = {}) => ({
    userName: `${name}@example.com`,
    externalId: `ext-${name}`,
    active: true,
    ...more,
  });

  const create = async (name: string, more: Record<string, unknown> = {}): Promise<string> => {
    const created = await scim('POST', '/Users', { schemas: [USER_URN], ...userOf(name, more) });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    return created.body.id;
  };

  it('finds nothing where both sides are equal, whatever the order of values and the case of names', async () => {
    const emails = [{ value: 'a@example.com', primary: true }, { value: 'b@example.com' }];
    const id = await create('anna', { emails, name: { givenName: 'Anna', familyName: 'A' }, title: 'Dr' });
    await scim('POST', '/Groups', { displayName: 'Team', externalId: 'g-team', members: [{ value: id }] });
    const report = await reportOf([
      {
        user: {
          ...userOf('anna', { emails: emails.toReversed(), name: { familyName: 'A', givenName: 'Anna' } }),
          userName: 'ANNA@example.com',
        },
      },
      { group: { displayName: 'TEAM', externalId: 'g-team', members: [{ value: 'ext-anna' }] } },
    ]);
    assert.deepEqual(await findingsOf(report), []);
    assert.deepEqual([report.state, report.findings], ['complete', 0]);
    assert.deepEqual(report.received, { users: 1, groups: 1, members: 1, unreadable: 0 });
  });

  it('finds every kind of difference, and changes nothing', async () => {
    const [equal, off, changed, gone] = [
      await create('equal'),
      await create('off'),
      await create('changed', { title: 'Dr' }),
      await create('gone'),
    ];
    const renamed = await create('before', { externalId: 'ext-renamed' });
    const members = [equal, off].map((value) => ({ value }));
    await scim('POST', '/Groups', { displayName: 'Both', externalId: 'g-both', members });
    await scim('POST', '/Groups', { displayName: 'Ours' });
    await scim('POST', '/Groups', { displayName: 'Old name', externalId: 'g-renamed' });
    const before = await identity.admin('SELECT * FROM identity.account ORDER BY id');
    const report = await reportOf([
      { user: userOf('equal') },
      { user: userOf('off', { active: 'False' }) },
      { user: userOf('changed', { title: 'Prof', displayName: 'New here' }) },
      { user: userOf('after', { externalId: 'ext-renamed' }) },
      { user: userOf('absent') },
      { user: userOf('equal', { title: 'again' }) },
      { user: { nothing: 'of a user' } },
      'nonsense' as unknown as object,
      { group: { displayName: 'Both', externalId: 'g-both', members: ['ext-equal', 'ext-changed', 'ext-nobody'] } },
      { group: { displayName: 'New name', externalId: 'g-renamed' } },
      { group: { displayName: 'Theirs', members: [{ value: 'ext-equal' }] } },
    ]);
    assert.deepEqual(brief(await findingsOf(report)), [
      ['line.unreadable', 'line 7', 'INVALID_SYNTAX'],
      ['line.unreadable', 'line 8', 'INVALID_SYNTAX'],
      ['user.missing-here', 'absent@example.com'],
      ['user.unknown-there', 'gone@example.com'],
      ['user.active-differs', 'off@example.com', 'active'],
      ['user.attribute-differs', 'after@example.com', 'userName'],
      ['user.attribute-differs', 'changed@example.com', 'displayName'],
      ['user.attribute-differs', 'changed@example.com', 'title'],
      ['user.listed-twice', 'equal@example.com'],
      ['group.missing-here', 'Theirs'],
      ['group.unknown-there', 'Ours'],
      ['group.attribute-differs', 'New name', 'displayName'],
      ['member.missing-here', 'Both', 'members', 'ext-changed'],
      ['member.missing-here', 'Both', 'members', 'ext-nobody'],
      ['member.unknown-there', 'Both', 'members', 'off@example.com'],
    ]);
    assert.deepEqual(report.byKind['user.attribute-differs'], 3);
    assert.equal(report.findings, 15);
    const [title] = (await findingsOf(report, '&values=true&kind=user.attribute-differs')).filter(
      ({ attribute }) => attribute === 'title',
    );
    assert.deepEqual([title?.resourceId, title?.here, title?.there], [changed, 'Dr', 'Prof']);
    assert.deepEqual(await identity.admin('SELECT * FROM identity.account ORDER BY id'), before);
    assert.ok(gone !== renamed);
    for (const table of ['drift_user', 'drift_group', 'drift_member'])
      assert.deepEqual(await identity.admin(`SELECT * FROM identity.${table}`), [], 'what was uploaded is gone');
  });

  it('finds people by name whom no identifier finds; who was removed, and who is of another connection, is missing', async () => {
    await create('named', { externalId: undefined });
    const removed = await create('removed');
    await scim('DELETE', `/Users/${removed}`);
    const other = await newDirectory(identity, organization, newId());
    await other.scim('POST', '/Users', { schemas: [USER_URN], ...userOf('elsewhere') });
    const report = await reportOf([
      { user: userOf('named') },
      { user: userOf('removed') },
      { user: userOf('elsewhere') },
      { user: userOf('owner') },
    ]);
    assert.deepEqual(brief(await findingsOf(report)), [
      ['user.missing-here', 'elsewhere@example.com'],
      ['user.missing-here', 'owner@example.com'],
      ['user.missing-here', 'removed@example.com'],
      ['user.attribute-differs', 'named@example.com', 'externalId'],
    ]);
  });

  it('an administrator’s hold is no drift: the directory’s own switch is compared', async () => {
    const id = await create('held');
    assert.equal((await api('POST', `/accounts/${id}/deactivate`, {})).status, 200);
    assert.deepEqual(await findingsOf(await reportOf([{ user: userOf('held') }])), []);
    await scim('PATCH', `/Users/${id}`, patchOf({ op: 'replace', value: { active: false } }));
    assert.equal((await reportOf([{ user: userOf('held') }])).byKind['user.active-differs'], 1);
  });

  it('members are named by our id, their identifier or their name; lines of one group add up', async () => {
    const ids = [await create('one'), await create('two'), await create('three')];
    const members = ids.map((value) => ({ value }));
    await scim('POST', '/Groups', { displayName: 'Team', externalId: 'g', members });
    const users = ['one', 'two', 'three'].map((name) => ({ user: userOf(name) }));
    const part = (...names: string[]) => ({ group: { displayName: 'Team', externalId: 'g', members: names } });
    const report = await reportOf([
      ...users,
      part(ids[0] ?? ''),
      part('ext-two', 'ext-two'),
      part('THREE@example.com'),
    ]);
    assert.deepEqual(await findingsOf(report), []);
  });

  it('compares users alone when asked, and takes a small document too', async () => {
    await scim('POST', '/Groups', { displayName: 'Ours' });
    assert.deepEqual(await findingsOf(await reportOf([], '?compare=users')), []);
    const answer = await post(
      JSON.stringify({ users: [userOf('x')], groups: [{ displayName: 'Theirs' }] }),
      'application/json',
    );
    assert.equal(answer.status, 202);
    const report = await settled(((await answer.json()) as Report).id);
    assert.deepEqual(brief(await findingsOf(report)), [
      ['user.missing-here', 'x@example.com'],
      ['group.missing-here', 'Theirs'],
      ['group.unknown-there', 'Ours'],
    ]);
  });

  it('refuses what it cannot read, keeps the report as failed, and is free for the next one', async () => {
    const cases: [string, string, number][] = [
      ['{}', 'text/plain', 415],
      ['{"users": 1}', 'application/json', 400],
      ['{', 'application/json', 400],
      [`{"user": "${'x'.repeat(MAX_LINE_BYTES)}`, NDJSON, 413],
      ['{"user": {}}\n'.repeat(100_000), 'application/json', 413],
    ];
    for (const [body, type, status] of cases) {
      const answer = await post(body, type);
      assert.equal(answer.status, status, `${type} ${body.slice(0, 20)}`);
      await answer.text();
    }
    const { body } = await api('GET', `${base}?limit=10`);
    assert.deepEqual(
      (body.items as unknown as Report[]).map(({ state, failure }) => [state, failure]),
      [
        ['failed', 'PAYLOAD_TOO_LARGE'],
        ['failed', 'PAYLOAD_TOO_LARGE'],
        ['failed', 'MALFORMED_JSON'],
        ['failed', 'INVALID_REQUEST'],
      ],
    );
    assert.equal((await reportOf([])).state, 'complete');
  });

  it('one at a time for a connection; one that was left behind is given up, and says so before', async () => {
    const upload = httpRequest({
      host: '127.0.0.1',
      port: identity.server.httpPort,
      method: 'POST',
      path: `/api/identity/v1${base}`,
      headers: { authorization: organization.authorization, 'content-type': NDJSON },
    });
    upload.on('error', () => undefined);
    upload.write(`${JSON.stringify({ user: userOf('x') })}\n`);
    const states = async (): Promise<string[]> =>
      ((await api('GET', base)).body.items as unknown as Report[]).map(({ state }) => state);
    await waitFor(async () => (await states()).length === 1, { message: 'the upload to begin' });
    assert.equal((await post('')).status, 409);
    await identity.admin(
      "UPDATE identity.drift_report SET updated_at = updated_at - interval '10 minutes' WHERE org_id = $1",
      [organization.orgId],
    );
    assert.deepEqual(await states(), ['failed']);
    assert.equal((await reportOf([])).state, 'complete');
    upload.destroy();
  });

  it('is for who may: connection:manage to make one and to see values, connection:read to look', async () => {
    const report = await reportOf([{ user: userOf('x') }]);
    identity.denied.add('connection:manage');
    assert.equal((await post('')).status, 403);
    assert.equal((await api('GET', `${base}/${report.id}/findings?values=true`)).status, 403);
    const [finding] = await findingsOf(report);
    assert.ok(finding !== undefined && !('here' in finding) && !('there' in finding));
    identity.denied.add('connection:read');
    for (const path of [base, `${base}/${report.id}`, `${base}/${report.id}/findings`])
      assert.equal((await api('GET', path)).status, 403);
  });

  it('is of its connection: nobody else finds it, and it goes with it; old ones go too', async () => {
    const report = await reportOf([{ user: userOf('x') }]);
    const stranger = apiClient(identity, await newOrganization(identity));
    const other = await newDirectory(identity, organization, newId());
    const elsewhere = `/connections/${other.connectionId}/drift-reports/${report.id}`;
    for (const [client, path] of [
      [stranger, `${base}/${report.id}`],
      [stranger, base],
      [api, elsewhere],
      [api, `${elsewhere}/findings`],
    ] as const)
      assert.equal((await client('GET', path)).status, 404, path);
    for (let made = 0; made < 11; made += 1) await reportOf([]);
    assert.equal((await api('GET', `${base}?limit=50`)).body.items.length, 10);
    assert.equal((await api('GET', `${base}/${report.id}`)).status, 404);
    await api('DELETE', `/connections/${directory.connectionId}`);
    assert.deepEqual(
      await identity.admin('SELECT id FROM identity.drift_report WHERE org_id = $1', [organization.orgId]),
      [],
    );
  });

  it('splits any bytes into the lines they are, however they arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.integer({ min: 1, max: 7 }),
        async (texts, size) => {
          const wanted = texts
            .flatMap((text) => text.split('\n'))
            .map((text) => text.trim())
            .filter((text) => text !== '');
          const bytes = Buffer.from(texts.join('\n'));
          const chunks = async function* (): AsyncGenerator<Buffer> {
            for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
          };
          const found: string[] = [];
          for await (const line of linesOf(chunks())) found.push(line);
          assert.deepEqual(found, wanted);
        },
      ),
    );
  });
});
