import { orgTable, sqlMigration } from '@sallyport/storage';

// What an organisation asks of its local accounts. The break-glass Owner signs in locally whatever is set here.
const SETTINGS = `
  ALTER TABLE organization ADD COLUMN local_accounts_enabled boolean NOT NULL DEFAULT true;
  ALTER TABLE organization ADD COLUMN second_factor_required boolean NOT NULL DEFAULT false;
  ALTER TABLE browser_session DROP CONSTRAINT browser_session_method_check;
  ALTER TABLE browser_session ADD CONSTRAINT browser_session_method_check
    CHECK (method IN ('saml', 'oidc', 'password', 'passkey'));
`;

// One authenticator app for an account. Until it is confirmed it proves nothing, and belongs to the epoch it was begun
// in. A code works once: last_step only rises (RFC 6238 §5.2). failures counts wrong codes since the last right one.
const TOTP = `
  CREATE TABLE totp_factor (
    org_id uuid NOT NULL,
    account_id uuid NOT NULL,
    secret_sealed bytea NOT NULL,
    epoch_at_issue bigint NOT NULL,
    last_step bigint NOT NULL DEFAULT -1,
    failures integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (org_id, account_id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  ${orgTable('identity', 'totp_factor')}

  CREATE TABLE recovery_code (
    org_id uuid NOT NULL,
    account_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (org_id, account_id, code_hash),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  ${orgTable('identity', 'recovery_code')}
`;

// A credential id is unique over all organisations: an authenticator names no organisation (WebAuthn §7.1 step 26).
const PASSKEY = `
  CREATE TABLE passkey (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    transports text[] NOT NULL,
    backed_up boolean NOT NULL,
    multi_device boolean NOT NULL,
    aaguid uuid NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (org_id, id),
    CONSTRAINT passkey_credential_once UNIQUE (credential_id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX passkey_account ON passkey (org_id, account_id);
  ${orgTable('identity', 'passkey')}

  CREATE TABLE passkey_challenge (
    challenge_hash bytea PRIMARY KEY,
    bound_to bytea NOT NULL,
    expires_at timestamptz NOT NULL
  );
  CREATE INDEX passkey_challenge_expiry ON passkey_challenge (expires_at);
  GRANT SELECT, INSERT, DELETE ON passkey_challenge TO sallyport_identity;
`;

// The password was right, the second factor is still due. Never a credential: it counts only together with the secret
// of the browser that typed the password, in the epoch it was made in, and once.
const HALF_LOGIN = `
  CREATE TABLE half_login (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    epoch_at_issue bigint NOT NULL,
    browser_hash bytea NOT NULL,
    return_to text NOT NULL,
    replaces_account_id uuid,
    replaces_session_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  CREATE INDEX half_login_expiry ON half_login (expires_at);
  ${orgTable('identity', 'half_login')}
`;

/** Second factors, passkeys, and logins that wait for one. */
export const createFactors = sqlMigration(25, 'create-factors', [SETTINGS, TOTP, PASSKEY, HALF_LOGIN]);
