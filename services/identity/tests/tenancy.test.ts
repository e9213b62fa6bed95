import assert from 'node:assert/strict';

import { createGrpcClient } from '@sallyport/grpc';
import { isAppError } from '@sallyport/errors';
import { OperatorServiceClient } from '@sallyport/proto/identity/v1';
import { newId } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';
import pg from 'pg';

import { apiClient, ask, newDirectory, type Client } from './support/http.ts';
import {
  asOwner,
  certificate,
  DEPLOYMENT,
  newOrganization,
  OWNER_PASSWORD,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

describe('organisations and their walls', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let api: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
  });
  after(() => identity.close());

  describe('OperatorService.CreateOrganization', () => {
    const operator = async (service = 'operator') =>
      createGrpcClient(OperatorServiceClient, {
        address: `127.0.0.1:${String(identity.server.grpcPort)}`,
        tls: await certificate(service),
        serverName: 'identity',
        deployment: DEPLOYMENT,
        logger: silentLogger(),
      });
    const request = (slug: string) => ({
      slug,
      displayName: 'Acme',
      ownerEmail: 'owner@acme.test',
      ownerPassword: OWNER_PASSWORD,
    });

    it('creates organisation, logs and the break-glass Owner; a second call leaves all as it is', async () => {
      const client = await operator();
      const slug = `acme-${newId()}`;
      const first = await client.unary('createOrganization', request(slug), { deadlineMs: 10_000 });
      assert.equal(first.created, true);
      const second = await client.unary(
        'createOrganization',
        { ...request(slug), ownerPassword: 'another password 123' },
        { deadlineMs: 10_000 },
      );
      assert.deepEqual(second, { orgId: first.orgId, ownerSubjectId: first.ownerSubjectId, created: false });
      const [row] = await identity.admin(
        `SELECT a.break_glass, a.connection_id, a.user_name, h.position, l.size, c.password_hash LIKE '$argon2id$%' AS hashed
           FROM identity.account a JOIN identity.subject_log_head h USING (org_id) JOIN identity.audit_head l USING (org_id)
           JOIN identity.local_credential c ON c.account_id = a.id WHERE a.org_id = $1`,
        [first.orgId],
      );
      assert.deepEqual(row, {
        break_glass: true,
        connection_id: null,
        user_name: 'owner@acme.test',
        position: '1',
        size: '2',
        hashed: true,
      });
      client.close();
    });

    it('is idempotent under concurrency', async () => {
      const client = await operator();
      const slug = `race-${newId()}`;
      const answers = await Promise.all(
        [1, 2, 3].map(() => client.unary('createOrganization', request(slug), { deadlineMs: 10_000 })),
      );
      assert.equal(new Set(answers.map(({ orgId }) => orgId)).size, 1);
      assert.equal(answers.filter(({ created }) => created).length, 1);
      client.close();
    });

    it('is for the operator alone, and refuses what is not valid', async () => {
      for (const service of ['policy', 'flags']) {
        const client = await operator(service);
        await assert.rejects(
          client.unary('createOrganization', request('x-y-z'), { deadlineMs: 10_000 }),
          (error) => isAppError(error) && error.code === 'PERMISSION_DENIED',
        );
        client.close();
      }
      const client = await operator();
      for (const wrong of [
        { slug: 'NOT A SLUG' },
        { ownerEmail: 'nobody' },
        { displayName: '' },
        { ownerPassword: 'short' },
      ])
        await assert.rejects(
          client.unary('createOrganization', { ...request(`w-${newId()}`), ...wrong }, { deadlineMs: 10_000 }),
          (error) => isAppError(error) && error.kind.grpc === 'INVALID_ARGUMENT',
          JSON.stringify(wrong),
        );
      client.close();
    });
  });

  describe('row-level security', () => {
    it("hides another organisation's rows from a raw query, in every table that has an organisation", async () => {
      const other = await newOrganization(identity);
      const directory = await newDirectory(identity, other);
      const user = await directory.scim('POST', '/Users', {
        userName: 'rls@example.com',
        emails: [{ value: 'rls@example.com' }],
      });
      await directory.scim('POST', '/Groups', { displayName: 'RLS', members: [{ value: user.body.id }] });
      const tables = await identity.admin<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'identity' AND column_name = 'org_id'`,
      );
      assert.ok(tables.length >= 12);
      const raw = new pg.Client({ connectionString: identity.database.url, options: '-c search_path=identity,public' });
      await raw.connect();
      try {
        for (const { name } of tables) {
          await raw.query('BEGIN');
          await raw.query(`SET LOCAL sallyport.org_id = '${organization.orgId}'`);
          const { rows } = await raw.query(`SELECT 1 FROM ${name} WHERE org_id = $1`, [other.orgId]);
          assert.deepEqual(rows, [], name);
          await raw.query('ROLLBACK');
          const { rows: nobody } = await raw.query(`SELECT 1 FROM ${name}`);
          assert.deepEqual(nobody, [], `${name} without an organisation`);
        }
        await raw.query('BEGIN');
        await raw.query(`SET LOCAL sallyport.org_id = '${organization.orgId}'`);
        await assert.rejects(
          raw.query(
            `INSERT INTO account (org_id, id, kind, status, user_name, user_name_key, created_at, updated_at)
             VALUES ($1, gen_random_uuid(), 'user', 'active', 'x', 'x', now(), now())`,
            [other.orgId],
          ),
          /row-level security/,
        );
        await raw.query('ROLLBACK');
      } finally {
        await raw.end();
      }
    });

    it('keeps the indexes usable: look-ups do not scan', async () => {
      const { orgId, connectionId } = await newDirectory(identity, await newOrganization(identity));
      await identity.admin(
        `INSERT INTO identity.account (org_id, id, kind, status, connection_id, external_id, user_name, user_name_key,
           created_at, updated_at)
         SELECT $1, gen_random_uuid(), 'user', 'active', $2, 'e' || n, 'u' || n, 'u' || n, now(), now()
           FROM generate_series(1, 20000) n`,
        [orgId, connectionId],
      );
      await identity.admin(
        `INSERT INTO identity.account_email (org_id, account_id, email_key)
         SELECT org_id, id, user_name || '@x' FROM identity.account WHERE connection_id = $1`,
        [connectionId],
      );
      await identity.admin('ANALYZE identity.account, identity.account_email');
      const raw = new pg.Client({
        connectionString: identity.database.url,
        options: '-c search_path=identity,public',
      });
      await raw.connect();
      try {
        await raw.query('BEGIN');
        await raw.query(`SET LOCAL sallyport.org_id = '${orgId}'`);
        const byEmail = `SELECT account_id FROM account_email WHERE org_id = '${orgId}' AND email_key = 'u7@x'`;
        for (const [where, index] of [
          ["user_name_key = 'u7' AND status <> 'deleted'", 'account_user_name'],
          [`connection_id = '${connectionId}' AND external_id = 'e7' AND status <> 'deleted'`, 'account_external_id'],
          [`id IN (${byEmail})`, 'account_email_key'],
        ] as const) {
          const { rows } = await raw.query<{ 'QUERY PLAN': string }>(
            `EXPLAIN SELECT id FROM account WHERE org_id = '${orgId}' AND ${where}`,
          );
          assert.match(rows.map((row) => row['QUERY PLAN']).join('\n'), new RegExp(index));
        }
        await raw.query('ROLLBACK');
      } finally {
        await raw.end();
      }
    });
  });

  describe('/api/identity/v1', () => {
    it('is 401 without a credential and 403, recorded, without the permission', async () => {
      for (const path of ['/accounts', '/groups', '/connections', '/audit', '/audit/export']) {
        assert.equal((await ask(identity, 'GET', `/api/identity/v1${path}`)).status, 401);
      }
      identity.denied.add('connection:manage');
      const refused = await api('POST', '/connections', { name: 'refused' });
      identity.denied.clear();
      assert.equal(refused.status, 403);
      assert.equal(refused.body.code, 'PERMISSION_DENIED');
      const [record] = await identity.context.audit.list(organization.orgId, { limit: 1, order: 'newest-first' });
      assert.equal(record?.entry['outcome'], 'denied');
      assert.equal(record.entry['action'], 'api.request-refused');
      assert.equal(
        (await api('GET', '/connections')).body.items.some(({ name }) => (name as unknown) === 'refused'),
        false,
      );
    });

    it('answers 404 for every id of another organisation', async () => {
      const other = await newOrganization(identity);
      const directory = await newDirectory(identity, other);
      const user = await directory.scim('POST', '/Users', { userName: 'other@example.com' });
      const group = await directory.scim('POST', '/Groups', { displayName: 'Other' });
      const tokens = await apiClient(identity, other)('GET', `/connections/${directory.connectionId}/scim-tokens`);
      for (const [method, path, body] of [
        ['GET', `/accounts/${user.body.id}`, undefined],
        ['POST', `/accounts/${user.body.id}/deactivate`, {}],
        ['POST', `/accounts/${user.body.id}/reactivate`, {}],
        ['GET', `/groups/${group.body.id}`, undefined],
        ['GET', `/groups/${group.body.id}/members`, undefined],
        ['GET', `/connections/${directory.connectionId}`, undefined],
        ['PATCH', `/connections/${directory.connectionId}`, { enabled: false }],
        ['DELETE', `/connections/${directory.connectionId}`, undefined],
        ['GET', `/connections/${directory.connectionId}/scim-tokens`, undefined],
        ['POST', `/connections/${directory.connectionId}/scim-tokens`, { name: 'x' }],
        ['DELETE', `/connections/${directory.connectionId}/scim-tokens/${tokens.body.items[0]?.id ?? ''}`, undefined],
      ] as const) {
        const answer = await api(method, path, body);
        assert.equal(answer.status, 404, `${method} ${path}`);
      }
      assert.equal((await directory.scim('GET', `/Users/${user.body.id}`)).body.active, true);
    });

    it('lists accounts and groups page by page', async () => {
      const { scim } = await newDirectory(identity, organization, newId());
      const ids: string[] = [];
      for (let number = 0; number < 5; number += 1)
        ids.push((await scim('POST', '/Users', { userName: `${newId()}@example.com` })).body.id);
      const group = await scim('POST', '/Groups', { displayName: newId(), members: ids.map((value) => ({ value })) });
      const seen: unknown[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
        const { body } = await api('GET', `/groups/${group.body.id}/members?limit=2${query}`);
        seen.push(...body.items.map((item) => item['accountId']));
        cursor = body.nextCursor;
      }
      assert.deepEqual(seen, ids.sort());
      assert.equal((await api('GET', '/accounts?cursor=nonsense')).status, 400);
      assert.equal((await api('GET', '/accounts?limit=0')).status, 400);
      const inactive = await api('GET', '/accounts?status=inactive');
      assert.deepEqual(inactive.body.items, []);
    });

    it('records every mutation with actor, before and after', async () => {
      const { scim } = await newDirectory(identity, organization, newId());
      const { body } = await scim('POST', '/Users', { userName: `${newId()}@example.com`, name: { givenName: 'Ada' } });
      await scim('PATCH', `/Users/${body.id}`, {
        Operations: [{ op: 'replace', value: { name: { givenName: 'Bea' } } }],
      });
      const group = await scim('POST', '/Groups', { displayName: newId(), members: [{ value: body.id }] });
      await scim('DELETE', `/Groups/${group.body.id}`);
      await api('POST', `/accounts/${body.id}/deactivate`, { reason: 'left' });
      const records = await identity.context.audit.list(organization.orgId, { limit: 8, order: 'newest-first' });
      assert.deepEqual(
        records.map(({ entry }) => [entry['action'], (entry['actor'] as { type: string }).type]).reverse(),
        [
          ['account.created', 'connection'],
          ['account.updated', 'connection'],
          ['group.created', 'connection'],
          ['group.members-changed', 'connection'],
          ['group.members-changed', 'connection'],
          ['group.deleted', 'connection'],
          ['account.deactivated', 'user'],
          ['account.deactivation-effective', 'user'],
        ],
      );
      const updated = records.find(({ entry }) => entry['action'] === 'account.updated');
      assert.deepEqual(updated?.entry['before'], { name: '{"givenName":"Ada"}' });
      assert.deepEqual(updated.entry['after'], { name: '{"givenName":"Bea"}' });
      assert.equal(updated.leaf.includes('Ada'), false, 'personal data is not in the leaf');
    });

    it('keeps names of connections unique and says what is wrong with a body', async () => {
      const name = newId();
      assert.equal((await api('POST', '/connections', { name })).status, 201);
      assert.equal((await api('POST', '/connections', { name })).status, 409);
      const wrong = await api('POST', '/connections', { name: '', enabledd: true });
      assert.equal(wrong.status, 400);
      const withoutScim = await api('GET', '/connections?limit=200');
      const connection = withoutScim.body.items.find((item) => (item['name'] as unknown) === name);
      assert.equal((await api('POST', `/connections/${connection?.id ?? ''}/scim-tokens`, { name: 'x' })).status, 409);
    });

    it('does not believe a principal of another organisation', async () => {
      const other = await newOrganization(identity);
      const mixed = asOwner(other.orgId, organization.ownerId);
      const { body } = await ask(identity, 'GET', '/api/identity/v1/accounts', { headers: { authorization: mixed } });
      assert.deepEqual(
        body.items.map(({ id }) => id),
        [other.ownerId],
      );
    });
  });
});
