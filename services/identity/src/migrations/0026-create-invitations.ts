import { orgTable, sqlMigration } from '@sallyport/storage';

// The secret of an invitation or a reset is in the mail only; here is its hash. The account of an invitation is made
// when it is accepted, so that nothing exists for somebody who never came.
const INVITATION = `
  CREATE TABLE invitation (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    id uuid NOT NULL UNIQUE,
    token_hash bytea NOT NULL UNIQUE,
    email text NOT NULL,
    email_key text NOT NULL,
    display_name text NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    account_id uuid,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE UNIQUE INDEX invitation_open ON invitation (org_id, email_key)
    WHERE accepted_at IS NULL AND revoked_at IS NULL;
  ${orgTable('identity', 'invitation')}
`;

const RESET = `
  CREATE TABLE password_reset (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    token_hash bytea NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    epoch_at_issue bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX password_reset_account ON password_reset (org_id, account_id, created_at);
  CREATE INDEX password_reset_expiry ON password_reset (expires_at);
  ${orgTable('identity', 'password_reset')}
`;

/** Invitations into local accounts, and forgotten passwords. */
export const createInvitations = sqlMigration(26, 'create-invitations', [INVITATION, RESET]);
