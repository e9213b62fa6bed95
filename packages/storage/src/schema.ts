import pg from 'pg';

const QUERIES: readonly (readonly [title: string, sql: string])[] = [
  [
    'columns',
    `SELECT format('%s.%s %s%s%s', table_name, column_name, coalesce(domain_name, udt_name),
              CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END,
              coalesce(' default ' || column_default, '') || coalesce(' generated ' || generation_expression, '')) AS line
       FROM information_schema.columns WHERE table_schema = $1`,
  ],
  [
    'constraints',
    `SELECT format('%s %s %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) AS line
       FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = $1 AND c.conrelid <> 0`,
  ],
  ['indexes', `SELECT indexdef AS line FROM pg_indexes WHERE schemaname = $1`],
  [
    'functions',
    `SELECT pg_get_functiondef(p.oid) AS line
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1`,
  ],
  [
    'triggers',
    `SELECT pg_get_triggerdef(t.oid) AS line FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND NOT t.tgisinternal`,
  ],
  [
    'policies',
    `SELECT format('%s %s %s using %s check %s', tablename, policyname, cmd, qual, with_check) AS line
       FROM pg_policies WHERE schemaname = $1`,
  ],
  [
    'row level security',
    `SELECT format('%s enabled=%s forced=%s', c.relname, c.relrowsecurity, c.relforcerowsecurity) AS line
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'`,
  ],
  [
    'table grants',
    `SELECT format('%s %s %s', table_name, grantee, string_agg(privilege_type, ',' ORDER BY privilege_type)) AS line
       FROM information_schema.table_privileges WHERE table_schema = $1 AND grantee <> 'sallyport_owner'
       GROUP BY table_name, grantee`,
  ],
  [
    'function grants',
    `SELECT format('%s %s', p.proname, p.proacl) AS line
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1`,
  ],
];

/**
 * The whole of a schema as canonical text: equal texts mean equal tables, constraints, indexes, functions, triggers,
 * policies and grants. For comparing a migrated database with a fresh one, and for review.
 */
export const describeSchema = async (adminUrl: string, schema: string): Promise<string> => {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const parts: string[] = [];
    for (const [title, sql] of QUERIES) {
      const { rows } = await client.query<{ line: string }>(sql, [schema]);
      const lines = rows.map(({ line }) => line).sort();
      parts.push(`# ${title}\n${lines.join('\n')}\n`);
    }
    return parts.join('\n');
  } finally {
    await client.end();
  }
};
