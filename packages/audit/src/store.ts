import type { Keyring } from '@sallyport/keyring';
import type { ReadTx, WriteTx } from '@sallyport/storage';

import type { AuditReceipt } from './event.ts';
import type { EntryBody } from './leaf.ts';
import { packOpening } from './personal.ts';
import type { AuditFilter } from './view.ts';

export interface StoredEntry {
  readonly idx: string;
  readonly leaf: Buffer;
  readonly leaf_hash: Buffer;
}

export interface StoredOpening {
  readonly idx: string;
  readonly number: number;
  readonly subject_id: string;
  readonly sealed: Buffer;
}

/** What a sealed opening is bound to: it opens for no other organisation, entry or field. */
export const openingContext = (orgId: string, entryId: string, number: number, field: string): string =>
  `${orgId}|${entryId}|${String(number)}|${field}`;

/** Pre-creates the organisation's log, so that even the first append is serialised by a row lock. Idempotent. */
export const createAuditOrganization = async (tx: WriteTx, orgId: string, origin: string): Promise<void> => {
  await tx.query('SELECT create_audit_log($1, $2)', [orgId, origin]);
};

/** The data key of a subject, created at its first use; concurrent first uses agree on one. */
const subjectKey = async (tx: WriteTx, keyring: Keyring, orgId: string, subjectId: string): Promise<Buffer> => {
  const find = async (): Promise<Buffer | undefined> => {
    const rows = await tx.query<{ wrapped: Buffer }>(
      'SELECT wrapped FROM subject_key WHERE org_id = $1 AND subject_id = $2',
      [orgId, subjectId],
    );
    return rows[0]?.wrapped;
  };
  const known = await find();
  if (known !== undefined) return keyring.unwrapDataKey(orgId, subjectId, known);
  const { wrapped } = keyring.createDataKey(orgId, subjectId);
  await tx.query('INSERT INTO subject_key (org_id, subject_id, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
    orgId,
    subjectId,
    wrapped,
  ]);
  return keyring.unwrapDataKey(orgId, subjectId, (await find()) ?? wrapped);
};

/**
 * The data keys of these subjects, taken in one fixed order and before the head row is locked: two transactions that
 * need the same new keys must never wait for each other.
 */
export const subjectKeys = async (
  tx: WriteTx,
  keyring: Keyring,
  orgId: string,
  subjectIds: Iterable<string>,
): Promise<Map<string, Buffer>> => {
  const keys = new Map<string, Buffer>();
  for (const subjectId of [...new Set(subjectIds)].sort()) {
    keys.set(subjectId, await subjectKey(tx, keyring, orgId, subjectId));
  }
  return keys;
};

export interface EntryToInsert {
  readonly orgId: string;
  readonly entryId: string;
  readonly body: EntryBody;
}

/** Appends one entry under the head row's lock; `keys` holds the data key of every subject of its openings. */
export const insertEntry = async (
  tx: WriteTx,
  keyring: Keyring,
  keys: ReadonlyMap<string, Buffer>,
  entry: EntryToInsert,
): Promise<AuditReceipt> => {
  const openings = entry.body.openings.map(({ number, field, subjectId, salt, value }) => {
    const key = keys.get(subjectId);
    if (key === undefined) throw new TypeError('the data key of a subject was not taken');
    const context = openingContext(entry.orgId, entry.entryId, number, field);
    return {
      number,
      subject: subjectId,
      sealed: keyring.sealWith(key, context, packOpening(salt, value)).toString('base64'),
    };
  });
  const attachments = entry.body.attachments.map(({ name, bytes }) => ({ name, body: bytes.toString('base64') }));
  const [row] = await tx.query<{ origin: string; idx: string; leaf_hash: Buffer }>(
    'SELECT origin, idx, leaf_hash FROM append_audit($1, $2, $3::jsonb, $4::jsonb)',
    [entry.orgId, entry.body.bytes, jsonOrNull(openings), jsonOrNull(attachments)],
  );
  if (row === undefined) throw new TypeError('append_audit returned no row');
  return receipt(row.origin, BigInt(row.idx), row.leaf_hash.toString('hex'));
};

const jsonOrNull = (items: readonly unknown[]): string | null => (items.length === 0 ? null : JSON.stringify(items));

const receipt = (origin: string, index: bigint, hash: string): AuditReceipt =>
  Object.freeze({ origin, index, leafHash: hash, toString: () => `${origin}#${String(index)}:${hash}` });

export const logSize = async (tx: ReadTx, orgId: string): Promise<{ origin: string; size: bigint } | undefined> => {
  const [row] = await tx.query<{ origin: string; size: string }>(
    'SELECT origin, size FROM audit_head WHERE org_id = $1',
    [orgId],
  );
  return row === undefined ? undefined : { origin: row.origin, size: BigInt(row.size) };
};

/** Entries of one organisation in index order (or the reverse), after an index, filtered by equality. */
export const findEntries = async (tx: ReadTx, orgId: string, filter: AuditFilter): Promise<StoredEntry[]> => {
  const params: unknown[] = [orgId];
  const conditions = ['org_id = $1'];
  const where = (sql: string, value: unknown): void => {
    if (value === undefined) return;
    params.push(value);
    conditions.push(sql.replace('?', `$${String(params.length)}`));
  };
  where('action = ?', filter.action);
  where('actor_id = ?', filter.actorId);
  where('target_type = ?', filter.targetType);
  where('target_id = ?', filter.targetId);
  where('outcome = ?', filter.outcome);
  where('request_id = ?', filter.requestId);
  where('occurred_at >= ?', filter.since);
  where('occurred_at < ?', filter.until);
  const newestFirst = filter.order === 'newest-first';
  where(newestFirst ? 'idx < ?' : 'idx > ?', filter.after?.toString());
  params.push(filter.limit);
  return await tx.query<StoredEntry>(
    `SELECT idx, leaf, leaf_hash FROM audit_entry WHERE ${conditions.join(' AND ')}
      ORDER BY idx ${newestFirst ? 'DESC' : 'ASC'} LIMIT $${String(params.length)}`,
    params,
  );
};

export const findOpenings = async (tx: ReadTx, orgId: string, indexes: readonly string[]): Promise<StoredOpening[]> =>
  await tx.query<StoredOpening>(
    'SELECT idx, number, subject_id, sealed FROM audit_opening WHERE org_id = $1 AND idx = ANY($2::bigint[])',
    [orgId, indexes],
  );

export const findSubjectKeys = async (
  tx: ReadTx,
  orgId: string,
  subjectIds: readonly string[],
): Promise<Map<string, Buffer>> => {
  const rows = await tx.query<{ subject_id: string; wrapped: Buffer }>(
    'SELECT subject_id, wrapped FROM subject_key WHERE org_id = $1 AND subject_id = ANY($2::text[])',
    [orgId, subjectIds],
  );
  return new Map(rows.map((row) => [row.subject_id, row.wrapped]));
};
