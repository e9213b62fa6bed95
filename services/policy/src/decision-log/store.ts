import { isId, newId, statement, type ReadTx, type WriteTx } from '@sallyport/storage';

import type { Masked } from './mask.ts';
import { NO_ORGANIZATION, type Gap, type GapCause } from './queue.ts';

const orgIdOf = (orgId: string): string => (isId(orgId) ? orgId : NO_ORGANIZATION);

// Batches of all replicas one after the other: positions are handed out in the order of the commits.
const INSERT = statement(`
  WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(725593018))
  INSERT INTO policy.decision_log (org_id, entry_id, decided_at, subject_type, subject, action, resource_type, resource_id,
    place, project_id, environment_id, allowed, reason, matched_grant, matched_role, standing_position, grants_revision,
    policy_hash, latency_us, request_id, asker_kind, asker, one_in)
  SELECT org_id, entry_id, to_timestamp(at_ms / 1000), subject_type, subject, action, resource_type, resource_id,
    place, nullif(project_id, ''), nullif(environment_id, ''), allowed, reason, matched_grant, matched_role,
    standing_position, grants_revision, policy_hash, latency_us, request_id, asker_kind, asker, one_in
  FROM turn, json_to_recordset($1::json) AS entry (org_id uuid, entry_id uuid, at_ms double precision, subject_type text,
    subject text, action text, resource_type text, resource_id text, place text, project_id text, environment_id text,
    allowed boolean, reason text, matched_grant text, matched_role text, standing_position bigint, grants_revision bigint,
    policy_hash text, latency_us integer, request_id text, asker_kind text, asker text, one_in integer)
  ON CONFLICT (org_id, entry_id) DO NOTHING`);

/** One entry, under the id it keeps however often it is tried to write it. */
export const toRow = (entry: Masked, entryId: string) => ({
  org_id: orgIdOf(entry.orgId),
  entry_id: entryId,
  at_ms: entry.atMs,
  subject_type: entry.subjectType,
  subject: entry.subject,
  action: entry.action,
  resource_type: entry.resourceType,
  resource_id: entry.resourceId,
  place: entry.place,
  project_id: entry.projectId,
  environment_id: entry.environmentId,
  allowed: entry.allowed,
  reason: entry.reason,
  matched_grant: entry.matchedGrant,
  matched_role: entry.matchedRole,
  standing_position: String(entry.standingPosition),
  grants_revision: String(entry.grantsRevision),
  policy_hash: entry.policyHash,
  latency_us: entry.latencyUs,
  request_id: entry.requestId,
  asker_kind: entry.askerKind,
  asker: entry.asker,
  one_in: entry.oneIn,
});

export type EntryRow = ReturnType<typeof toRow>;

/** Writes entries, all or none; those that are there already stay as they are. */
export const insertEntries = async (tx: WriteTx, rows: readonly EntryRow[]): Promise<void> => {
  await tx.query(INSERT, [JSON.stringify(rows)]);
};

export const insertGaps = async (tx: WriteTx, gaps: readonly (readonly [orgId: string, gap: Gap])[]): Promise<void> => {
  const rows = gaps.map(([orgId, gap]) => ({ ...gap, orgId: orgIdOf(orgId), gapId: newId() }));
  await tx.query(
    `INSERT INTO policy.decision_log_gap (org_id, gap_id, from_at, until_at, cause, denials, production_writes, reads)
     SELECT "orgId", "gapId", to_timestamp("fromMs" / 1000), to_timestamp("untilMs" / 1000), cause, denials,
       "productionWrites", reads
     FROM json_to_recordset($1::json) AS gap ("orgId" uuid, "gapId" uuid, "fromMs" double precision,
       "untilMs" double precision, cause text, denials bigint, "productionWrites" bigint, reads bigint)`,
    [JSON.stringify(rows)],
  );
};

/** Says that this process writes, or that it ends and has written everything. */
export const noteWriter = async (tx: WriteTx, writerId: string, isAlive: boolean): Promise<void> => {
  await tx.query(
    isAlive
      ? `INSERT INTO policy.decision_log_writer (writer_id, seen_at) VALUES ($1, now())
         ON CONFLICT (writer_id) DO UPDATE SET seen_at = now()`
      : 'DELETE FROM policy.decision_log_writer WHERE writer_id = $1',
    [writerId],
  );
};

/**
 * Writes a gap into the log of every organisation for each process that was not heard of for so long and did not say
 * goodbye; each is found by one replica only.
 */
export const noteEndedWriters = async (
  tx: WriteTx,
  times: { readonly silentMs: number; readonly heartbeatMs: number },
): Promise<number> => {
  const ended = await tx.query<{ seen_at: Date }>(
    `DELETE FROM policy.decision_log_writer
     WHERE seen_at < now() - $1::double precision * interval '1 millisecond' RETURNING seen_at`,
    [times.silentMs],
  );
  for (const { seen_at: seenAt } of ended)
    await tx.query(
      `INSERT INTO policy.decision_log_gap (org_id, gap_id, from_at, until_at, cause, denials, production_writes, reads)
       SELECT org_id, $1, $2::timestamptz, $2::timestamptz + $3::double precision * interval '1 millisecond',
         'process-ended', 0, 0, 0
       FROM policy.organization`,
      [newId(), seenAt, times.heartbeatMs],
    );
  return ended.length;
};

/** Deletes at most so many entries, and all gaps, that are older than the retention. Returns how many entries. */
export const deleteOlder = async (tx: WriteTx, retentionMs: number, atMost: number): Promise<number> => {
  const cutoff = `now() - $1::double precision * interval '1 millisecond'`;
  const deleted = await tx.query<{ entry_id: string }>(
    `DELETE FROM policy.decision_log WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM policy.decision_log WHERE decided_at < ${cutoff} LIMIT $2)) RETURNING entry_id`,
    [retentionMs, atMost],
  );
  await tx.query(`DELETE FROM policy.decision_log_gap WHERE until_at < ${cutoff}`, [retentionMs]);
  return deleted.length;
};

/** An entry as it is stored. */
export interface Recorded {
  readonly entryId: string;
  readonly position: string;
  readonly decidedAt: Date;
  readonly subjectType: string;
  readonly subject: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly place: string | null;
  readonly projectId: string | null;
  readonly environmentId: string | null;
  readonly allowed: boolean;
  readonly reason: string;
  readonly matchedGrant: string | null;
  readonly matchedRole: string | null;
  readonly standingPosition: string;
  readonly grantsRevision: string;
  readonly policyHash: string | null;
  readonly latencyUs: number;
  readonly requestId: string;
  readonly askerKind: string;
  readonly asker: string;
  readonly oneIn: number;
}

const COLUMNS = `entry_id AS "entryId", position, decided_at AS "decidedAt", subject_type AS "subjectType", subject, action,
  resource_type AS "resourceType", resource_id AS "resourceId", place, project_id AS "projectId",
  environment_id AS "environmentId", allowed, reason, matched_grant AS "matchedGrant", matched_role AS "matchedRole",
  standing_position AS "standingPosition", grants_revision AS "grantsRevision", policy_hash AS "policyHash",
  latency_us AS "latencyUs", request_id AS "requestId", asker_kind AS "askerKind", asker, one_in AS "oneIn"`;

export interface EntryFilter {
  /** Pseudonym. */
  readonly subject?: string;
  readonly action?: string;
  readonly allowed?: boolean;
  readonly reason?: string;
  readonly requestId?: string;
  readonly environmentId?: string;
  readonly since?: Date;
  readonly until?: Date;
}

const CONDITIONS: Readonly<Record<keyof EntryFilter, string>> = {
  subject: 'subject =',
  action: 'action =',
  allowed: 'allowed =',
  reason: 'reason =',
  requestId: 'request_id =',
  environmentId: 'environment_id =',
  since: 'decided_at >=',
  until: 'decided_at <',
};

/** Entries of one organisation, newest first. */
export const listEntries = async (
  tx: ReadTx,
  orgId: string,
  { before, limit, ...filter }: EntryFilter & { readonly before?: string | undefined; readonly limit: number },
): Promise<Recorded[]> => {
  const params: unknown[] = [orgId];
  const conditions = ['org_id = $1'];
  const add = (condition: string, value: unknown): void => {
    params.push(value);
    conditions.push(`${condition} $${String(params.length)}`);
  };
  if (before !== undefined) add('entry_id <', before);
  for (const key of Object.keys(CONDITIONS) as (keyof EntryFilter)[])
    if (filter[key] !== undefined) add(CONDITIONS[key], filter[key]);
  params.push(limit);
  return await tx.query<Recorded>(
    `SELECT ${COLUMNS} FROM policy.decision_log WHERE ${conditions.join(' AND ')}
     ORDER BY entry_id DESC LIMIT $${String(params.length)}`,
    params,
  );
};

/** Entries of one organisation after a position, in the order in which they were written. */
export const entriesAfter = async (tx: ReadTx, orgId: string, after: bigint, limit: number): Promise<Recorded[]> =>
  await tx.query<Recorded>(
    `SELECT ${COLUMNS} FROM policy.decision_log WHERE org_id = $1 AND position > $2 ORDER BY position LIMIT $3`,
    [orgId, String(after), limit],
  );

/** Position of the last entry of the organisation; 0 without any. */
export const lastPosition = async (tx: ReadTx, orgId: string): Promise<bigint> => {
  const [row] = await tx.query<{ position: string | null }>(
    'SELECT max(position) AS position FROM policy.decision_log WHERE org_id = $1',
    [orgId],
  );
  return BigInt(row?.position ?? 0);
};

export interface RecordedGap {
  readonly gapId: string;
  readonly fromAt: Date;
  readonly untilAt: Date;
  readonly cause: GapCause;
  readonly denials: string;
  readonly productionWrites: string;
  readonly reads: string;
}

/** Gaps of one organisation, newest first. */
export const listGaps = async (
  tx: ReadTx,
  orgId: string,
  { before, limit }: { readonly before?: string | undefined; readonly limit: number },
): Promise<RecordedGap[]> =>
  await tx.query<RecordedGap>(
    `SELECT gap_id AS "gapId", from_at AS "fromAt", until_at AS "untilAt", cause, denials,
       production_writes AS "productionWrites", reads
     FROM policy.decision_log_gap WHERE org_id = $1 AND ($2::uuid IS NULL OR gap_id < $2)
     ORDER BY gap_id DESC LIMIT $3`,
    [orgId, before ?? null, limit],
  );
