import { sqlMigration } from '@sallyport/storage';

/** Every answer of an IdP is asked whether it belongs to a test; of the logins under way hardly one is. */
export const findLoginTests = sqlMigration(
  36,
  'find-login-tests',
  `CREATE INDEX pending_login_test ON pending_login (connection_id, relay_state_hash)
     WHERE purpose = 'test' AND relay_state_hash IS NOT NULL`,
);
