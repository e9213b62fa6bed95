import { orgTable, sqlMigration } from '@sallyport/storage';

// A change of grants, mappings or protections that waits for others to agree. An edit is a new revision with another
// hash; approvals name the hash they are for, so no approval outlives an edit.
const tables = `
  CREATE TABLE proposal (
    org_id uuid NOT NULL REFERENCES organization,
    proposal_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision > 0),
    content text NOT NULL,
    content_hash text NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    proposer_type text NOT NULL CHECK (proposer_type IN ('user', 'service_account')),
    proposer_id uuid NOT NULL,
    -- The security epoch they proposed in, and what their credential was limited to.
    proposer_epoch bigint NOT NULL,
    proposer_scopes text[] NOT NULL,
    -- The people behind a machine that proposes.
    sponsor_ids uuid[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('in_review', 'applied', 'rejected', 'cancelled')),
    closed_at timestamptz,
    closed_by text,
    result_id uuid,
    PRIMARY KEY (org_id, proposal_id),
    CHECK ((state = 'in_review') = (closed_at IS NULL)),
    CHECK ((state = 'applied') = (result_id IS NOT NULL))
  );

  CREATE FUNCTION proposal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF OLD.state <> 'in_review' THEN RAISE EXCEPTION 'a proposal is closed once'; END IF;
    IF NEW.content_hash <> OLD.content_hash AND NEW.revision <> OLD.revision + 1
      THEN RAISE EXCEPTION 'another content is another revision'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER proposal_guard BEFORE UPDATE ON proposal FOR EACH ROW EXECUTE FUNCTION proposal_guard();

  CREATE TABLE proposal_approval (
    org_id uuid NOT NULL REFERENCES organization,
    proposal_id uuid NOT NULL,
    content_hash text NOT NULL,
    approver_id uuid NOT NULL,
    approver_epoch bigint NOT NULL,
    approver_scopes text[] NOT NULL,
    comment text CHECK (length(comment) <= 2000),
    created_at timestamptz NOT NULL,
    CONSTRAINT proposal_approved_once PRIMARY KEY (org_id, proposal_id, content_hash, approver_id),
    FOREIGN KEY (org_id, proposal_id) REFERENCES proposal
  );

  CREATE FUNCTION proposal_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NOT EXISTS (
      SELECT FROM policy.proposal p WHERE p.org_id = NEW.org_id AND p.proposal_id = NEW.proposal_id
         AND p.state = 'in_review' AND p.content_hash = NEW.content_hash
         AND p.proposer_id <> NEW.approver_id AND NOT NEW.approver_id = ANY (p.sponsor_ids)
    ) THEN RAISE EXCEPTION 'an approval is for what is in review, and of somebody else'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER proposal_approval_guard BEFORE INSERT ON proposal_approval
    FOR EACH ROW EXECUTE FUNCTION proposal_approval_guard();
`;

export const createProposal = sqlMigration(14, 'create-proposal', [
  tables,
  orgTable('policy', 'proposal', { privileges: ['SELECT', 'INSERT'] }),
  `GRANT UPDATE (revision, content, content_hash, reason, proposer_epoch, proposer_scopes, sponsor_ids, updated_at,
                 expires_at, state, closed_at, closed_by, result_id) ON proposal TO sallyport_policy;`,
  orgTable('policy', 'proposal_approval', { privileges: ['SELECT', 'INSERT'] }),
]);
