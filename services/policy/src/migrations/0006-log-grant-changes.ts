import { orgTable, sqlMigration } from '@sallyport/storage';

// Which grants changed at which revision, so that a replica reads what is new instead of everything. Written by the
// database, when the transaction ends and its revision is known: no code path can forget it. Pruned as it grows; who is
// further behind reads the whole.
const log = `
  CREATE TABLE grant_change (
    org_id uuid NOT NULL REFERENCES organization,
    revision bigint NOT NULL,
    grant_id uuid NOT NULL,
    PRIMARY KEY (org_id, revision, grant_id)
  );

  CREATE FUNCTION note_grant_change() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    changed record := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    head bigint := (SELECT h.revision FROM policy.grants_head h WHERE h.org_id = changed.org_id);
  BEGIN
    INSERT INTO policy.grant_change (org_id, revision, grant_id)
      VALUES (changed.org_id, head, changed.grant_id) ON CONFLICT DO NOTHING;
    DELETE FROM policy.grant_change c WHERE c.org_id = changed.org_id AND c.revision < head - 1000;
    RETURN NULL;
  END $$;

  CREATE CONSTRAINT TRIGGER note_grant_change AFTER INSERT OR UPDATE OR DELETE ON role_grant
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_grant_change();
`;

export const logGrantChanges = sqlMigration(6, 'log-grant-changes', [
  log,
  orgTable('policy', 'grant_change', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
]);
