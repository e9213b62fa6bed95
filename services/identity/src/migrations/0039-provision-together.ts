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

// Whatever is planned while an organisation is small is kept while it grows, until the statistics are made anew: plans
// of these functions never read a whole table, and each name is looked up by itself, because of a list the planner may
// think that reading the whole organisation is cheaper.
const NAMES = `
  CREATE OR REPLACE FUNCTION claim_names(org uuid, own uuid, of_connection uuid, names text[])
    RETURNS TABLE (account_id uuid, name text) LANGUAGE plpgsql SET search_path = identity, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('sallyport.account-names', taken.bucket))
       FROM (SELECT DISTINCT hashtextextended(org::text || n, 0) & 1023 AS bucket FROM unnest(names) AS n
              ORDER BY bucket) AS taken;
    RETURN QUERY
      SELECT a.id, a.user_name_key FROM unnest(names) AS n
       CROSS JOIN LATERAL (SELECT * FROM account x
         WHERE x.org_id = org AND x.user_name_key = n AND x.status <> 'deleted' LIMIT 1) AS a
       WHERE a.id <> own AND a.connection_id IS DISTINCT FROM of_connection
      UNION
      SELECT a.id, e.email_key FROM unnest(names) AS n
       JOIN account_email e ON e.org_id = org AND e.email_key = n
       JOIN account a ON a.org_id = e.org_id AND a.id = e.account_id
       WHERE a.status <> 'deleted' AND a.id <> own AND a.connection_id IS DISTINCT FROM of_connection;
  END $$;
`;

// Whom people a directory announces are known by here: a living account by the user name, or by the identifier the
// connection's IdP gave it; a tombstone of the connection by that identifier, or by the user name when it had none.
const KNOWN = `
  CREATE FUNCTION known_people(org uuid, of_connection uuid, names text[], external_ids text[])
    RETURNS TABLE (name text, external_id text) LANGUAGE plpgsql STABLE SET search_path = identity, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
  BEGIN
    RETURN QUERY
      SELECT n, NULL::text FROM unnest(names) AS n
       WHERE EXISTS (SELECT FROM account x WHERE x.org_id = org AND x.user_name_key = n AND x.status <> 'deleted'
                     OFFSET 0)
          OR EXISTS (SELECT FROM account x WHERE x.org_id = org AND x.connection_id = of_connection
                        AND x.user_name_key = n AND x.external_id IS NULL AND x.status = 'deleted' OFFSET 0)
      UNION ALL
      SELECT NULL::text, e FROM unnest(external_ids) AS e
       WHERE EXISTS (SELECT FROM account x WHERE x.org_id = org AND x.connection_id = of_connection
                        AND x.external_id = e AND x.status <> 'deleted' OFFSET 0)
          OR EXISTS (SELECT FROM account x WHERE x.org_id = org AND x.connection_id = of_connection
                        AND x.external_id = e AND x.status = 'deleted' OFFSET 0);
  END $$;
  REVOKE ALL ON FUNCTION known_people FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION known_people TO sallyport_identity;

  ALTER FUNCTION append_subject_log SET enable_seqscan = off;
`;

/** What the creation of several accounts in one transaction needs. */
export const provisionTogether = sqlMigration(39, 'provision-together', [APPEND, NAMES, KNOWN]);
