import type { Keyring } from '@sallyport/keyring';
import type { ReadTx } from '@sallyport/storage';

import type { AuditOutcome } from './event.ts';
import { bodyOfLeaf } from './leaf.ts';
import { unpackOpening } from './personal.ts';
import { findOpenings, findSubjectKeys, openingContext, type StoredEntry, type StoredOpening } from './store.ts';

export interface AuditFilter {
  /** Only entries after this index in the chosen order. */
  readonly after?: bigint;
  readonly limit: number;
  /** Default `oldest-first`. */
  readonly order?: 'oldest-first' | 'newest-first';
  readonly action?: string;
  readonly actorId?: string;
  readonly targetType?: string;
  readonly targetId?: string;
  readonly outcome?: AuditOutcome;
  readonly requestId?: string;
  readonly since?: Date;
  readonly until?: Date;
}

/** An opened personal value: with salt and value anybody can recompute the commitment in the leaf. */
export interface Opening {
  readonly number: number;
  readonly field: string;
  readonly salt: string;
  readonly value: string;
}

export interface AuditRecord {
  readonly origin: string;
  readonly index: string;
  /** Hex. */
  readonly leafHash: string;
  /** The leaf's exact text; SHA-256(0x00 ‖ UTF-8 of it) is the leaf hash. */
  readonly leaf: string;
  /** The body of the leaf with personal values put back; an erased one reads "[erased]". */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly openings: readonly Opening[];
}

interface LeafBody extends Record<string, unknown> {
  readonly id: string;
  readonly pii: readonly { readonly c: string; readonly f: string; readonly s: string }[];
}

const isReference = (value: object): value is { $pii: number } =>
  Object.keys(value).length === 1 && typeof (value as { $pii?: unknown }).$pii === 'number';

const isNumberText = (value: object): value is { $number: string } =>
  Object.keys(value).length === 1 && typeof (value as { $number?: unknown }).$number === 'string';

const reveal = (value: unknown, values: ReadonlyMap<number, string>): unknown => {
  if (Array.isArray(value)) return value.map((item) => reveal(item, values));
  if (typeof value !== 'object' || value === null) return value;
  if (isReference(value)) return values.get(value.$pii) ?? '[erased]';
  if (isNumberText(value)) return Number(value.$number);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, reveal(member, values)]));
};

interface Sealed {
  readonly orgId: string;
  readonly body: LeafBody;
  readonly openings: readonly StoredOpening[];
  readonly keys: ReadonlyMap<string, Buffer>;
}

const openAll = (keyring: Keyring, { orgId, body, openings, keys }: Sealed): Opening[] =>
  openings.flatMap((opening) => {
    const key = keys.get(opening.subject_id);
    const field = body.pii[opening.number]?.f;
    // A destroyed key is erasure: the value is gone and the log still verifies.
    if (key === undefined || field === undefined) return [];
    const context = openingContext(orgId, body.id, opening.number, field);
    const plain = keyring.openWith(keyring.unwrapDataKey(orgId, opening.subject_id, key), context, opening.sealed);
    const { salt, value } = unpackOpening(plain);
    return [{ number: opening.number, field, salt: salt.toString('base64'), value }];
  });

/** Turns stored entries into records, opening what can still be opened; two queries however many entries. */
export const toRecords = async (
  tx: ReadTx,
  keyring: Keyring,
  orgId: string,
  entries: readonly StoredEntry[],
): Promise<AuditRecord[]> => {
  const sealed = await findOpenings(
    tx,
    orgId,
    entries.map(({ idx }) => idx),
  );
  const wrapped = await findSubjectKeys(tx, orgId, [...new Set(sealed.map((opening) => opening.subject_id))]);
  const byIndex = Map.groupBy(sealed, ({ idx }) => idx);
  return entries.map((entry) => {
    const { origin, index, body } = bodyOfLeaf(entry.leaf);
    const parsed = JSON.parse(body.toString('utf8')) as LeafBody;
    const openings = openAll(keyring, {
      orgId,
      body: parsed,
      openings: byIndex.get(entry.idx) ?? [],
      keys: wrapped,
    });
    const values = new Map(openings.map(({ number, value }) => [number, value]));
    const { pii: _commitments, ...shown } = parsed;
    return {
      origin,
      index: index.toString(),
      leafHash: entry.leaf_hash.toString('hex'),
      leaf: entry.leaf.toString('utf8'),
      entry: reveal(shown, values) as Record<string, unknown>,
      openings,
    };
  });
};
