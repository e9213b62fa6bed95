/**
 * What requests at the token endpoint read and write, of any number of them in one statement: each is judged by itself,
 * as if it had come alone.
 */
import { statementByKey, type ReadTx, type WriteTx } from '@sallyport/storage';

import { toSubject, type SubjectClaims, type SubjectRow } from './account-store.ts';
import { COLUMNS, standing, toFound, type FoundArtifact, type FoundRow } from './artifact-store.ts';
import { CLIENT_DOCUMENT, toShownClient, type ShownClient } from './client-store.ts';

/** Rows others have locked: waited for, or passed over. */
export type Locked = '' | 'SKIP LOCKED';

/** A code or refresh token as it is looked up. */
export interface ShownKey {
  readonly model: string;
  readonly idHash: Buffer;
}

/** A code or refresh token, and the client that shows it. */
export interface Shown extends ShownKey {
  readonly clientId: string;
}

/** What a code or refresh token hangs on, and who shows it. */
export interface FoundTogether {
  /** With the id that was shown, whether the token is its own or not. */
  readonly client: ShownClient | undefined;
  /** Null when it is not to be found. */
  readonly artifact: FoundArtifact | null;
  readonly grant: { readonly idHash: Buffer; readonly found: FoundArtifact } | null;
  readonly session: { readonly uid: string; readonly found: FoundArtifact } | null;
  /** Whose it is, while they are active. */
  readonly subject: SubjectClaims | null;
}

/**
 * Reached by its key, one by one. As a plain join all of a model would be looked at: while there are few of them, because
 * that costs the same; and by row-level security for whatever is read out of a payload.
 */
const oneOf = (condition: string): string =>
  `CROSS JOIN LATERAL (SELECT * FROM provider_artifact o WHERE ${condition} LIMIT 1)`;

// A code or refresh token, its grant and its session: each read under the one condition, all at one moment.
const TOGETHER = standing(`(
         SELECT k.number, (k.artifact).* FROM shown k
         UNION ALL
         SELECT k.number, g.* FROM shown k ${oneOf(`o.model = 'Grant' AND o.id_hash = (k.artifact).grant_hash`)} g
         UNION ALL
         SELECT k.number, u.* FROM shown k ${oneOf(`o.model = 'Session' AND o.uid = (k.artifact).payload->>'sessionUid'`)} u)`);

type TogetherRow = FoundRow & { readonly [Column in keyof SubjectRow]: SubjectRow[Column] | null } & {
  /** Which of those asked for, from 1. */
  readonly number: number;
  readonly model: string;
  readonly id_hash: Buffer;
  readonly uid: string | null;
};

const toTogether = (rows: readonly TogetherRow[], { model }: ShownKey): Omit<FoundTogether, 'client'> => {
  const of = (wanted: string): TogetherRow | undefined => rows.find((row) => row.model === wanted);
  const [own, grant, session] = [of(model), of('Grant'), of('Session')];
  const [grantFound, sessionFound] = [toFound(grant), toFound(session)];
  return {
    artifact: toFound(own),
    grant: grant === undefined || grantFound === null ? null : { idHash: grant.id_hash, found: grantFound },
    session: sessionFound === null ? null : { uid: session?.uid ?? '', found: sessionFound },
    subject: own?.account_id === undefined || own.account_id === null ? null : toSubject(own as SubjectRow),
  };
};

/**
 * What each of these is, and hangs on, and who shows it, in their order: all of it at one moment, artifacts under the one
 * condition.
 */
export const findTogether = async (
  tx: ReadTx,
  keys: readonly Shown[],
  now: Date,
): Promise<readonly FoundTogether[]> => {
  const rows = await tx.query<TogetherRow>(
    statementByKey(`WITH asked AS (
         SELECT * FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS k (model, id_hash, number)),
       shown AS MATERIALIZED (
         SELECT k.number, t AS artifact
           FROM asked k ${oneOf('o.model = k.model AND o.id_hash = k.id_hash')} t)
       SELECT p.number::int AS number, p.model, p.id_hash, p.uid, p.payload, p.consumed_at, p.browser_session_id, a.org_id,
              a.id AS account_id, a.user_name, a.display_name, a.profile ${TOGETHER}
       UNION ALL
       SELECT 0, 'Client', NULL, id, ${CLIENT_DOCUMENT}, NULL, NULL, NULL, NULL, NULL, NULL, NULL
         FROM oauth_client WHERE id = ANY($4::text[])`),
    [
      now,
      keys.map(({ model }) => model),
      keys.map(({ idHash }) => idHash),
      [...new Set(keys.map(({ clientId }) => clientId))],
    ],
  );
  const byNumber = Map.groupBy(rows, ({ number }) => number);
  const clients = new Map(
    byNumber
      .get(0)
      ?.map(({ payload }) => toShownClient(payload))
      .map((each) => [each.id, each]),
  );
  return keys.map((key, index) => ({
    ...toTogether(byNumber.get(index + 1) ?? [], key),
    client: clients.get(key.clientId),
  }));
};

/** A code or refresh token that is used up. */
export interface UsedUp extends ShownKey {
  readonly at: Date;
}

/** Something that hangs on a grant. */
export interface IssuedArtifact extends ShownKey {
  readonly clientId: string | null;
  readonly grantHash: Buffer | null;
  readonly payload: object;
  readonly expiresAt: Date | null;
}

/** What is issued for what is used up. All of it is of one grant, which is the account's. */
export interface Issued {
  readonly usedUp: UsedUp;
  readonly accountId: string;
  readonly artifacts: readonly IssuedArtifact[];
}

/** What became of it: nothing is written where somebody else was faster, and nothing of a grant that is gone. */
export interface IssueResult {
  readonly isUsedUp: boolean;
  readonly count: number;
}

// The session is that of what is used up, as it is once it is locked: a grant may be on its way to the next (carryOver).
// Whoever ends somebody's access locks the account and then what hangs on it: in the other order, one of two that meet would
// have to be given up.
const issuing = (locked: Locked) =>
  statementByKey(`WITH asked AS (
         SELECT * FROM unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::bytea[], $5::uuid[], $6::text[])
           WITH ORDINALITY AS k (model, id_hash, at, grant_hash, account_id, client_id, number)),
       held AS (
         SELECT k.number FROM asked k JOIN account a ON a.id = k.account_id FOR KEY SHARE OF a ${locked}),
       free AS (
         SELECT k.number, k.at, p.model, p.id_hash
           FROM asked k JOIN provider_artifact p ON p.model = k.model AND p.id_hash = k.id_hash
          WHERE p.consumed_at IS NULL AND (k.account_id IS NULL OR k.number IN (SELECT number FROM held))
            FOR UPDATE OF p ${locked}),
       used AS (
         UPDATE provider_artifact p SET consumed_at = f.at FROM free f
          WHERE p.model = f.model AND p.id_hash = f.id_hash RETURNING f.number, p.browser_session_id),
       issued AS (
         INSERT INTO provider_artifact (${COLUMNS})
         SELECT n.model, n.id_hash, g.org_id, g.account_id, g.epoch_at_issue, u.browser_session_id, g.client_id, g.id_hash,
                NULL, n.payload, k.at, n.expires_at
           FROM used u
           JOIN asked k ON k.number = u.number
           JOIN unnest($7::bigint[], $8::text[], $9::bytea[], $10::jsonb[], $11::timestamptz[])
             AS n (number, model, id_hash, payload, expires_at) ON n.number = u.number
           ${oneOf(`o.model = 'Grant' AND o.id_hash = k.grant_hash`)} g
          WHERE g.account_id = k.account_id AND g.client_id = k.client_id
         RETURNING id_hash)
       SELECT ARRAY(SELECT number::int FROM used) AS used, ARRAY(SELECT id_hash FROM issued) AS issued`);

const WAITING = issuing('');
const PASSING = issuing('SKIP LOCKED');

const insert = async (
  tx: WriteTx,
  text: typeof WAITING,
  all: readonly Issued[],
): Promise<(IssueResult & { readonly issued: Issued })[]> => {
  const first = all.map(({ artifacts }) => artifacts[0]);
  const artifacts = all.flatMap((each, index) =>
    each.artifacts.map((artifact) => ({ ...artifact, number: index + 1 })),
  );
  const [row] = await tx.query<{ used: number[]; issued: Buffer[] }>(text, [
    all.map(({ usedUp }) => usedUp.model),
    all.map(({ usedUp }) => usedUp.idHash),
    all.map(({ usedUp }) => usedUp.at),
    first.map((artifact) => artifact?.grantHash ?? null),
    all.map(({ accountId }) => (accountId === '' ? null : accountId)),
    first.map((artifact) => artifact?.clientId ?? null),
    artifacts.map(({ number }) => number),
    artifacts.map(({ model }) => model),
    artifacts.map(({ idHash }) => idHash),
    artifacts.map(({ payload }) => JSON.stringify(payload)),
    artifacts.map(({ expiresAt }) => expiresAt),
  ]);
  const used = new Set(row?.used);
  const written = new Set(row?.issued.map((idHash) => idHash.toString('hex')));
  return all.map((issued, index) => ({
    issued,
    isUsedUp: used.has(index + 1),
    count: issued.artifacts.filter(({ idHash }) => written.has(idHash.toString('hex'))).length,
  }));
};

/**
 * Uses something up and writes what is issued for it. What is derived from a grant is of its organisation, account and
 * epoch. Waits for whoever has hold of it at this moment.
 */
export const insertIssued = async (tx: WriteTx, issued: Issued): Promise<IssueResult> => {
  const [result] = await insert(tx, WAITING, [issued]);
  return { isUsedUp: result?.isUsedUp ?? false, count: result?.count ?? 0 };
};

/**
 * {@link insertIssued} of several, in their order. It holds what it has locked and waits for nobody; where somebody else
 * has hold of one, or used it up, or two of these use up the same, the answer is null and nothing of it is written:
 * {@link insertIssued} tells.
 */
export const insertIssuedTogether = async (
  tx: WriteTx,
  all: readonly Issued[],
): Promise<readonly (IssueResult | null)[]> => {
  const results = await insert(tx, PASSING, all);
  return results.map(({ isUsedUp, count }) => (isUsedUp ? { isUsedUp, count } : null));
};
