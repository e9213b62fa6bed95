import { sqlMigration } from '@sallyport/storage';

const snapshots = `
  CREATE FUNCTION definition_of(p_org uuid, p_flag uuid) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = flags, pg_temp AS $$
    SELECT v.definition FROM flag f JOIN flag_version v
        ON v.org_id = f.org_id AND v.flag_id = f.flag_id AND v.version = f.current_version
     WHERE f.org_id = p_org AND f.flag_id = p_flag AND f.deleted_at IS NULL
  $$;

  CREATE FUNCTION configuration_of(p_org uuid, p_flag uuid, p_environment uuid) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = flags, pg_temp AS $$
    SELECT v.configuration FROM flag_environment fe JOIN flag_environment_version v
        ON v.org_id = fe.org_id AND v.flag_id = fe.flag_id AND v.environment_id = fe.environment_id
       AND v.version = fe.current_version
     WHERE fe.org_id = p_org AND fe.flag_id = p_flag AND fe.environment_id = p_environment AND NOT fe.removed
  $$;
`;

// Inserting a version and moving its pointer is one act; nothing else does either.
const writers = `
  CREATE FUNCTION write_definition(p_org uuid, p_flag uuid, p_definition jsonb, p_change uuid, p_at timestamptz)
    RETURNS void LANGUAGE plpgsql SET search_path = flags, pg_temp AS $$
  DECLARE v_version integer;
  BEGIN
    UPDATE flag f SET current_version = f.current_version + 1 WHERE f.org_id = p_org AND f.flag_id = p_flag
      RETURNING f.current_version INTO STRICT v_version;
    INSERT INTO flag_version (org_id, flag_id, version, definition, content_hash, change_id, created_at)
      VALUES (p_org, p_flag, v_version, p_definition, sha256(convert_to(p_definition::text, 'UTF8')), p_change, p_at);
    -- What is served depends on the definition too.
    UPDATE flag_environment fe SET changed_in = e.version FROM environment e
     WHERE fe.org_id = p_org AND fe.flag_id = p_flag AND NOT fe.removed
       AND e.org_id = fe.org_id AND e.environment_id = fe.environment_id;
  END $$;

  CREATE FUNCTION write_configuration(p_org uuid, p_flag uuid, p_environment uuid, p_configuration jsonb,
                                      p_change uuid, p_at timestamptz)
    RETURNS void LANGUAGE plpgsql SET search_path = flags, pg_temp AS $$
  DECLARE v_version integer;
  BEGIN
    INSERT INTO flag_environment AS fe (org_id, flag_id, environment_id, current_version, changed_in)
      SELECT p_org, p_flag, p_environment, 1, e.version FROM environment e
       WHERE e.org_id = p_org AND e.environment_id = p_environment
      ON CONFLICT (org_id, flag_id, environment_id) DO UPDATE
        SET current_version = fe.current_version + 1, changed_in = excluded.changed_in, removed = false
      RETURNING fe.current_version INTO STRICT v_version;
    INSERT INTO flag_environment_version (org_id, flag_id, environment_id, version, configuration, content_hash,
                                          change_id, created_at)
      VALUES (p_org, p_flag, p_environment, v_version, p_configuration,
              sha256(convert_to(p_configuration::text, 'UTF8')), p_change, p_at);
  END $$;
`;

const operation = `
  -- Carries out one operation of a change set; answers what it was and what it became.
  CREATE FUNCTION apply_operation(p_org uuid, p_project uuid, p_operation jsonb, p_change uuid, p_at timestamptz)
    RETURNS jsonb LANGUAGE plpgsql SET search_path = flags, public, pg_temp AS $$
  DECLARE
    v_kind text := p_operation ->> 'kind';
    v_flag uuid := (p_operation ->> 'flagId')::uuid;
    v_environment uuid := (p_operation ->> 'environmentId')::uuid;
    v_before jsonb;
    v_after jsonb;
    v_new jsonb;
  BEGIN
    IF v_kind IN ('set-state', 'set-targeting') THEN
      v_before := configuration_of(p_org, v_flag, v_environment);
      IF v_before IS NULL THEN RAISE EXCEPTION 'the flag is not in the environment' USING ERRCODE = 'FLSTL'; END IF;
      v_after := v_before || CASE v_kind
        WHEN 'set-state' THEN jsonb_build_object('state', p_operation -> 'state')
        ELSE jsonb_build_object('rules', p_operation -> 'rules', 'defaultVariant', p_operation -> 'defaultVariant') END;
      PERFORM write_configuration(p_org, v_flag, v_environment, v_after, p_change, p_at);
      RETURN jsonb_build_object('before', v_before, 'after', v_after);
    END IF;

    v_before := definition_of(p_org, v_flag);
    IF v_kind = 'create-flag' THEN
      v_after := p_operation -> 'definition';
      INSERT INTO flag (org_id, flag_id, project_id, key, type, current_version, created_at)
        VALUES (p_org, v_flag, p_project, p_operation ->> 'flagKey', p_operation ->> 'type', 0, p_at);
      PERFORM write_definition(p_org, v_flag, v_after, p_change, p_at);
    ELSIF v_before IS NULL THEN
      RAISE EXCEPTION 'the flag does not exist' USING ERRCODE = 'FLSTL';
    END IF;
    IF v_kind IN ('create-flag', 'add-flag') THEN
      FOR v_new IN SELECT e FROM jsonb_array_elements(p_operation -> 'environments') AS e LOOP
        PERFORM write_configuration(p_org, v_flag, (v_new ->> 'environmentId')::uuid, v_new -> 'configuration',
                                    p_change, p_at);
      END LOOP;
      RETURN jsonb_build_object('before', v_before, 'after', coalesce(v_after, v_before));
    END IF;
    IF v_kind = 'delete-flag' THEN
      IF NOT (v_before ->> 'archived')::boolean THEN
        RAISE EXCEPTION 'a flag is archived before it is deleted' USING ERRCODE = 'FLSTL';
      END IF;
      UPDATE flag f SET deleted_at = p_at WHERE f.org_id = p_org AND f.flag_id = v_flag;
      UPDATE flag_environment fe SET removed = true, changed_in = e.version FROM environment e
       WHERE fe.org_id = p_org AND fe.flag_id = v_flag AND NOT fe.removed
         AND e.org_id = fe.org_id AND e.environment_id = fe.environment_id;
      RETURN jsonb_build_object('before', v_before, 'after', NULL);
    END IF;
    v_after := CASE v_kind
      WHEN 'edit-flag' THEN p_operation -> 'definition'
      WHEN 'archive-flag' THEN v_before || '{"archived": true}'::jsonb
      WHEN 'restore-flag' THEN v_before || '{"archived": false}'::jsonb END;
    IF v_after IS NULL THEN RAISE EXCEPTION 'unknown operation %', v_kind USING ERRCODE = '22023'; END IF;
    PERFORM write_definition(p_org, v_flag, v_after, p_change, p_at);
    RETURN jsonb_build_object('before', v_before, 'after', v_after);
  END $$;
`;

const verification = `
  -- Refuses a change set whose ground has moved: other touched environments or approval rules than were reviewed, or
  -- any touched flag in another version. The caller holds the locks.
  CREATE FUNCTION verify_base(p_org uuid, p_content jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = flags, public, pg_temp AS $$
  BEGIN
    IF EXISTS (
      SELECT FROM (SELECT e.environment_id, e.rule_version FROM touched_environments(p_org, p_content) t
                     LEFT JOIN environment e ON e.org_id = p_org AND e.environment_id = t.environment_id) live
        FULL JOIN (SELECT (e ->> 'environmentId')::uuid AS environment_id, (e ->> 'ruleVersion')::integer AS rule_version
                     FROM jsonb_array_elements(p_content -> 'environments') AS e) reviewed
          ON reviewed.environment_id = live.environment_id AND reviewed.rule_version = live.rule_version
       WHERE live.environment_id IS NULL OR reviewed.environment_id IS NULL) THEN
      RAISE EXCEPTION 'the touched environments or their approval rules have changed' USING ERRCODE = 'FLSTL';
    END IF;
    IF EXISTS (
      SELECT FROM jsonb_array_elements(p_content -> 'base') AS b
        LEFT JOIN flag f ON f.org_id = p_org AND f.flag_id = (b ->> 'flagId')::uuid AND f.deleted_at IS NULL
       WHERE coalesce(f.current_version, 0) <> (b ->> 'version')::integer) THEN
      RAISE EXCEPTION 'a flag was edited meanwhile' USING ERRCODE = 'FLSTL';
    END IF;
    IF EXISTS (
      SELECT FROM jsonb_array_elements(p_content -> 'base') AS b
        CROSS JOIN LATERAL jsonb_array_elements(b -> 'environments') AS e
        LEFT JOIN flag_environment fe ON fe.org_id = p_org AND fe.flag_id = (b ->> 'flagId')::uuid
              AND fe.environment_id = (e ->> 'environmentId')::uuid AND NOT fe.removed
       WHERE coalesce(fe.current_version, 0) <> (e ->> 'version')::integer) THEN
      RAISE EXCEPTION 'a flag was changed in an environment meanwhile' USING ERRCODE = 'FLSTL';
    END IF;
    -- Every flag an operation names must have a base, or its version would go unchecked.
    IF EXISTS (
      SELECT FROM jsonb_array_elements(p_content -> 'changes') AS c
       WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(p_content -> 'base') AS b
                          WHERE b ->> 'flagId' = c ->> 'flagId'
                            AND (c ->> 'environmentId' IS NULL OR b -> 'environments' @> jsonb_build_array(
                                  jsonb_build_object('environmentId', c ->> 'environmentId'))))) THEN
      RAISE EXCEPTION 'an operation has no base version' USING ERRCODE = '22023';
    END IF;
    -- Ids of the content must belong to its project; row-level security already keeps them in the organisation.
    IF EXISTS (SELECT FROM touched_environments(p_org, p_content) t
                 JOIN environment e ON e.org_id = p_org AND e.environment_id = t.environment_id
                WHERE e.project_id <> (p_content ->> 'project')::uuid)
       OR EXISTS (SELECT FROM jsonb_array_elements(p_content -> 'base') AS b
                    JOIN flag f ON f.org_id = p_org AND f.flag_id = (b ->> 'flagId')::uuid
                   WHERE f.project_id <> (p_content ->> 'project')::uuid) THEN
      RAISE EXCEPTION 'the change set reaches into another project' USING ERRCODE = '22023';
    END IF;
  END $$;
`;

const apply = `
  -- The only way flag state changes. One transaction: lock, compare the base, count the approvals, write, bump.
  -- What is written is read from the stored revision, so it is exactly what was reviewed.
  CREATE FUNCTION apply_change(p_org uuid, p_change uuid, p_hash bytea, p_applier uuid, p_confirmed jsonb,
                               p_at timestamptz)
    RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = flags, public, pg_temp AS $$
  DECLARE
    v_change change_request;
    v_revision change_revision;
    v_content jsonb;
    v_operation jsonb;
    v_results jsonb := '[]';
    v_touched record;
  BEGIN
    IF p_org IS DISTINCT FROM sallyport_org() THEN
      RAISE EXCEPTION 'another organisation' USING ERRCODE = '42501';
    END IF;
    SELECT * INTO v_change FROM change_request c WHERE c.org_id = p_org AND c.change_id = p_change FOR UPDATE;
    IF NOT FOUND THEN RAISE EXCEPTION 'no such change request' USING ERRCODE = 'FLNOF'; END IF;
    IF v_change.state NOT IN ('in_review', 'approved') THEN
      RAISE EXCEPTION 'the change request is %', v_change.state USING ERRCODE = 'FLSTA';
    END IF;
    SELECT * INTO v_revision FROM change_revision v
      WHERE v.org_id = p_org AND v.change_id = p_change AND v.revision = v_change.revision;
    IF v_revision.content_hash IS DISTINCT FROM p_hash THEN
      RAISE EXCEPTION 'the change request has another revision' USING ERRCODE = 'FLHSH';
    END IF;
    v_content := convert_from(v_revision.content, 'UTF8')::jsonb;
    IF v_content ->> 'organization' IS DISTINCT FROM p_org::text
       OR v_content ->> 'project' IS DISTINCT FROM v_change.project_id::text
       OR v_content -> 'schedule' IS DISTINCT FROM 'null'::jsonb THEN
      RAISE EXCEPTION 'the content does not belong to this change request' USING ERRCODE = '22023';
    END IF;

    -- Locks in one order for everybody: flags, then environments, each by id.
    PERFORM FROM flag f WHERE f.org_id = p_org AND f.flag_id IN (
      SELECT (c ->> 'flagId')::uuid FROM jsonb_array_elements(v_content -> 'changes') AS c)
      ORDER BY f.flag_id FOR UPDATE;
    PERFORM FROM environment e WHERE e.org_id = p_org AND e.environment_id IN (
      SELECT t.environment_id FROM touched_environments(p_org, v_content) t)
      ORDER BY e.environment_id FOR UPDATE;
    PERFORM verify_base(p_org, v_content);

    IF standing_objections(p_org, p_change) > 0 THEN
      RAISE EXCEPTION 'a reviewer objects' USING ERRCODE = 'FLOBJ';
    END IF;
    IF EXISTS (SELECT FROM approval_counts(p_org, p_change, p_confirmed) a WHERE a.counted < a.required) THEN
      RAISE EXCEPTION 'approvals are missing' USING ERRCODE = 'FLAPR';
    END IF;

    UPDATE environment e SET version = e.version + 1 WHERE e.org_id = p_org AND e.environment_id IN (
      SELECT t.environment_id FROM touched_environments(p_org, v_content) t);
    FOR v_touched IN SELECT e.environment_id, e.version FROM environment e
        WHERE e.org_id = p_org AND e.environment_id IN (
          SELECT t.environment_id FROM touched_environments(p_org, v_content) t) LOOP
      PERFORM pg_notify('flags_environment', v_touched.environment_id || ' ' || v_touched.version);
    END LOOP;
    FOR v_operation IN SELECT c FROM jsonb_array_elements(v_content -> 'changes') AS c LOOP
      v_results := v_results || apply_operation(p_org, v_change.project_id, v_operation, p_change, p_at);
    END LOOP;
    UPDATE change_request c SET state = 'applied', applied_at = p_at, applied_by = p_applier, updated_at = p_at
      WHERE c.org_id = p_org AND c.change_id = p_change;
    RETURN v_results;
  END $$;
  REVOKE ALL ON FUNCTION apply_change FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION apply_change TO sallyport_flags;
`;

// Written by nobody but apply_change; a direct call would run with the rights of the service, which has none here.
const inner = ['write_definition', 'write_configuration', 'apply_operation', 'verify_base']
  .map((name) => `REVOKE ALL ON FUNCTION ${name} FROM PUBLIC;`)
  .join('\n');

export const createApplyFunction = sqlMigration(5, 'create-apply-function', [
  snapshots,
  writers,
  operation,
  verification,
  apply,
  inner,
]);
