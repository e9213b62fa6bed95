import { sqlMigration } from '@sallyport/storage';

// What an organisation asks of sessions. It may shorten what we allow, never lengthen it: the bounds are here as well.
const SETTINGS = `
  ALTER TABLE organization
    ADD COLUMN session_idle_minutes integer NOT NULL DEFAULT 60 CHECK (session_idle_minutes BETWEEN 5 AND 60),
    ADD COLUMN session_absolute_minutes integer NOT NULL DEFAULT 1440
      CHECK (session_absolute_minutes BETWEEN 15 AND 1440),
    ADD COLUMN step_up_actions text[] NOT NULL DEFAULT '{}',
    ADD COLUMN step_up_minutes integer NOT NULL DEFAULT 15 CHECK (step_up_minutes BETWEEN 1 AND 15),
    ADD COLUMN step_up_multi_factor boolean NOT NULL DEFAULT false,
    ADD COLUMN step_up_tokens_allowed boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT organization_session_idle_within_absolute CHECK (session_idle_minutes <= session_absolute_minutes);
`;

// proven_at: when the person last proved to be there; null when an identity provider does not say. multi_factor: with
// more than a password, by our own factors or by a word of the identity provider's that the connection accepts.
const PROOF = `
  ALTER TABLE browser_session ADD COLUMN proven_at timestamptz;
  ALTER TABLE browser_session ADD COLUMN multi_factor boolean NOT NULL DEFAULT false;
`;

// A login under way may have to bring back a certain account (step-up), or may open nothing at all (test).
const PURPOSE = `
  ALTER TABLE pending_login
    ADD COLUMN purpose text NOT NULL DEFAULT 'login' CHECK (purpose IN ('login', 'step-up', 'test')),
    ADD COLUMN started_by uuid,
    ADD CONSTRAINT pending_login_is_somebodys CHECK (purpose = 'login' OR started_by IS NOT NULL);
`;

/** Limits of sessions, proof of presence, and what a login under way is for. */
export const limitSessions = sqlMigration(32, 'limit-sessions', [SETTINGS, PROOF, PURPOSE]);
