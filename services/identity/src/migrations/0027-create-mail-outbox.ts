import { orgTable, sqlMigration } from '@sallyport/storage';

// Mail is written with what it tells of and sent after the commit. The whole message is sealed, because it holds an
// address and often a secret; a row is gone as soon as the mail is, or when it is of no use any more.
const OUTBOX = `
  CREATE TABLE mail_outbox (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    id uuid NOT NULL UNIQUE,
    kind text NOT NULL,
    message_sealed bytea NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, id)
  );
  CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at);
  ${orgTable('identity', 'mail_outbox')}
`;

/** Mail on its way. */
export const createMailOutbox = sqlMigration(27, 'create-mail-outbox', [OUTBOX]);
