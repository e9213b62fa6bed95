import { orgTable, sqlMigration } from '@sallyport/storage';

// Organisations for which index and Casbin were seen to differ: Casbin decides until somebody resets it.
const table = `
  CREATE TABLE decision_engine (
    org_id uuid PRIMARY KEY REFERENCES organization,
    engine text NOT NULL CHECK (engine IN ('index', 'casbin')),
    changed_at timestamptz NOT NULL
  );
`;

export const createDecisionEngine = sqlMigration(7, 'create-decision-engine', [
  table,
  orgTable('policy', 'decision_engine', { privileges: ['SELECT', 'INSERT', 'UPDATE'] }),
]);
