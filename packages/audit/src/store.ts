import type { DataKey, Keyring } from '@sallyport/keyring';
import { statement, type ReadTx, type WriteTx } from '@sallyport/storage';

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

// What exists is found, what does not is made, in one statement and in one fixed order: two transactions that need the
// same new keys must never wait for each other.
const TAKE_KEYS = statement(`
  WITH given AS (SELECT subject_id, wrapped FROM unnest($2::text[], $3::bytea[]) AS g (subject_id, wrapped)),
       made AS (
         INSERT INTO subject_key (org_id, subject_id, wrapped)
           SELECT $1, subject_id, wrapped FROM given ORDER BY subject_id
         ON CONFLICT DO NOTHING RETURNING subject_id, wrapped
       )
  SELECT subject_id, wrapped FROM made
  UNION ALL
  SELECT subject_id, wrapped FROM subject_key WHERE org_id = $1 AND subject_id = ANY($2::text[])`);

/**
 * The data keys of these subjects, created at their first use; concurrent first uses agree on one. Taken before the
 * head row is locked.
 */
export const subjectKeys = async (
  tx: WriteTx,
  keyring: Keyring,
  orgId: string,
  subjectIds: Iterable<string>,
): Promise<Map<string, DataKey>> => {
  const wanted = new Set(subjectIds);
  const keys = new Map<string, DataKey>();
  if (wanted.size === 0) return keys;
  const given = new Map([...wanted].map((id) => [id, keyring.createDataKey(orgId, id)] as const));
  const wrapped = [...given.values()].map((made) => made.wrapped);
  const rows = await tx.query<{ subject_id: string; wrapped: Buffer }>(TAKE_KEYS, [orgId, [...given.keys()], wrapped]);
  const found = new Map(rows.map((row) => [row.subject_id, row.wrapped]));
  // A key made by somebody who committed while the statement waited for it is not in its snapshot.
  const missed = [...given.keys()].filter((id) => !found.has(id));
  if (missed.length > 0) for (const [id, key] of await findSubjectKeys(tx, orgId, missed)) found.set(id, key);
  for (const [id, key] of found) {
    const own = given.get(id);
    keys.set(id, own?.wrapped.equals(key) === true ? own.key : keyring.unwrapDataKey(orgId, id, key));
  }
  return keys;
};

const INSERT_KEYS = statement(`
  INSERT INTO subject_key (org_id, subject_id, wrapped)
    SELECT $1, subject_id, wrapped FROM unnest($2::text[], $3::bytea[]) AS g (subject_id, wrapped)`);

/** The data keys of subjects that come into being in this transaction: known at once, while they are on their way. */
export const newSubjectKeys = (
  tx: WriteTx,
  keyring: Keyring,
  orgId: string,
  subjectIds: readonly string[],
): { readonly keys: Map<string, DataKey>; readonly stored: Promise<void> } => {
  const made = new Map(subjectIds.map((id) => [id, keyring.createDataKey(orgId, id)] as const));
  const wrapped = [...made.values()].map((each) => each.wrapped);
  const stored = tx.query(INSERT_KEYS, [orgId, [...made.keys()], wrapped]).then(() => undefined);
  return { keys: new Map([...made].map(([id, { key }]) => [id, key])), stored };
};

/** The data key of whoever acts, if there is one; one that is to be made is made in turn with all the others. */
export const findActorKey = async (
  tx: WriteTx,
  keyring: Keyring,
  orgId: string,
  actorId: string,
): Promise<Map<string, DataKey>> => {
  const wrapped = await findSubjectKeys(tx, orgId, [actorId]);
  return new Map([...wrapped].map(([id, key]) => [id, keyring.unwrapDataKey(orgId, id, key)] as const));
};

const APPEND = statement('SELECT origin, idx, leaf_hash FROM append_audit_entries($1, $2, $3, $4, $5, $6, $7, $8, $9)');

export interface EntryToInsert {
  readonly orgId: string;
  readonly entryId: string;
  readonly body: EntryBody;
}

interface SealedOpening {
  /** Place of its entry among those appended with it. */
  readonly entry: number;
  readonly number: number;
  readonly subjectId: string;
  readonly sealed: Buffer;
}

const sealOpenings = (
  keyring: Keyring,
  keys: ReadonlyMap<string, DataKey>,
  entries: readonly EntryToInsert[],
): SealedOpening[] =>
  entries.flatMap(({ orgId, entryId, body }, entry) =>
    body.openings.map(({ number, field, subjectId, salt, value }) => {
      const key = keys.get(subjectId);
      if (key === undefined) throw new TypeError('the data key of a subject was not taken');
      const context = openingContext(orgId, entryId, number, field);
      return { entry, number, subjectId, sealed: keyring.sealWith(key, context, packOpening(salt, value)) };
    }),
  );

/**
 * Sends entries of one organisation at once, to be appended in their order under the head row's lock; `keys` holds the
 * data key of every subject of their openings.
 */
export const insertEntries = async (
  tx: WriteTx,
  keyring: Keyring,
  keys: ReadonlyMap<string, DataKey>,
  entries: readonly EntryToInsert[],
): Promise<AuditReceipt[]> => {
  const openings = sealOpenings(keyring, keys, entries);
  const attachments = entries.flatMap(({ body }, entry) => body.attachments.map((each) => ({ entry, ...each })));
  const rows = await tx.query<{ origin: string; idx: string; leaf_hash: Buffer }>(APPEND, [
    entries[0]?.orgId,
    entries.map(({ body }) => body.bytes),
    openings.map(({ entry }) => entry),
    openings.map(({ number }) => number),
    openings.map(({ subjectId }) => subjectId),
    openings.map(({ sealed }) => sealed),
    attachments.map(({ entry }) => entry),
    attachments.map(({ name }) => name),
    attachments.map(({ bytes }) => bytes),
  ]);
  if (rows.length !== entries.length) throw new TypeError('the log took another number of entries');
  return rows
    .map((row) => receipt(row.origin, BigInt(row.idx), row.leaf_hash.toString('hex')))
    .sort((one, other) => Number(one.index - other.index));
};

const receipt = (origin: string, index: bigint, hash: string): AuditReceipt =>
  Object.freeze({ origin, index, leafHash: hash, toString: () => `${origin}#${String(index)}:${hash}` });

/** Origin and number of entries of an organisation's log; undefined when it has none. */
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

/** The sealed personal values of these entries, in no particular order. */
export const findOpenings = async (tx: ReadTx, orgId: string, indexes: readonly string[]): Promise<StoredOpening[]> =>
  await tx.query<StoredOpening>(
    'SELECT idx, number, subject_id, sealed FROM audit_opening WHERE org_id = $1 AND idx = ANY($2::bigint[])',
    [orgId, indexes],
  );

/** The wrapped data keys of those subjects that have one: an erased subject has none. */
export const findSubjectKeys = async (
  tx: ReadTx,
  orgId: string,
  subjectIds: readonly string[],
): Promise<Map<string, Buffer>> => {
  const rows = await tx.query<{ subject_id: string; wrapped: Buffer }>(
    statement('SELECT subject_id, wrapped FROM subject_key WHERE org_id = $1 AND subject_id = ANY($2::text[])'),
    [orgId, subjectIds],
  );
  return new Map(rows.map((row) => [row.subject_id, row.wrapped]));
};
