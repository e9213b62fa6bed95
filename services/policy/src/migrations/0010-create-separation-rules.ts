import { orgTable, sqlMigration } from '@sallyport/storage';

// Which roles exclude each other for the same subject. That Auditor excludes whatever writes needs no row.
const tables = `
  CREATE TABLE separation_rule (
    org_id uuid NOT NULL REFERENCES organization,
    rule_id uuid NOT NULL,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    description text NOT NULL CHECK (length(description) <= 1000),
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (org_id, rule_id)
  );
  CREATE UNIQUE INDEX separation_rule_name_unique ON separation_rule (org_id, lower(name));

  CREATE TABLE separation_rule_role (
    org_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    role_key text NOT NULL CHECK (role_key <> ''),
    PRIMARY KEY (org_id, rule_id, role_key),
    FOREIGN KEY (org_id, rule_id) REFERENCES separation_rule ON DELETE CASCADE
  );
`;

export const createSeparationRules = sqlMigration(10, 'create-separation-rules', [
  tables,
  orgTable('policy', 'separation_rule', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  orgTable('policy', 'separation_rule_role', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
]);
