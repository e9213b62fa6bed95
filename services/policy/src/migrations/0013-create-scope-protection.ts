import { orgTable, sqlMigration } from '@sallyport/storage';

// Where roles are given and taken by more than one person. Kept when it is lifted, at version + 1, so that a proposal
// made before says nothing about what is protected anew.
const table = `
  CREATE TABLE scope_protection (
    org_id uuid NOT NULL REFERENCES organization,
    protection_id uuid NOT NULL,
    project_id uuid,
    environment_id uuid,
    -- 0: lifted.
    required_approvals integer NOT NULL CHECK (required_approvals BETWEEN 0 AND 5),
    version integer NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (org_id, protection_id),
    FOREIGN KEY (org_id, project_id) REFERENCES project_scope,
    FOREIGN KEY (org_id, project_id, environment_id)
      REFERENCES environment_scope (org_id, project_id, environment_id),
    CHECK (environment_id IS NULL OR project_id IS NOT NULL),
    CONSTRAINT scope_protection_once UNIQUE NULLS NOT DISTINCT (org_id, project_id, environment_id)
  );
`;

export const createScopeProtection = sqlMigration(13, 'create-scope-protection', [
  table,
  orgTable('policy', 'scope_protection', { privileges: ['SELECT', 'INSERT'] }),
  'GRANT UPDATE (required_approvals, version, changed_at, changed_by) ON scope_protection TO sallyport_policy;',
]);
