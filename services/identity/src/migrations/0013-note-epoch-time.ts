import { sqlMigration } from '@sallyport/storage';

// When the epoch last rose: what an identity provider issued before that moment opens nothing any more, also after the
// account has been opened again.
const EPOCH_TIME = `
  ALTER TABLE account ADD COLUMN epoch_raised_at timestamptz;

  CREATE FUNCTION account_note_epoch_time() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.epoch_raised_at := clock_timestamp();
    RETURN NEW;
  END $$;
  CREATE TRIGGER account_note_epoch_time BEFORE UPDATE ON account
    FOR EACH ROW WHEN (NEW.epoch > OLD.epoch) EXECUTE FUNCTION account_note_epoch_time();
`;

/** The moment of the last raise of an account's epoch. */
export const noteEpochTime = sqlMigration(13, 'note-epoch-time', EPOCH_TIME);
