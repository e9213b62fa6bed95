import { orgTable, sqlMigration } from '@sallyport/storage';

// What a test of a connection found. It may name people: it lives for a day, and twenty to a connection.
const TRACE = `
  CREATE TABLE login_trace (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    protocol text NOT NULL CHECK (protocol IN ('saml', 'oidc')),
    started_by uuid NOT NULL,
    passed boolean NOT NULL,
    reason text,
    trace jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX login_trace_connection ON login_trace (org_id, connection_id, id);
  CREATE INDEX login_trace_expiry ON login_trace (expires_at);
  ${orgTable('identity', 'login_trace', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}
`;

/** Traces of test logins. */
export const createLoginTrace = sqlMigration(34, 'create-login-trace', [TRACE]);
