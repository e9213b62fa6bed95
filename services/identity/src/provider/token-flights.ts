import { Batcher, sqlState, type Database, type ReadTx, type WriteTx } from '@sallyport/storage';

import { findClientsById, type ShownClient } from './client-store.ts';
import { insertScimAccessToken, insertScimAccessTokens, type ScimIssue } from './scim-access-token-store.ts';
import {
  findTogether,
  insertIssued,
  insertIssuedTogether,
  type FoundTogether,
  type Issued,
  type IssueResult,
  type Shown,
} from './token-store.ts';
import {
  insertWorkloadToken,
  insertWorkloadTokens,
  type WorkloadIssue,
  type WorkloadIssueResult,
} from './workload-token-store.ts';

const WHY_READ = 'neither a client id nor a token names its organisation';
const WHY_WRITE = 'state of the OpenID Provider; grants are audited';
const ALL = 'all-organizations';

/** As many as PostgreSQL still does in a few milliseconds. */
const MAX_TOGETHER = 32;
/** Of a kind: most of what a flight costs is its going, so what comes meanwhile goes together. */
const MAX_RUNNING = 1;

/** How something is done for several at once, and for one alone. */
interface Ways<Item, Result> {
  /** Null: has to be done alone. What it throws has changed nothing. */
  readonly together: (items: readonly Item[]) => Promise<readonly (Result | null)[]>;
  readonly alone: (item: Item) => Promise<Result>;
}

/**
 * Does together what is asked for at the same time, and alone what cannot be done together: beside the flights, where
 * what it waits for keeps nobody else waiting. An error of the database that one of them caused is not that of the others:
 * each is done alone then.
 */
const inCompany = <Item, Result>({ together, alone }: Ways<Item, Result>): ((item: Item) => Promise<Result>) => {
  const batches = new Batcher<Item, { readonly value: Result } | null>({
    maxSize: MAX_TOGETHER,
    maxRunning: MAX_RUNNING,
    run: async (items) => {
      try {
        const results = await together(items);
        return results.map((value) => (value === null ? null : { value }));
      } catch (error) {
        // Whoever got no answer from the database does not know what it did: that is not tried again.
        if (sqlState(error) === undefined) throw error;
        return items.map(() => null);
      }
    },
  });
  return async (item) => {
    const done = await batches.add('', item);
    return done === null ? await alone(item) : done.value;
  };
};

/**
 * The flights of the token endpoint to the database. What requests ask for side by side goes in one statement, which
 * reads at a moment after each of them came and judges each by itself; nothing waits for company.
 */
export class TokenFlights {
  readonly findClient: (id: string) => Promise<ShownClient | undefined>;
  readonly findTogether: (key: Shown) => Promise<FoundTogether>;
  /** See {@link insertIssued}. */
  readonly issue: (issued: Issued) => Promise<IssueResult>;
  /** See {@link insertScimAccessToken}. */
  readonly issueToDirectory: (issue: ScimIssue) => Promise<boolean>;
  /** See {@link insertWorkloadToken}. */
  readonly issueToWorkload: (issue: WorkloadIssue) => Promise<WorkloadIssueResult>;

  constructor({ db, clock }: { readonly db: Database; readonly clock: { now(): Date } }) {
    const read = async <T>(work: (tx: ReadTx) => Promise<T>): Promise<T> =>
      await db.readOneAcrossOrganizations(WHY_READ, work);
    const write = async <T>(work: (tx: WriteTx) => Promise<T>): Promise<T> =>
      await db.unauditedWriteOne(ALL, WHY_WRITE, work);
    /** Of what is read, one is a crowd of one. */
    const reading = <Item, Result>(
      find: (tx: ReadTx, items: readonly Item[]) => Promise<readonly Result[]>,
    ): ((item: Item) => Promise<Result>) => {
      const together = async (items: readonly Item[]) => await read(async (tx) => await find(tx, items));
      return inCompany({ together, alone: async (item) => (await together([item]))[0] as Result });
    };
    const findClient = reading<string, ShownClient | undefined>(findClientsById);
    this.findClient = findClient;
    this.findTogether = reading(async (tx, keys) => await findTogether(tx, keys, clock.now()));
    this.issue = inCompany({
      together: async (all) => await write(async (tx) => await insertIssuedTogether(tx, all)),
      alone: async (issued) => await write(async (tx) => await insertIssued(tx, issued)),
    });
    this.issueToDirectory = inCompany({
      together: async (all) => await write(async (tx) => await insertScimAccessTokens(tx, all)),
      alone: async (issue) => await write(async (tx) => await insertScimAccessToken(tx, issue)),
    });
    this.issueToWorkload = inCompany({
      together: async (all) => await write(async (tx) => await insertWorkloadTokens(tx, all)),
      alone: async (issue) => await write(async (tx) => await insertWorkloadToken(tx, issue)),
    });
  }
}
