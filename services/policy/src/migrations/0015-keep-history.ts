import { orgTable, sqlMigration } from '@sallyport/storage';

// What decided when. Written by the database as a transaction ends, so no code path can forget it: rows are kept as they
// were, from one moment until another. A moment is a transaction that changed any of them; it belongs to a revision of
// the grants and to a position of the subject log, whichever of the two moved.
const tables = `
  CREATE TABLE history_head (
    org_id uuid PRIMARY KEY,
    moment bigint NOT NULL,
    noted_at timestamptz NOT NULL,
    standing_position bigint NOT NULL,
    standing_generation bigint NOT NULL,
    -- The transaction that took the moment: all it changes changes at once.
    taken_by xid8 NOT NULL
  ) WITH (fillfactor = 10);

  CREATE TABLE history_moment (
    org_id uuid NOT NULL,
    moment bigint NOT NULL,
    -- Just before the commit; strictly growing within an organisation, whatever the clock does.
    noted_at timestamptz NOT NULL,
    grants_revision bigint NOT NULL,
    standing_position bigint NOT NULL,
    -- One more whenever positions begin anew (another log).
    standing_generation bigint NOT NULL,
    PRIMARY KEY (org_id, moment)
  );
  CREATE INDEX history_moment_noted_at ON history_moment (org_id, noted_at);
  CREATE INDEX history_moment_revision ON history_moment (org_id, grants_revision);

  CREATE TABLE history_row (
    org_id uuid NOT NULL,
    kind text NOT NULL
      CHECK (kind IN ('grant', 'project', 'environment', 'role', 'engine', 'standing')),
    row_key text NOT NULL,
    -- Inclusive.
    from_moment bigint NOT NULL,
    -- Exclusive; null: it is so now.
    until_moment bigint CHECK (until_moment > from_moment),
    -- Whom a grant is given to, to find the few that matter to somebody.
    subject_id text,
    content jsonb NOT NULL,
    PRIMARY KEY (org_id, kind, row_key, from_moment)
  );
  CREATE UNIQUE INDEX history_row_present ON history_row (org_id, kind, row_key) WHERE until_moment IS NULL;
  CREATE INDEX history_row_subject ON history_row (org_id, kind, subject_id);
`;

const moments = `
  CREATE FUNCTION take_history_moment(org uuid) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE
    head policy.history_head;
    grants bigint;
    standing bigint;
  BEGIN
    INSERT INTO policy.history_head (org_id, moment, noted_at, standing_position, standing_generation, taken_by)
      VALUES (org, 0, '-infinity', 0, 0, '0') ON CONFLICT DO NOTHING;
    -- Taken last and held until the commit: moments are in the order in which their transactions end.
    SELECT * INTO head FROM policy.history_head h WHERE h.org_id = org FOR UPDATE;
    IF head.taken_by = pg_current_xact_id() THEN RETURN head.moment; END IF;
    grants := coalesce((SELECT h.revision FROM policy.grants_head h WHERE h.org_id = org), 0);
    standing := coalesce((SELECT c.position FROM policy.standing_cursor c WHERE c.org_id = org), 0);
    head.moment := head.moment + 1;
    head.noted_at := greatest(clock_timestamp(), head.noted_at + interval '1 microsecond');
    IF standing < head.standing_position THEN head.standing_generation := head.standing_generation + 1; END IF;
    UPDATE policy.history_head h
       SET moment = head.moment, noted_at = head.noted_at, standing_position = standing,
           standing_generation = head.standing_generation, taken_by = pg_current_xact_id()
     WHERE h.org_id = org;
    INSERT INTO policy.history_moment
        (org_id, moment, noted_at, grants_revision, standing_position, standing_generation)
      VALUES (org, head.moment, head.noted_at, grants, standing, head.standing_generation);
    RETURN head.moment;
  END $$;
`;

// One function for every table: compares what is there at the end of the transaction with what was kept last. Rows that
// were taken away and put back unchanged (the copy of standing is at times written whole) leave no trace.
const rows = `
  CREATE FUNCTION history_content(a_kind text, an_org uuid, a_key text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
  BEGIN
    CASE a_kind
      WHEN 'grant' THEN
        RETURN (SELECT to_jsonb(t) FROM policy.role_grant t WHERE t.org_id = an_org AND t.grant_id = a_key::uuid);
      WHEN 'project' THEN
        RETURN (SELECT to_jsonb(t) - 'sequence' FROM policy.project_scope t
                 WHERE t.org_id = an_org AND t.project_id = a_key::uuid);
      WHEN 'environment' THEN
        RETURN (SELECT to_jsonb(t) - 'sequence' FROM policy.environment_scope t
                 WHERE t.org_id = an_org AND t.environment_id = a_key::uuid);
      WHEN 'role' THEN
        RETURN (SELECT to_jsonb(t) || jsonb_build_object('permissions',
                         (SELECT coalesce(jsonb_agg(jsonb_build_array(p.place, p.permission)
                                                    ORDER BY p.place, p.permission), '[]')
                            FROM policy.role_permission p WHERE p.org_id = an_org AND p.role_key = a_key))
                  FROM policy.role t WHERE t.org_id = an_org AND t.role_key = a_key);
      WHEN 'engine' THEN
        RETURN (SELECT to_jsonb(t) FROM policy.decision_engine t WHERE t.org_id = an_org);
      WHEN 'standing' THEN
        RETURN (SELECT to_jsonb(t) - 'position' FROM policy.standing_subject t
                 WHERE t.org_id = an_org AND t.subject_id = a_key);
    END CASE;
  END $$;

  CREATE FUNCTION keep_history_of(what text, org uuid, key text) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    present jsonb := policy.history_content(what, org, key);
    kept policy.history_row;
    now_moment bigint;
  BEGIN
    SELECT * INTO kept FROM policy.history_row h
      WHERE h.org_id = org AND h.kind = what AND h.row_key = key AND h.until_moment IS NULL;
    IF kept.content IS NOT DISTINCT FROM present THEN RETURN; END IF;
    now_moment := policy.take_history_moment(org);
    IF kept.from_moment = now_moment THEN
      DELETE FROM policy.history_row h
        WHERE h.org_id = org AND h.kind = what AND h.row_key = key AND h.from_moment = now_moment;
    ELSIF kept.from_moment IS NOT NULL THEN
      UPDATE policy.history_row h SET until_moment = now_moment
        WHERE h.org_id = org AND h.kind = what AND h.row_key = key AND h.until_moment IS NULL;
    END IF;
    IF present IS NOT NULL THEN
      INSERT INTO policy.history_row (org_id, kind, row_key, from_moment, subject_id, content)
        VALUES (org, what, key, now_moment, present ->> 'subject_id', present);
    END IF;
  END $$;

  CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    is_now jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
  BEGIN
    IF is_now IS NOT NULL THEN
      PERFORM policy.keep_history_of(TG_ARGV[0], (is_now ->> 'org_id')::uuid, is_now ->> TG_ARGV[1]);
    END IF;
    IF was IS NOT NULL AND (is_now IS NULL OR was ->> TG_ARGV[1] <> is_now ->> TG_ARGV[1]
                            OR was ->> 'org_id' <> is_now ->> 'org_id') THEN
      PERFORM policy.keep_history_of(TG_ARGV[0], (was ->> 'org_id')::uuid, was ->> TG_ARGV[1]);
    END IF;
    RETURN NULL;
  END $$;
`;

/** What is kept: the table, the kind of its rows and what tells them apart within an organisation. */
const KEPT: readonly (readonly [table: string, kind: string, key: string])[] = [
  ['role_grant', 'grant', 'grant_id'],
  ['project_scope', 'project', 'project_id'],
  ['environment_scope', 'environment', 'environment_id'],
  ['role', 'role', 'role_key'],
  ['role_permission', 'role', 'role_key'],
  ['decision_engine', 'engine', 'org_id'],
  ['standing_subject', 'standing', 'subject_id'],
];

const triggers = KEPT.map(
  ([table, kind, key]) => `
  CREATE CONSTRAINT TRIGGER keep_history AFTER INSERT OR UPDATE OR DELETE ON ${table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_history('${kind}', '${key}');`,
).join('');

// History begins with what is there now.
const seed = `
  SELECT set_config('sallyport.all_orgs', 'on', true);
  ${KEPT.filter(([table]) => table !== 'role_permission')
    .map(([table, kind, key]) => `SELECT policy.keep_history_of('${kind}', t.org_id, t.${key}::text) FROM ${table} t;`)
    .join('\n  ')}
  SELECT set_config('sallyport.all_orgs', 'off', true);
`;

// What the built-in roles meant is part of the program: each version notes its own, if they are not as noted last.
const builtIn = `
  CREATE TABLE history_built_in_roles (
    noted_at timestamptz PRIMARY KEY,
    roles jsonb NOT NULL
  );
  GRANT SELECT, INSERT, DELETE ON history_built_in_roles TO sallyport_policy;
`;

export const keepHistory = sqlMigration(15, 'keep-history', [
  tables,
  moments,
  rows,
  triggers,
  seed,
  builtIn,
  orgTable('policy', 'history_head', { privileges: ['SELECT', 'INSERT', 'UPDATE'] }),
  orgTable('policy', 'history_moment', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  orgTable('policy', 'history_row', { privileges: ['SELECT', 'INSERT', 'DELETE'] }),
  'GRANT UPDATE (until_moment) ON history_row TO sallyport_policy;',
]);
