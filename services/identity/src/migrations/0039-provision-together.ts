import { sqlMigration } from '@sallyport/storage';

// For people who come into being side by side, each in a request of their own: one entry each, the head locked once.
const APPEND = `
  CREATE FUNCTION append_subject_log_each(p_org uuid, p_cause text, p_subjects uuid[], p_requests text[])
    RETURNS void LANGUAGE plpgsql SET search_path = identity, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off AS $$
  DECLARE
    v_first bigint;
  BEGIN
    UPDATE subject_log_head SET position = position + cardinality(p_subjects) WHERE org_id = p_org
      RETURNING position - cardinality(p_subjects) + 1 INTO v_first;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the organisation has no subject log';
    END IF;
    INSERT INTO subject_log (org_id, position, cause, subjects, groups, request_id)
      SELECT p_org, v_first + given.number - 1, p_cause,
             coalesce((
               SELECT jsonb_agg(jsonb_build_object(
                        'subjectId', a.id, 'type', a.kind, 'active', a.status = 'active', 'epoch', a.epoch::text,
                        'groupIds', coalesce((SELECT jsonb_agg(m.group_id ORDER BY m.group_id) FROM group_member m
                                               WHERE m.org_id = a.org_id AND m.account_id = a.id), '[]'),
                        'deleted', a.status = 'deleted', 'removedEpoch', a.removed_epoch::text))
                 FROM account a WHERE a.org_id = p_org AND a.id = given.subject), '[]'),
             '[]', given.request
        FROM unnest(p_subjects, p_requests) WITH ORDINALITY AS given (subject, request, number);
    PERFORM pg_notify('identity_subject_log', '');
  END $$;
  REVOKE ALL ON FUNCTION append_subject_log_each FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION append_subject_log_each TO sallyport_identity;
`;

// Who else goes by one of these names. A plan made while an organisation is small is kept while it grows, until the
// statistics are made anew, and may read all of it each time: this is planned by the sizes of the moment.
const HOLDERS = `$q$
  SELECT a.id, a.user_name_key FROM account a
   WHERE a.org_id = $1 AND a.user_name_key = ANY ($3) AND a.status <> 'deleted' AND a.connection_id IS DISTINCT FROM $2
  UNION
  SELECT a.id, e.email_key FROM account_email e JOIN account a ON a.org_id = e.org_id AND a.id = e.account_id
   WHERE e.org_id = $1 AND e.email_key = ANY ($3) AND a.status <> 'deleted' AND a.connection_id IS DISTINCT FROM $2
$q$`;

const NAMES = `
  CREATE OR REPLACE FUNCTION claim_names(org uuid, own uuid, of_connection uuid, names text[])
    RETURNS TABLE (account_id uuid, name text) LANGUAGE plpgsql SET search_path = identity, pg_temp AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('sallyport.account-names', taken.bucket))
       FROM (SELECT DISTINCT hashtextextended(org::text || n, 0) & 1023 AS bucket FROM unnest(names) AS n
              ORDER BY bucket) AS taken;
    RETURN QUERY EXECUTE 'SELECT * FROM (' || ${HOLDERS} || ') AS holder (id, name) WHERE id <> $4'
      USING org, of_connection, names, own;
  END $$;
`;

// Of the people a directory announces, makes those nobody here answers to: no living account by the user name, or by
// the identifier the connection's IdP gave (the unique indexes say so); no tombstone of the connection by that
// identifier, or by the user name when there is none; nobody of another connection by any name. It claims the names
// first. What comes of all the others is for the service to say.
const CREATE = `
  CREATE FUNCTION create_newcomers(p_org uuid, p_connection uuid, p_at timestamptz, p_people json)
    RETURNS SETOF account LANGUAGE plpgsql SET search_path = identity, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
  DECLARE
    v_held text[];
  BEGIN
    PERFORM FROM connection c
      WHERE c.org_id = p_org AND c.id = p_connection AND c.enabled AND c.deleted_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the connection is disabled' USING ERRCODE = 'SPCON';
    END IF;
    v_held := ARRAY(SELECT c.name FROM claim_names(p_org, '00000000-0000-0000-0000-000000000000', p_connection,
      ARRAY(SELECT DISTINCT n FROM json_to_recordset(p_people) AS g (names text[]), unnest(g.names) AS n)) AS c);
    RETURN QUERY
      WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(p_people)
          AS g (id uuid, status text, directory_active boolean, external_id text, user_name text, user_name_key text,
                display_name text, display_name_key text, profile jsonb, search_document jsonb, email_keys text[],
                names text[])),
      made AS (
        INSERT INTO account (org_id, id, kind, status, directory_active, admin_hold, connection_hold, break_glass,
            connection_id, external_id, user_name, user_name_key, display_name, profile, created_at, updated_at,
            display_name_key, search_document)
          SELECT p_org, g.id, 'user', g.status, g.directory_active, false, false, false, p_connection, g.external_id,
                 g.user_name, g.user_name_key, g.display_name, g.profile, p_at, p_at, g.display_name_key,
                 g.search_document
            FROM given g
           WHERE NOT g.names && v_held
             AND NOT EXISTS (SELECT FROM account x WHERE x.org_id = p_org AND x.connection_id = p_connection
                                AND x.external_id = g.external_id AND x.status = 'deleted' OFFSET 0)
             AND (g.external_id IS NOT NULL OR NOT EXISTS (
                   SELECT FROM account x WHERE x.org_id = p_org AND x.connection_id = p_connection
                      AND x.user_name_key = g.user_name_key AND x.external_id IS NULL AND x.status = 'deleted'
                   OFFSET 0))
          ON CONFLICT DO NOTHING
          RETURNING *),
      addressed AS (
        INSERT INTO account_email (org_id, account_id, email_key)
          SELECT DISTINCT p_org, made.id, key FROM made JOIN given USING (id), unnest(given.email_keys) AS key)
      SELECT * FROM made;
  END $$;
  REVOKE ALL ON FUNCTION create_newcomers FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION create_newcomers TO sallyport_identity;

  ALTER FUNCTION append_subject_log SET enable_seqscan = off;
`;

/** What the creation of several accounts in one transaction needs. */
export const provisionTogether = sqlMigration(39, 'provision-together', [APPEND, NAMES, CREATE]);
