import { orgTable, serviceRole, sqlMigration, type Migration } from '@sallyport/storage';

const tables = (schema: string): string => `
  -- The counter row is updated by every append: room on its page keeps the updates heap-only.
  CREATE TABLE ${schema}.audit_head (
    org_id uuid PRIMARY KEY,
    origin text NOT NULL,
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0)
  ) WITH (fillfactor = 10);

  CREATE TABLE ${schema}.audit_entry (
    org_id uuid NOT NULL REFERENCES ${schema}.audit_head,
    idx bigint NOT NULL CHECK (idx >= 0),
    leaf bytea NOT NULL,
    leaf_hash bytea NOT NULL GENERATED ALWAYS AS (sha256('\\x00'::bytea || leaf)) STORED,
    -- Copies for queries; the leaf is the truth.
    entry_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    actor_type text NOT NULL,
    actor_id text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    request_id text NOT NULL,
    PRIMARY KEY (org_id, idx)
  );
  CREATE INDEX audit_entry_target ON ${schema}.audit_entry (org_id, target_type, target_id, idx);
  CREATE INDEX audit_entry_actor ON ${schema}.audit_entry (org_id, actor_id, idx);
  CREATE INDEX audit_entry_action ON ${schema}.audit_entry (org_id, action, idx);

  CREATE TABLE ${schema}.audit_opening (
    org_id uuid NOT NULL,
    idx bigint NOT NULL,
    number integer NOT NULL,
    subject_id text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (org_id, idx, number),
    FOREIGN KEY (org_id, idx) REFERENCES ${schema}.audit_entry
  );
  CREATE INDEX audit_opening_subject ON ${schema}.audit_opening (org_id, subject_id);

  CREATE TABLE ${schema}.audit_attachment (
    org_id uuid NOT NULL,
    idx bigint NOT NULL,
    name text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (org_id, idx, name),
    FOREIGN KEY (org_id, idx) REFERENCES ${schema}.audit_entry
  );

  CREATE TABLE ${schema}.subject_key (
    org_id uuid NOT NULL,
    subject_id text NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (org_id, subject_id)
  );
`;

const appendFunction = (schema: string): string => `
  CREATE FUNCTION ${schema}.append_audit(p_org uuid, p_body bytea, p_openings jsonb, p_attachments jsonb)
    RETURNS TABLE (origin text, idx bigint, leaf_hash bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
  DECLARE
    -- json, not jsonb: a leaf may hold an escaped NUL, which jsonb refuses.
    v_body json := convert_from(p_body, 'UTF8')::json;
    v_origin text;
    v_idx bigint;
    v_hash bytea;
  BEGIN
    IF v_body ->> 'org' IS DISTINCT FROM p_org::text THEN
      RAISE EXCEPTION 'the entry names another organisation';
    END IF;
    UPDATE audit_head h SET size = h.size + 1 WHERE h.org_id = p_org
      RETURNING h.origin, h.size - 1 INTO v_origin, v_idx;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the organisation has no audit log';
    END IF;
    INSERT INTO audit_entry (org_id, idx, leaf, entry_id, occurred_at, action, outcome, actor_type, actor_id,
                             target_type, target_id, request_id)
      VALUES (p_org, v_idx, convert_to('v1' || E'\\n' || v_origin || E'\\n' || v_idx || E'\\n', 'UTF8') || p_body,
              (v_body ->> 'id')::uuid, (v_body ->> 'occurred_at')::timestamptz, v_body ->> 'action',
              v_body ->> 'outcome', v_body #>> '{actor,type}', v_body #>> '{actor,id}', v_body #>> '{target,type}',
              v_body #>> '{target,id}', v_body ->> 'request_id')
      RETURNING audit_entry.leaf_hash INTO v_hash;
    IF p_openings IS NOT NULL THEN
      INSERT INTO audit_opening (org_id, idx, number, subject_id, sealed)
        SELECT p_org, v_idx, (o ->> 'number')::integer, o ->> 'subject', decode(o ->> 'sealed', 'base64')
          FROM jsonb_array_elements(p_openings) AS o;
    END IF;
    IF p_attachments IS NOT NULL THEN
      INSERT INTO audit_attachment (org_id, idx, name, body)
        SELECT p_org, v_idx, a ->> 'name', decode(a ->> 'body', 'base64') FROM jsonb_array_elements(p_attachments) AS a;
    END IF;
    RETURN QUERY SELECT v_origin, v_idx, v_hash;
  END $$;
  REVOKE ALL ON FUNCTION ${schema}.append_audit FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION ${schema}.append_audit TO ${serviceRole(schema)};

  CREATE FUNCTION ${schema}.create_audit_log(p_org uuid, p_origin text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
    INSERT INTO audit_head (org_id, origin) VALUES (p_org, p_origin) ON CONFLICT (org_id) DO NOTHING
  $$;
  REVOKE ALL ON FUNCTION ${schema}.create_audit_log FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION ${schema}.create_audit_log TO ${serviceRole(schema)};
`;

const appendOnly = (schema: string): string => `
  CREATE FUNCTION ${schema}.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = '42501';
  END $$;
  CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON ${schema}.audit_entry
    FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse_audit_change();
  CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON ${schema}.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse_audit_change();
  CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON ${schema}.audit_head
    FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse_audit_change();
  CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON ${schema}.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse_audit_change();
  CREATE FUNCTION ${schema}.only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.size <> OLD.size + 1 OR NEW.origin <> OLD.origin OR NEW.org_id <> OLD.org_id THEN
      RAISE EXCEPTION 'the audit log only grows, by one' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER audit_head_only_grows BEFORE UPDATE ON ${schema}.audit_head
    FOR EACH ROW EXECUTE FUNCTION ${schema}.only_grow();
`;

const security = (schema: string): string =>
  [
    orgTable(schema, 'audit_head', { privileges: ['SELECT'] }),
    orgTable(schema, 'audit_entry', { privileges: ['SELECT'] }),
    orgTable(schema, 'audit_opening', { privileges: ['SELECT'] }),
    orgTable(schema, 'audit_attachment', { privileges: ['SELECT'] }),
    orgTable(schema, 'subject_key', { privileges: ['SELECT', 'INSERT'] }),
  ].join('\n');

// The body is parsed once, not once per column. The foreign keys checked what the function does anyway: it alone writes
// these rows, only under a head it has just updated, and neither heads nor entries can be deleted. They were a quarter
// of an append, and once more for every sealed value.
const fasterAppend = (schema: string): string => `
  ALTER TABLE ${schema}.audit_entry DROP CONSTRAINT audit_entry_org_id_fkey;
  ALTER TABLE ${schema}.audit_opening DROP CONSTRAINT audit_opening_org_id_idx_fkey;
  ALTER TABLE ${schema}.audit_attachment DROP CONSTRAINT audit_attachment_org_id_idx_fkey;
  CREATE OR REPLACE FUNCTION ${schema}.append_audit(p_org uuid, p_body bytea, p_openings jsonb, p_attachments jsonb)
    RETURNS TABLE (origin text, idx bigint, leaf_hash bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$
  DECLARE
    v_entry record;
    v_origin text;
    v_idx bigint;
    v_hash bytea;
  BEGIN
    SELECT * INTO STRICT v_entry FROM json_to_record(convert_from(p_body, 'UTF8')::json)
      AS e (org text, id uuid, occurred_at timestamptz, action text, outcome text, actor json, target json,
            request_id text);
    IF v_entry.org IS DISTINCT FROM p_org::text THEN
      RAISE EXCEPTION 'the entry names another organisation';
    END IF;
    UPDATE audit_head h SET size = h.size + 1 WHERE h.org_id = p_org
      RETURNING h.origin, h.size - 1 INTO v_origin, v_idx;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the organisation has no audit log';
    END IF;
    INSERT INTO audit_entry (org_id, idx, leaf, entry_id, occurred_at, action, outcome, actor_type, actor_id,
                             target_type, target_id, request_id)
      VALUES (p_org, v_idx, convert_to('v1' || E'\\n' || v_origin || E'\\n' || v_idx || E'\\n', 'UTF8') || p_body,
              v_entry.id, v_entry.occurred_at, v_entry.action, v_entry.outcome, v_entry.actor ->> 'type',
              v_entry.actor ->> 'id', v_entry.target ->> 'type', v_entry.target ->> 'id', v_entry.request_id)
      RETURNING audit_entry.leaf_hash INTO v_hash;
    IF p_openings IS NOT NULL THEN
      INSERT INTO audit_opening (org_id, idx, number, subject_id, sealed)
        SELECT p_org, v_idx, (o ->> 'number')::integer, o ->> 'subject', decode(o ->> 'sealed', 'base64')
          FROM jsonb_array_elements(p_openings) AS o;
    END IF;
    IF p_attachments IS NOT NULL THEN
      INSERT INTO audit_attachment (org_id, idx, name, body)
        SELECT p_org, v_idx, a ->> 'name', decode(a ->> 'body', 'base64') FROM jsonb_array_elements(p_attachments) AS a;
    END IF;
    RETURN QUERY SELECT v_origin, v_idx, v_hash;
  END $$;
`;

// As many entries as a transaction has, under one update of the head. Every entry is checked and placed by the one
// statement that writes it; what it is not given a place for is not written, and the count says so.
const appendTogether = (schema: string): string => `
  CREATE OR REPLACE FUNCTION ${schema}.only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.size <= OLD.size OR NEW.origin <> OLD.origin OR NEW.org_id <> OLD.org_id THEN
      RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
  END $$;
  CREATE FUNCTION ${schema}.append_audit_entries(
      p_org uuid, p_bodies bytea[],
      p_opening_entries integer[], p_opening_numbers integer[], p_opening_subjects text[], p_opening_sealed bytea[],
      p_attachment_entries integer[], p_attachment_names text[], p_attachment_bodies bytea[])
    RETURNS TABLE (origin text, idx bigint, leaf_hash bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp
    SET plan_cache_mode = force_generic_plan AS $$
  DECLARE
    v_origin text;
    v_first bigint;
    v_written integer;
  BEGIN
    UPDATE audit_head h SET size = h.size + cardinality(p_bodies) WHERE h.org_id = p_org
      RETURNING h.origin, h.size - cardinality(p_bodies) INTO v_origin, v_first;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the organisation has no audit log';
    END IF;
    RETURN QUERY
      INSERT INTO audit_entry AS written (org_id, idx, leaf, entry_id, occurred_at, action, outcome, actor_type,
                                          actor_id, target_type, target_id, request_id)
        SELECT p_org, v_first + b.number - 1,
               convert_to('v1' || E'\\n' || v_origin || E'\\n' || (v_first + b.number - 1) || E'\\n', 'UTF8') || b.body,
               e.id, e.occurred_at, e.action, e.outcome, e.actor ->> 'type', e.actor ->> 'id', e.target ->> 'type',
               e.target ->> 'id', e.request_id
          FROM unnest(p_bodies) WITH ORDINALITY AS b (body, number)
          -- json, not jsonb: a leaf may hold an escaped NUL, which jsonb refuses.
          CROSS JOIN LATERAL json_to_record(convert_from(b.body, 'UTF8')::json)
            AS e (org text, id uuid, occurred_at timestamptz, action text, outcome text, actor json, target json,
                  request_id text)
         WHERE e.org = p_org::text
        RETURNING v_origin, written.idx, written.leaf_hash;
    GET DIAGNOSTICS v_written = ROW_COUNT;
    IF v_written <> cardinality(p_bodies) THEN
      RAISE EXCEPTION 'an entry names another organisation';
    END IF;
    IF cardinality(p_opening_entries) > 0 THEN
      INSERT INTO audit_opening (org_id, idx, number, subject_id, sealed)
        SELECT p_org, v_first + o.entry, o.number, o.subject, o.sealed
          FROM unnest(p_opening_entries, p_opening_numbers, p_opening_subjects, p_opening_sealed)
            AS o (entry, number, subject, sealed);
    END IF;
    IF cardinality(p_attachment_entries) > 0 THEN
      INSERT INTO audit_attachment (org_id, idx, name, body)
        SELECT p_org, v_first + a.entry, a.name, a.body
          FROM unnest(p_attachment_entries, p_attachment_names, p_attachment_bodies) AS a (entry, name, body);
    END IF;
  END $$;
  REVOKE ALL ON FUNCTION ${schema}.append_audit_entries FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION ${schema}.append_audit_entries TO ${serviceRole(schema)};
`;

/**
 * The migrations of an audit log, to stand first in a service's list. The service role may read the log and append
 * through one function; it holds no UPDATE, DELETE or TRUNCATE, and triggers refuse them to the owner as well.
 */
export const auditMigrations = (schema: string): Migration[] => [
  sqlMigration(1, 'create-audit-log', [tables(schema), appendFunction(schema), appendOnly(schema), security(schema)]),
];

/** A later step of the same log, under the next free number of the service that keeps it. */
export const auditAppendMigration = (schema: string, number: number): Migration =>
  sqlMigration(number, 'append-audit-faster', fasterAppend(schema));

/** The step after {@link auditAppendMigration}; the function of one entry stays for processes of the version before. */
export const auditAppendTogetherMigration = (schema: string, number: number): Migration =>
  sqlMigration(number, 'append-audit-together', appendTogether(schema));
