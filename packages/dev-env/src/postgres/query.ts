import pg from 'pg';

/**
 * One statement on a connection of its own. A server that goes away meanwhile fails the statement,
 * never the process.
 */
export async function queryOnce(url: string, sql: string, values: readonly unknown[] = []): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
