import { setImmediate } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';
import type { DataKey, Keyring } from '@sallyport/keyring';
import { newId, type Clock, type Database, type Statement, type Validity, type WriteTx } from '@sallyport/storage';
import type { EntityManager } from 'typeorm';

import type { AuditContext, AuditedTx, AuditEvent, AuditReceipt } from './event.ts';
import { entryBody } from './leaf.ts';
import {
  createAuditOrganization,
  findActorKey,
  findEntries,
  insertEntries,
  logSize,
  newSubjectKeys,
  subjectKeys,
  type EntryToInsert,
} from './store.ts';
import { toRecords, type AuditFilter, type AuditRecord } from './view.ts';

export interface AuditLogOptions {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly clock: Clock;
  /** Name of the deployment: first part of every log's origin. */
  readonly deployment: string;
  /** Name of the service: last part of the origin. */
  readonly service: string;
}

export interface MutationResult<T> {
  readonly value: T;
  /** One per entry, in the order recorded. Empty when nothing was changed. */
  readonly receipts: readonly AuditReceipt[];
}

export interface AuditLog {
  /**
   * Runs a mutation and appends its entries in the same transaction: both commit or neither does.
   * @throws AUDIT_MISSING when the work neither recorded an entry nor said that nothing was changed.
   */
  mutate<T>(context: AuditContext, work: (tx: AuditedTx) => Promise<T>): Promise<MutationResult<T>>;
  /** Records an attempt that was refused, in a transaction of its own. */
  recordDenied(context: AuditContext, event: AuditEvent): Promise<AuditReceipt | undefined>;
  /** Pre-creates the log of a new organisation, in the transaction that creates the organisation. */
  createOrganization(tx: WriteTx, orgId: string): Promise<void>;
  list(orgId: string, filter: AuditFilter): Promise<AuditRecord[]>;
  /** All entries up to the size the log had when the export began, as JSON Lines, in index order. */
  exportLines(orgId: string, range?: { readonly after?: bigint; readonly until?: bigint }): AsyncIterable<string>;
  /** Number of entries; indexes run from 0 without a gap. */
  size(orgId: string): Promise<bigint>;
}

const EXPORT_PAGE = 500;

/** Entries built in one turn of the event loop, and sent in one flight: a long list of members is many large entries. */
const ENTRIES_AT_ONCE = 8;
/** Entries that are sent in one flight, and with COMMIT, when they are small. */
const SMALL_ENTRIES_AT_ONCE = 16;
const SMALL_BYTES = 128 * 1024;

/** Entries that are ready to be sent, in their order. */
interface Prepared {
  readonly append: () => Promise<AuditReceipt[]>;
  /** One statement sends all of them. */
  readonly isOneFlight: boolean;
}

class Recording implements Pick<AuditedTx, 'record' | 'unchanged' | 'last' | 'atCommit' | 'createSubjectKeys'> {
  readonly events: { readonly event: AuditEvent; readonly context: AuditContext }[] = [];
  readonly kept: (() => Promise<void>)[] = [];
  /** Keys of new subjects on their way to the database. */
  readonly stored: Promise<void>[] = [];
  /** Keys that were asked for ahead. */
  readonly keys: Promise<ReadonlyMap<string, DataKey>>[] = [];
  readonly #context: AuditContext;
  readonly #newKeys: (subjectIds: readonly string[]) => ReturnType<typeof newSubjectKeys>;
  readonly lastWork: Parameters<AuditedTx['last']>[0][] = [];
  saidUnchanged = false;

  constructor(context: AuditContext, newKeys: (subjectIds: readonly string[]) => ReturnType<typeof newSubjectKeys>) {
    this.#context = context;
    this.#newKeys = newKeys;
  }

  createSubjectKeys(newSubjectIds: readonly string[]): void {
    const { keys, stored } = this.#newKeys(newSubjectIds);
    this.expect(Promise.resolve(keys));
    // Nothing waits for them but COMMIT.
    stored.catch(() => undefined);
    this.stored.push(stored);
  }

  expect(keys: Promise<ReadonlyMap<string, DataKey>>): void {
    // Whoever needs them hears of it; a mutation that fails first does not.
    keys.catch(() => undefined);
    this.keys.push(keys);
  }

  record(event: AuditEvent, context: AuditContext = this.#context): void {
    const { orgId, actor } = this.#context;
    if (context.orgId !== orgId || context.actor.id !== actor.id)
      throw new TypeError('an entry names another organisation or actor than its transaction');
    this.events.push({ event, context });
  }

  unchanged(): void {
    this.saidUnchanged = true;
  }

  last(work: Parameters<AuditedTx['last']>[0]): void {
    this.lastWork.push(work);
  }

  atCommit(send: () => Promise<void>): void {
    this.kept.push(send);
  }
}

const auditedTx = (tx: WriteTx, context: AuditContext, recording: Recording): AuditedTx =>
  ({
    orgId: context.orgId,
    audit: context,
    get manager(): EntityManager {
      return tx.manager;
    },
    query: async <Row extends object>(sql: string | Statement, params?: readonly unknown[]) =>
      await tx.query<Row>(sql, params),
    fence: (decision: Validity) => {
      tx.fence(decision);
    },
    record: (event: AuditEvent, of?: AuditContext) => {
      recording.record(event, of);
    },
    unchanged: () => {
      recording.unchanged();
    },
    last: (work: Parameters<AuditedTx['last']>[0]) => {
      recording.last(work);
    },
    atCommit: (send: () => Promise<void>) => {
      recording.atCommit(send);
    },
    createSubjectKeys: (newSubjectIds: readonly string[]) => {
      recording.createSubjectKeys(newSubjectIds);
    },
  }) as unknown as AuditedTx;

class PostgresAuditLog implements AuditLog {
  readonly #options: AuditLogOptions;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  async mutate<T>(context: AuditContext, work: (tx: AuditedTx) => Promise<T>): Promise<MutationResult<T>> {
    let receipts: readonly AuditReceipt[] = [];
    const value = await this.#options.db.unauditedWrite(context.orgId, 'audited below', async (tx) => {
      const { keyring } = this.#options;
      const recording = new Recording(context, (ids) => newSubjectKeys(tx, keyring, context.orgId, ids));
      // The actor's key travels with the first statement of the work.
      if (context.ip !== undefined || context.userAgent !== undefined)
        recording.expect(findActorKey(tx, keyring, context.orgId, context.actor.id));
      const result = await work(auditedTx(tx, context, recording));
      if (recording.events.length === 0 && !recording.saidUnchanged) {
        throw new AppError('AUDIT_MISSING', 'A mutation without an audit entry was rolled back.');
      }
      const { append, isOneFlight } = await this.#prepare(tx, context, recording).catch(async (error: unknown) => {
        // Of a transaction that has failed already, the first error is the cause.
        await Promise.all(recording.stored);
        throw error;
      });
      if (recording.lastWork.length === 0 && isOneFlight) {
        // The head's lock is held from here to COMMIT, without a round trip in between.
        tx.atCommit(async () => {
          const appended = append();
          await Promise.all([...recording.stored, appended, ...recording.kept.map((send) => send())]);
          receipts = await appended;
        });
        return result;
      }
      receipts = await append();
      await Promise.all(recording.stored);
      for (const last of recording.lastWork) await last(tx, receipts);
      for (const send of recording.kept) tx.atCommit(send);
      return result;
    });
    return { value, receipts };
  }

  async recordDenied(context: AuditContext, event: AuditEvent): Promise<AuditReceipt | undefined> {
    const { receipts } = await this.mutate(context, async (tx) => {
      tx.record({ ...event, outcome: event.outcome ?? 'denied' });
      await Promise.resolve();
    });
    return receipts[0];
  }

  async createOrganization(tx: WriteTx, orgId: string): Promise<void> {
    const { deployment, service } = this.#options;
    await createAuditOrganization(tx, orgId, `${deployment}/o/${orgId}/${service}`);
  }

  async list(orgId: string, filter: AuditFilter): Promise<AuditRecord[]> {
    return await this.#options.db.read(orgId, async (tx) => {
      return await toRecords(tx, this.#options.keyring, orgId, await findEntries(tx, orgId, filter));
    });
  }

  async *exportLines(
    orgId: string,
    range: { readonly after?: bigint; readonly until?: bigint } = {},
  ): AsyncIterable<string> {
    const size = await this.size(orgId);
    const end = range.until === undefined || range.until > size ? size : range.until;
    let after = range.after ?? -1n;
    while (after < end - 1n) {
      const left = end - 1n - after;
      const limit = left < BigInt(EXPORT_PAGE) ? Number(left) : EXPORT_PAGE;
      const records = await this.list(orgId, { after, limit });
      const last = records.at(-1);
      if (last === undefined) throw new AppError('INTERNAL', `Audit entry ${String(after + 1n)} is missing.`);
      for (const record of records) yield `${JSON.stringify(record)}\n`;
      after = BigInt(last.index);
    }
  }

  async size(orgId: string): Promise<bigint> {
    const head = await this.#options.db.read(orgId, async (tx) => await logSize(tx, orgId));
    if (head === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    return head.size;
  }

  /** Everything that can be done before the head is locked; what is returned sends the entries, in their order. */
  async #prepare(tx: WriteTx, context: AuditContext, { events, keys: foreseen }: Recording): Promise<Prepared> {
    const at = this.#options.clock.now();
    const { keyring } = this.#options;
    const entries: EntryToInsert[] = [];
    for (const [number, { event, context: of }] of events.entries()) {
      const entryId = newId();
      if (number > 0 && number % ENTRIES_AT_ONCE === 0) await setImmediate();
      entries.push({ orgId: context.orgId, entryId, body: entryBody({ id: entryId, at, context: of, event }) });
    }
    const known = new Map((await Promise.all(foreseen)).flatMap((part) => [...part]));
    const subjects = entries.flatMap(({ body }) => body.openings.map(({ subjectId }) => subjectId));
    const others = subjects.filter((id) => !known.has(id));
    const keys = new Map([...known, ...(await subjectKeys(tx, keyring, context.orgId, others))]);
    const isSmall = entries.reduce((bytes, { body }) => bytes + body.bytes.length, 0) <= SMALL_BYTES;
    const atOnce = isSmall ? SMALL_ENTRIES_AT_ONCE : ENTRIES_AT_ONCE;
    const append = async (): Promise<AuditReceipt[]> => {
      const receipts: AuditReceipt[] = [];
      for (let from = 0; from < entries.length; from += atOnce) {
        const part = entries.slice(from, from + atOnce);
        receipts.push(...(await insertEntries(tx, keyring, keys, part)));
      }
      return receipts;
    };
    return { append, isOneFlight: entries.length <= atOnce };
  }
}

/** The audit log of one service, over its database and keyring. */
export const createAuditLog = (options: AuditLogOptions): AuditLog => new PostgresAuditLog(options);
