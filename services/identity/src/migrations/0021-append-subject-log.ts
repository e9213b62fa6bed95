import { sqlMigration } from '@sallyport/storage';

// One round trip under the head's lock instead of four. The head is locked first; every statement of a function sees
// what was committed before it began, so the states are those at the positions taken.
const APPEND = `
  CREATE FUNCTION append_subject_log(p_org uuid, p_cause text, p_subjects uuid[], p_groups jsonb, p_request text)
    RETURNS bigint LANGUAGE plpgsql SET search_path = identity, pg_temp
    -- Planned once: a plan for each list costs more than the list.
    SET plan_cache_mode = force_generic_plan AS $$
  DECLARE
    v_page constant integer := 500;
    v_count integer := greatest(1, ceil(cardinality(p_subjects) / v_page::numeric),
                                ceil(jsonb_array_length(p_groups) / v_page::numeric));
    v_first bigint;
  BEGIN
    UPDATE subject_log_head SET position = position + v_count WHERE org_id = p_org
      RETURNING position - v_count + 1 INTO v_first;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the organisation has no subject log';
    END IF;
    INSERT INTO subject_log (org_id, position, cause, subjects, groups, request_id)
      SELECT p_org, v_first + page, p_cause,
             coalesce((
               SELECT jsonb_agg(jsonb_build_object(
                        'subjectId', a.id, 'type', a.kind, 'active', a.status = 'active', 'epoch', a.epoch::text,
                        'groupIds', coalesce((SELECT jsonb_agg(m.group_id ORDER BY m.group_id) FROM group_member m
                                               WHERE m.org_id = a.org_id AND m.account_id = a.id), '[]'),
                        'deleted', a.status = 'deleted', 'removedEpoch', a.removed_epoch::text) ORDER BY a.id)
                 FROM account a
                WHERE a.org_id = p_org AND a.id = ANY (p_subjects[page * v_page + 1 : (page + 1) * v_page])), '[]'),
             coalesce((
               SELECT jsonb_agg(g.state ORDER BY g.number)
                 FROM jsonb_array_elements(p_groups) WITH ORDINALITY AS g (state, number)
                WHERE g.number > page * v_page AND g.number <= (page + 1) * v_page), '[]'),
             p_request
        FROM generate_series(0, v_count - 1) AS page;
    PERFORM pg_notify('identity_subject_log', '');
    RETURN v_first + v_count - 1;
  END $$;
  REVOKE ALL ON FUNCTION append_subject_log FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION append_subject_log TO sallyport_identity;
`;

/** Appending to the subject log as one function. */
export const appendSubjectLog = sqlMigration(21, 'append-subject-log', APPEND);
