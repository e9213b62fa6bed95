import assert from 'node:assert/strict';

import { testDatabase } from '@sallyport/dev-env';
import { newId } from '@sallyport/storage';
import pg from 'pg';

import { createAccount } from '../../src/accounts/index.ts';
import { searchAccounts } from '../../src/migrations/0014-search-accounts.ts';
import { newDirectory } from '../support/http.ts';
import { newOrganization, startIdentity } from '../support/identity.ts';

/** A profile in which everything folds differently in PostgreSQL. */
const PROFILE = {
  displayName: 'ＡＤÉ İstanbul ß',
  name: { familyName: 'Ünal', givenName: 'ǅ' },
  nickName: '',
  title: null,
  emails: [{ value: 'İ@Example.COM', type: 'Work', primary: true }, {}, { value: 'b' }],
  ims: [],
};

describe('the migration that makes accounts searchable', () => {
  it('fills the accounts there are exactly as a write would, in every organisation and batch', async () => {
    const database = await testDatabase('identity');
    const identity = await startIdentity({ database });
    const organizations = [await newOrganization(identity), await newOrganization(identity)];
    for (const organization of organizations) {
      const { orgId, connectionId } = await newDirectory(identity, organization);
      const context = { orgId, actor: { type: 'system', id: 'test' }, requestId: newId() } as const;
      await identity.context.audit.mutate(context, async (tx) => {
        const names = { connectionId, externalId: null, userName: newId() };
        await createAccount(tx, identity.context, { kind: 'user', ...names, profile: PROFILE });
      });
      await identity.admin(
        `INSERT INTO identity.account (org_id, id, kind, status, connection_id, user_name, user_name_key, profile,
           display_name, created_at, updated_at, search_document)
         SELECT $1, gen_random_uuid(), 'user', 'active', $2, n, n, '{"nickName":"Nick"}', 'Nick', now(), now(),
                '{"nickName":"nick"}' FROM generate_series(1, 600) AS n`,
        [orgId, connectionId],
      );
    }
    await identity.admin(
      "UPDATE identity.account SET display_name_key = lower(display_name) WHERE display_name = 'Nick'",
    );
    const read = async () =>
      await identity.admin('SELECT id, search_document, display_name_key FROM identity.account ORDER BY id');
    const written = await read();
    assert.ok(written.length > 1_200);
    await identity.close();

    const client = new pg.Client({ connectionString: database.adminUrl, options: '-c search_path=identity,public' });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query('SET LOCAL ROLE sallyport_owner');
      await client.query('ALTER TABLE account DROP COLUMN search_document, DROP COLUMN display_name_key');
      const runner = {
        query: async (sql: string, params?: unknown[]) => (await client.query<pg.QueryResultRow>(sql, params)).rows,
      };
      await new searchAccounts().up(runner as never);
      await client.query('COMMIT');
      const { rows } = await client.query<{ search_document: Record<string, unknown> }>(
        'SELECT id, search_document, display_name_key FROM identity.account ORDER BY id',
      );
      assert.deepEqual(rows, written);
      assert.deepEqual(rows.find(({ search_document: document }) => 'name' in document)?.search_document, {
        displayName: 'adé i̇stanbul ß',
        name: { familyName: 'ünal', givenName: 'dž' },
        emails: [{ value: 'i̇@example.com', type: 'work', primary: true }, {}, { value: 'b' }],
      });
    } finally {
      await client.end();
      await database.drop();
    }
  }).timeout(180_000);
});
