import { sqlMigration } from '@sallyport/storage';

// The guard of 0002, with two more ways an account may go: its own directory revives its tombstone, and an account of
// nobody is linked to a connection. Both only with a new epoch, so nothing that was ever issued works again.
// `removed_epoch` remembers the last removal for ever: what was given to the account up to then stays void.
const GUARD = `
  ALTER TABLE account ADD COLUMN removed_epoch bigint NOT NULL DEFAULT 0;
  ALTER TABLE account DISABLE TRIGGER account_standing_guard;
  SET LOCAL sallyport.all_orgs = 'on';
  UPDATE account SET removed_epoch = epoch WHERE status = 'deleted';
  SET LOCAL sallyport.all_orgs = 'off';
  ALTER TABLE account ENABLE TRIGGER account_standing_guard;

  CREATE OR REPLACE FUNCTION account_standing_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.epoch < OLD.epoch THEN RAISE EXCEPTION 'an epoch never falls'; END IF;
    IF NEW.connection_id IS DISTINCT FROM OLD.connection_id AND (
      OLD.connection_id IS NOT NULL OR OLD.break_glass OR OLD.kind <> 'user' OR OLD.status = 'deleted'
      OR NEW.epoch = OLD.epoch
    ) THEN RAISE EXCEPTION 'only an account of nobody comes to a connection, with a new epoch'; END IF;
    IF OLD.status = 'deleted' AND NEW.status <> 'deleted' THEN
      IF NEW.epoch = OLD.epoch THEN RAISE EXCEPTION 'a tombstone is revived only with a new epoch'; END IF;
      IF NOT EXISTS (SELECT FROM identity.connection c
                      WHERE c.org_id = OLD.org_id AND c.id = OLD.connection_id AND c.deleted_at IS NULL)
      THEN RAISE EXCEPTION 'only its own connection revives a tombstone'; END IF;
    END IF;
    IF OLD.status = 'active' AND NEW.status <> 'active' AND NEW.epoch = OLD.epoch THEN
      RAISE EXCEPTION 'access ends only with a new epoch';
    END IF;
    NEW.removed_epoch := CASE WHEN NEW.status = 'deleted' AND OLD.status <> 'deleted' THEN NEW.epoch
                              ELSE OLD.removed_epoch END;
    RETURN NEW;
  END $$;

  CREATE INDEX account_tombstone_external_id ON account (org_id, connection_id, external_id)
    WHERE status = 'deleted';
  CREATE INDEX account_tombstone_user_name ON account (org_id, connection_id, user_name_key)
    WHERE status = 'deleted';
`;

// Who else goes by one of these names, as a user name or as an address: accounts of the same connection are left out,
// directories share addresses freely. Until COMMIT nobody else can claim a name that was asked for here, so two
// connections never give one address to two people side by side. Buckets bound how many locks one request takes.
const NAMES = `
  CREATE FUNCTION claim_names(org uuid, own uuid, of_connection uuid, names text[])
    RETURNS TABLE (account_id uuid, name text) LANGUAGE plpgsql SET search_path = identity, pg_temp AS $$
  DECLARE bucket bigint;
  BEGIN
    FOR bucket IN
      SELECT DISTINCT hashtextextended(org::text || n, 0) & 1023 FROM unnest(names) AS n ORDER BY 1
    LOOP
      PERFORM pg_advisory_xact_lock(hashtextextended('sallyport.account-names', bucket));
    END LOOP;
    RETURN QUERY
      SELECT a.id, a.user_name_key FROM account a
       WHERE a.org_id = org AND a.user_name_key = ANY (names) AND a.status <> 'deleted'
         AND a.id <> own AND a.connection_id IS DISTINCT FROM of_connection
      UNION
      SELECT a.id, e.email_key FROM account_email e JOIN account a ON a.org_id = e.org_id AND a.id = e.account_id
       WHERE e.org_id = org AND e.email_key = ANY (names) AND a.status <> 'deleted'
         AND a.id <> own AND a.connection_id IS DISTINCT FROM of_connection;
  END $$;
  REVOKE ALL ON FUNCTION claim_names FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION claim_names TO sallyport_identity;
`;

// A domain counts as proven only once somebody above the tenant said so; listing it is a claim.
const DOMAINS = `
  ALTER TABLE connection_domain ADD COLUMN verified_at timestamptz;
  ALTER TABLE connection_domain ADD COLUMN verified_by text;
`;

/** Tombstones can be revived, accounts of nobody linked, names claimed, domains verified. */
export const reviveAndLinkAccounts = sqlMigration(19, 'revive-and-link-accounts', [GUARD, NAMES, DOMAINS]);
