import { sqlMigration, type Migration } from '@sallyport/storage';

import { foldCase, searchDocumentOf, type Profile } from '../accounts/index.ts';

type Runner = Parameters<InstanceType<Migration>['up']>[0];

const COLUMNS = `
  ALTER TABLE account ADD COLUMN search_document jsonb NOT NULL DEFAULT '{}';
  ALTER TABLE account ADD COLUMN display_name_key text NOT NULL DEFAULT '';
`;
const BATCH = 1_000;
const FIRST = '00000000-0000-0000-0000-000000000000';

interface Row {
  readonly id: string;
  readonly profile: Profile;
  readonly display_name: string;
}

const AddColumns = sqlMigration(14, 'search-accounts', COLUMNS);

/**
 * What accounts are searched by. The fold is the application's own, so the rows there are already are folded by it too,
 * in batches.
 */
export const searchAccounts: Migration = class extends AddColumns {
  override async up(runner: Runner): Promise<void> {
    await super.up(runner);
    // The owner of the tables is behind their walls as well.
    await runner.query(`SET LOCAL sallyport.all_orgs = 'on'`);
    for (let after: string | undefined = FIRST; after !== undefined; after = await backfill(runner, after));
    await runner.query(`SET LOCAL sallyport.all_orgs = 'off'`);
  }
};

/** Fills the next rows and answers where to go on; undefined at the end. */
const backfill = async (runner: Runner, after: string): Promise<string | undefined> => {
  const rows = (await runner.query('SELECT id, profile, display_name FROM account WHERE id > $1 ORDER BY id LIMIT $2', [
    after,
    BATCH,
  ])) as Row[];
  const filled = rows.map(({ id, profile, display_name: displayName }) => ({
    id,
    document: searchDocumentOf(profile),
    key: foldCase(displayName),
  }));
  await runner.query(
    `UPDATE account SET search_document = filled.document, display_name_key = filled.key
       FROM jsonb_to_recordset($1) AS filled(id uuid, document jsonb, key text) WHERE account.id = filled.id`,
    [JSON.stringify(filled)],
  );
  return rows.at(-1)?.id;
};
