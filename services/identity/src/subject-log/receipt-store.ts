import type { ReadTx, WriteTx } from '@sallyport/storage';

/** A committed end of access whose receipt is still to be written. */
export interface PendingReceipt {
  readonly orgId: string;
  readonly position: bigint;
  readonly cause: string;
  readonly subjects: readonly { readonly subjectId: string; readonly epoch: bigint }[];
  /** How many credentials of each kind were voided. */
  readonly voided: Readonly<Record<string, number>>;
  readonly requestId: string;
  /** The audit entries the end of access was recorded in: `<origin>#<index>:<leaf hash>`. */
  readonly auditReceipts: readonly string[];
}

export interface StoredPendingReceipt extends PendingReceipt {
  readonly committedAt: Date;
}

export const insertPendingReceipt = async (tx: WriteTx, receipt: PendingReceipt): Promise<void> => {
  await tx.query(
    `INSERT INTO pending_receipt (org_id, position, cause, subjects, voided, request_id, audit_receipts)
     VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6, $7)`,
    [
      receipt.orgId,
      receipt.position,
      receipt.cause,
      JSON.stringify(receipt.subjects.map(({ subjectId, epoch }) => ({ subjectId, epoch: epoch.toString() }))),
      JSON.stringify(receipt.voided),
      receipt.requestId,
      receipt.auditReceipts,
    ],
  );
};

interface ReceiptRow {
  readonly org_id: string;
  readonly position: string;
  readonly cause: string;
  readonly subjects: { readonly subjectId: string; readonly epoch: string }[];
  readonly voided: Record<string, number>;
  readonly request_id: string;
  readonly audit_receipts: string[];
  readonly committed_at: Date;
}

const COLUMNS = 'org_id, position, cause, subjects, voided, request_id, audit_receipts, committed_at';

const toReceipt = (row: ReceiptRow): StoredPendingReceipt => ({
  orgId: row.org_id,
  position: BigInt(row.position),
  cause: row.cause,
  subjects: row.subjects.map(({ subjectId, epoch }) => ({ subjectId, epoch: BigInt(epoch) })),
  voided: row.voided,
  requestId: row.request_id,
  auditReceipts: row.audit_receipts,
  committedAt: row.committed_at,
});

/** Claims the note for whoever writes the receipt in the same transaction; undefined when it is written already. */
export const takePendingReceipt = async (
  tx: WriteTx,
  orgId: string,
  position: bigint,
): Promise<StoredPendingReceipt | undefined> => {
  const [row] = await tx.query<ReceiptRow>(
    `DELETE FROM pending_receipt WHERE org_id = $1 AND position = $2 RETURNING ${COLUMNS}`,
    [orgId, position],
  );
  return row === undefined ? undefined : toReceipt(row);
};

/** Notes of every organisation older than this: what a process that died, or failed to write, left behind. */
export const listAbandonedReceipts = async (
  tx: ReadTx,
  olderThanMs: number,
  limit: number,
): Promise<StoredPendingReceipt[]> => {
  const rows = await tx.query<ReceiptRow>(
    `SELECT ${COLUMNS} FROM pending_receipt WHERE committed_at < clock_timestamp() - $1 * interval '1 millisecond'
      ORDER BY committed_at, org_id, position LIMIT $2`,
    [olderThanMs, limit],
  );
  return rows.map(toReceipt);
};

/** The positions at which this subject was closed out and that still wait for their receipt. */
export const listPendingOf = async (tx: ReadTx, orgId: string, subjectId: string): Promise<bigint[]> => {
  const rows = await tx.query<{ position: string }>(
    'SELECT position FROM pending_receipt WHERE org_id = $1 AND subjects @> $2::jsonb ORDER BY position',
    [orgId, JSON.stringify([{ subjectId }])],
  );
  return rows.map(({ position }) => BigInt(position));
};
