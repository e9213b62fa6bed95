import type pg from 'pg';

import { idOf, newUser, type Call } from './calls.ts';
import type { Directory } from './service.ts';

const TEMPLATE = 'p0000000';
const WIDTH = TEMPLATE.length - 1;

/** The name of one of a population: it is in the user name, the external id and the address. */
export const nameOf = (number: number): string => `p${String(number).padStart(WIDTH, '0')}`;

interface Column {
  readonly name: string;
  readonly type: string;
}

const columnsOf = async (admin: pg.Pool, table: string): Promise<Column[]> => {
  const { rows } = await admin.query<Column>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
       FROM pg_attribute a WHERE a.attrelid = ('identity.' || $1)::regclass AND a.attnum > 0
        AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum`,
    [table],
  );
  return rows;
};

/** How a column of a copy follows from the column of the original. */
const copyOf = ({ name, type }: Column, idColumn: string): string => {
  if (name === idColumn) return 'copy.id';
  if (type !== 'text' && type !== 'jsonb') return `original.${name}`;
  return `replace(original.${name}::text, '${TEMPLATE}', copy.name)::${type}`;
};

const copyRows = async (admin: pg.Pool, table: string, idColumn: string, original: string): Promise<void> => {
  const columns = await columnsOf(admin, table);
  await admin.query(
    `INSERT INTO identity.${table} (${columns.map(({ name }) => name).join(', ')})
     SELECT ${columns.map((column) => copyOf(column, idColumn)).join(', ')}
       FROM identity.${table} AS original, bench_copy AS copy WHERE original.${idColumn} = $1 ORDER BY copy.id`,
    [original],
  );
};

/**
 * Fills a directory with `count` users: one is created as a directory does it, the others are copies of its rows under
 * other names, so they have whatever form the service gives them. One copy is read back and compared with the original.
 */
export const populate = async (
  admin: pg.Pool,
  directory: Directory,
  call: Call,
  count: number,
): Promise<readonly string[]> => {
  const original = idOf(await call('POST', '/Users', newUser(TEMPLATE)));
  await admin.query('DROP TABLE IF EXISTS bench_copy');
  await admin.query(
    `CREATE TABLE bench_copy AS
       SELECT uuidv7() AS id, 'p' || lpad(n::text, ${String(WIDTH)}, '0') AS name FROM generate_series(1, $1::int) AS n`,
    [count - 1],
  );
  await copyRows(admin, 'account', 'id', original);
  await copyRows(admin, 'account_email', 'account_id', original);
  await admin.query('DROP TABLE bench_copy');
  await admin.query('VACUUM ANALYZE identity.account');
  await admin.query('VACUUM ANALYZE identity.account_email');
  await compare(call, original, nameOf(count - 1));
  const { rows } = await admin.query<{ id: string }>(
    'SELECT id FROM identity.account WHERE org_id = $1 AND connection_id = $2 ORDER BY id LIMIT 100000',
    [directory.orgId, directory.connectionId],
  );
  return rows.map(({ id }) => id);
};

/** The copy answers as the original does, but for its name and id, when it is looked up by each of its names. */
const compare = async (call: Call, original: string, name: string): Promise<void> => {
  const expected = (await call('GET', `/Users/${original}`)).text.replaceAll(TEMPLATE, name);
  for (const attribute of ['userName', 'externalId', 'emails.value'] as const) {
    const { Resources } = JSON.parse((await lookUp(call, attribute, name)).text) as { Resources: { id: string }[] };
    const [found, ...others] = Resources;
    if (found === undefined || others.length > 0) throw new Error(`${attribute} does not find exactly one copy`);
    if (JSON.stringify(found).replaceAll(found.id, original) !== expected)
      throw new Error(`a copy is not as its original: ${JSON.stringify(found)} is not ${expected}`);
  }
};

/** One look-up, as a directory does it before it creates somebody. */
export const lookUp = (call: Call, attribute: 'userName' | 'externalId' | 'emails.value', name: string) => {
  const value = attribute === 'externalId' ? `ext-${name}` : `${name}@example.com`;
  return call('GET', `/Users?filter=${encodeURIComponent(`${attribute} eq "${value}"`)}&startIndex=1&count=100`);
};
