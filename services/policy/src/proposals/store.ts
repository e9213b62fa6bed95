import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { GrantScope } from '../grants/index.ts';
import { changeText, readChange, type Proposal, type ProposalApproval, type ProposalState } from './proposal.ts';

interface ProposalRow {
  readonly proposal_id: string;
  readonly revision: number;
  readonly content: string;
  readonly project_id: string | null;
  readonly environment_id: string | null;
  readonly content_hash: string;
  readonly reason: string;
  readonly proposer_type: 'user' | 'service_account';
  readonly proposer_id: string;
  readonly proposer_epoch: string;
  readonly proposer_scopes: readonly string[];
  readonly sponsor_ids: readonly string[];
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly expires_at: Date;
  readonly state: ProposalState;
  readonly closed_at: Date | null;
  readonly closed_by: string | null;
  readonly result_id: string | null;
}

interface ApprovalRow {
  readonly proposal_id: string;
  readonly content_hash: string;
  readonly approver_id: string;
  readonly approver_epoch: string;
  readonly approver_scopes: readonly string[];
  readonly comment: string | null;
  readonly created_at: Date;
}

const toApproval = (row: ApprovalRow): ProposalApproval => ({
  approver: { type: 'user', id: row.approver_id, epoch: BigInt(row.approver_epoch), scopes: row.approver_scopes },
  comment: row.comment,
  createdAt: row.created_at,
});

const toProposal = (row: ProposalRow, approvals: readonly ApprovalRow[]): Proposal => ({
  proposalId: row.proposal_id,
  revision: row.revision,
  change: readChange(row.content),
  scope: { projectId: row.project_id, environmentId: row.environment_id },
  hash: row.content_hash,
  reason: row.reason,
  proposer: {
    type: row.proposer_type,
    id: row.proposer_id,
    epoch: BigInt(row.proposer_epoch),
    scopes: row.proposer_scopes,
  },
  sponsorIds: row.sponsor_ids,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  expiresAt: row.expires_at,
  state: row.state,
  closedAt: row.closed_at,
  closedBy: row.closed_by,
  resultId: row.result_id,
  approvals: approvals
    .filter((each) => each.proposal_id === row.proposal_id && each.content_hash === row.content_hash)
    .map(toApproval),
});

const withApprovals = async (tx: ReadTx, orgId: string, rows: readonly ProposalRow[]): Promise<readonly Proposal[]> => {
  if (rows.length === 0) return [];
  const approvals = await tx.query<ApprovalRow>(
    'SELECT * FROM proposal_approval WHERE org_id = $1 AND proposal_id = ANY ($2) ORDER BY created_at, approver_id',
    [orgId, rows.map((row) => row.proposal_id)],
  );
  return rows.map((row) => toProposal(row, approvals));
};

export const findProposal = async (tx: ReadTx, orgId: string, proposalId: string): Promise<Proposal | undefined> => {
  const rows = await tx.query<ProposalRow>('SELECT * FROM proposal WHERE org_id = $1 AND proposal_id = $2', [
    orgId,
    proposalId,
  ]);
  return (await withApprovals(tx, orgId, rows))[0];
};

/** Until COMMIT nobody else edits, approves, closes or applies it. */
export const lockProposal = async (tx: WriteTx, orgId: string, proposalId: string): Promise<Proposal | undefined> => {
  const rows = await tx.query<ProposalRow>('SELECT * FROM proposal WHERE org_id = $1 AND proposal_id = $2 FOR UPDATE', [
    orgId,
    proposalId,
  ]);
  return (await withApprovals(tx, orgId, rows))[0];
};

/** Which proposals a list shows. */
export interface ProposalPage {
  readonly after?: string;
  readonly limit: number;
  /** Null: whoever proposed. */
  readonly proposerId: string | null;
  /** As they are stored: what has ended by itself is still in review there. Null: all. */
  readonly states: readonly ProposalState[] | null;
  /** What is within it. */
  readonly scope: GrantScope;
}

/** Oldest first. */
export const listProposals = async (
  tx: ReadTx,
  orgId: string,
  { after, limit, proposerId, states, scope }: ProposalPage,
): Promise<readonly Proposal[]> => {
  const rows = await tx.query<ProposalRow>(
    `SELECT * FROM proposal
      WHERE org_id = $1 AND ($2::uuid IS NULL OR proposal_id > $2) AND ($3::uuid IS NULL OR proposer_id = $3)
        AND ($4::text[] IS NULL OR state = ANY ($4)) AND ($5::uuid IS NULL OR project_id = $5)
        AND ($6::uuid IS NULL OR environment_id = $6)
      ORDER BY proposal_id LIMIT $7`,
    [orgId, after ?? null, proposerId, states, scope.projectId, scope.environmentId, limit],
  );
  return await withApprovals(tx, orgId, rows);
};

export const insertProposal = async (tx: WriteTx, orgId: string, proposal: Proposal): Promise<void> => {
  await tx.query(
    `INSERT INTO proposal (org_id, proposal_id, revision, content, content_hash, reason, proposer_type, proposer_id,
                           proposer_epoch, proposer_scopes, sponsor_ids, created_at, updated_at, expires_at, state,
                           project_id, environment_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
    [
      orgId,
      proposal.proposalId,
      proposal.revision,
      changeText(proposal.change),
      proposal.hash,
      proposal.reason,
      proposal.proposer.type,
      proposal.proposer.id,
      proposal.proposer.epoch.toString(),
      proposal.proposer.scopes,
      proposal.sponsorIds,
      proposal.createdAt,
      proposal.updatedAt,
      proposal.expiresAt,
      proposal.state,
      proposal.scope.projectId,
      proposal.scope.environmentId,
    ],
  );
};

/** Another revision: no approval of an earlier one counts. */
export const reviseProposal = async (tx: WriteTx, orgId: string, proposal: Proposal): Promise<void> => {
  await tx.query(
    `UPDATE proposal SET revision = $3, content = $4, content_hash = $5, reason = $6, proposer_epoch = $7,
                         proposer_scopes = $8, sponsor_ids = $9, updated_at = $10, expires_at = $11,
                         project_id = $12, environment_id = $13
      WHERE org_id = $1 AND proposal_id = $2`,
    [
      orgId,
      proposal.proposalId,
      proposal.revision,
      changeText(proposal.change),
      proposal.hash,
      proposal.reason,
      proposal.proposer.epoch.toString(),
      proposal.proposer.scopes,
      proposal.sponsorIds,
      proposal.updatedAt,
      proposal.expiresAt,
      proposal.scope.projectId,
      proposal.scope.environmentId,
    ],
  );
};

export const closeProposal = async (
  tx: WriteTx,
  orgId: string,
  {
    proposalId,
    state,
    closedAt,
    closedBy,
    resultId,
  }: Pick<Proposal, 'proposalId' | 'state' | 'closedAt' | 'closedBy' | 'resultId'>,
): Promise<void> => {
  await tx.query(
    `UPDATE proposal SET state = $3, closed_at = $4, closed_by = $5, result_id = $6
      WHERE org_id = $1 AND proposal_id = $2`,
    [orgId, proposalId, state, closedAt, closedBy, resultId],
  );
};

/** @throws what the database says when somebody approves twice (proposal_approved_once), or what they may not */
export const insertApproval = async (
  tx: WriteTx,
  orgId: string,
  { proposalId, hash }: Pick<Proposal, 'proposalId' | 'hash'>,
  { approver, comment, createdAt }: ProposalApproval,
): Promise<void> => {
  await tx.query(
    `INSERT INTO proposal_approval (org_id, proposal_id, content_hash, approver_id, approver_epoch, approver_scopes,
                                    comment, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [orgId, proposalId, hash, approver.id, approver.epoch.toString(), approver.scopes, comment, createdAt],
  );
};
