import { AppError } from '@sallyport/errors';
import type { Clock, Database, Unlisten } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { OrganizationIndex, RoleDefinition } from '../model/index.ts';
import { Lease } from '@sallyport/subject-feed';
import type { RawOrganization, RawOrganizationChange } from './read-rows.ts';
import { Residents, type IndexStatus, type Read } from './residents.ts';
import { EMPTY_SNAPSHOT, type DecisionToken, type PolicySnapshot } from './snapshot.ts';
import {
  GRANTS_CHANNEL,
  MAX_CHANGES_BEHIND,
  readChanges,
  readHeads,
  readOrganizations,
  readTokens,
  type GrantHeads,
  type KnownRevision,
} from './store.ts';

/** Where rows come from; the tests put one in its place that lies and fails. */
export interface GrantSource {
  heads(): Promise<GrantHeads>;
  /** Everything of these organisations. */
  load(orgIds: readonly string[]): Promise<readonly RawOrganization[]>;
  /** What changed in these organisations since the revisions they are known at. */
  changes(known: readonly KnownRevision[]): Promise<readonly RawOrganizationChange[]>;
  tokens(orgIds: readonly string[]): Promise<readonly (DecisionToken & { readonly orgId: string })[]>;
}

export interface GrantKnowledgeOptions {
  readonly source: GrantSource;
  readonly roles: readonly RoleDefinition[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** ms a read may be acted upon, counted from its beginning. */
  readonly ttlMs: number;
  /** See ResidentsOptions; default 512 MiB. */
  readonly maxBytes?: number;
  /** Told of every organisation whose index has just been built from nothing. */
  readonly onLoaded?: (orgId: string) => void;
}

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024;
const ORGANIZATIONS_PER_READ = 200;
/** A read of everything at start may take longer than a lease lasts; one that hangs must not hang for ever. */
const MIN_READ_MS = 5_000;

const inTime = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new AppError('UNAVAILABLE', 'The database does not answer in time.'));
  }, ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // Whatever becomes of it now, nobody waits for it any more.
    work.catch(() => undefined);
  }
};

const inParts = async <T, R>(
  items: readonly T[],
  read: (part: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> => {
  const found: R[] = [];
  for (let from = 0; from < items.length; from += ORGANIZATIONS_PER_READ)
    found.push(...(await read(items.slice(from, from + ORGANIZATIONS_PER_READ))));
  return found;
};

/** The rows of policy's own database. */
export const databaseSource = (db: Database): GrantSource => ({
  heads: async () => await db.readAcrossOrganizations('heads of all organisations', readHeads),
  load: async (orgIds) =>
    await inParts(
      orgIds,
      async (some) =>
        await db.readAcrossOrganizations('index is built', async (tx) => await readOrganizations(tx, some)),
    ),
  changes: async (known) =>
    await inParts(
      known,
      async (some) => await db.readAcrossOrganizations('index is changed', async (tx) => await readChanges(tx, some)),
    ),
  tokens: async (orgIds) =>
    await inParts(
      orgIds,
      async (some) => await db.readAcrossOrganizations('tokens are loaded', async (tx) => await readTokens(tx, some)),
    ),
});

type Tokens = readonly (DecisionToken & { readonly orgId: string })[];

/** What one read brought. */
interface Fetched extends Read {
  readonly heads: GrantHeads;
  /** Organisations whose tokens were read anew, and those. */
  readonly moved: readonly string[];
  readonly tokens: Tokens;
}

/**
 * What is known of grants, roles, scopes and decision tokens, and the lease under which it may be used.
 *
 * A lease is taken by reading every head on the primary; it counts from before that read, and only once everything the
 * heads name is known. So whatever was committed before is known, whatever comes later is unknown for less than the
 * ttl, and a database that cannot be read ends in denials. An organisation whose rows cannot be made sense of keeps its
 * last good index and gets no lease; the others go on.
 *
 * The index of an organisation is read when somebody asks for it (see {@link GrantKnowledge.ensure}), then kept up to
 * date by what changed, until memory is needed for others. Without an index there is no lease: nothing is decided from
 * what is not there, or there in part.
 */
export class GrantKnowledge {
  readonly #options: GrantKnowledgeOptions;
  readonly #lease: Lease;
  readonly #residents: Residents;
  /** Organisations somebody waits for. */
  readonly #wanted = new Set<string>();
  #revisions: ReadonlyMap<string, bigint> = new Map();
  #snapshot: PolicySnapshot = EMPTY_SNAPSHOT;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isDown = false;

  constructor(options: GrantKnowledgeOptions) {
    this.#options = options;
    this.#lease = new Lease(options.clock, options.ttlMs);
    this.#residents = new Residents({ maxBytes: DEFAULT_MAX_BYTES, ...options });
  }

  get snapshot(): PolicySnapshot {
    return this.#snapshot;
  }

  /** The index, while it is in memory: see {@link GrantKnowledge.ensure}. */
  organization(orgId: string): OrganizationIndex | undefined {
    return this.#residents.get(orgId);
  }

  status(orgId: string): IndexStatus {
    return this.#residents.status(orgId);
  }

  /**
   * Resolves when the organisation's index is in memory, or cannot be had: then decisions say that they are stale. To be
   * awaited before anything is decided for an organisation; at once when the index is there.
   */
  async ensure(orgId: string): Promise<void> {
    if (this.#residents.has(orgId) || this.#residents.isFailing(orgId) || !this.#revisions.has(orgId)) return;
    this.#wanted.add(orgId);
    await this.refresh().catch(() => undefined);
  }

  /** ms for which the index of this organisation may be used; 0: not at all. */
  forMs(orgId: string): number {
    if (this.#residents.isFailing(orgId)) return 0;
    return this.#residents.has(orgId) || !this.#revisions.has(orgId) ? this.#lease.remainingMs() : 0;
  }

  /** {@link GrantKnowledge.forMs} with what the caller has just read of index and clock. */
  forMsAt(orgId: string, index: OrganizationIndex | undefined, monotonicMs: number, wallMs: number): number {
    if (this.#residents.isFailing(orgId) || (index === undefined && this.#revisions.has(orgId))) return 0;
    return this.#lease.remainingMsAt(monotonicMs, wallMs);
  }

  /** ms for which the snapshot may be used at all. */
  remainingMs(): number {
    return this.#lease.remainingMs();
  }

  /** Reads again, beginning after this call. @throws UNAVAILABLE when the database cannot be read */
  async refresh(): Promise<void> {
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(async () => {
        this.#queued = null;
        this.#running = this.#read();
        await this.#running;
      });
    await this.#queued;
  }

  /**
   * Resolves when the snapshot holds everything committed before this call. When it cannot be read, the lease is
   * dropped instead: nothing is decided any more on what is known to be old.
   */
  async settled(): Promise<void> {
    try {
      await this.refresh();
    } catch {
      this.#lease.drop();
    }
  }

  /** Reads at once, then every `everyMs` and at every wake-up. */
  async start(db: Pick<Database, 'listen'>, everyMs: number): Promise<Unlisten> {
    const refresh = (): void => {
      this.refresh().then(
        () => {
          if (this.#isDown) this.#options.logger.info('grants can be read again');
          this.#isDown = false;
        },
        (error: unknown) => {
          if (!this.#isDown) this.#options.logger.error({ err: error }, 'grants cannot be read');
          this.#isDown = true;
        },
      );
    };
    refresh();
    this.#timer = setInterval(refresh, everyMs);
    const unlisten = await db.listen(GRANTS_CHANNEL, refresh, refresh);
    return async () => {
      clearInterval(this.#timer);
      await unlisten();
      await this.#running.catch(() => undefined);
    };
  }

  async #read(): Promise<void> {
    const sent = this.#lease.reading();
    const fetched = await inTime(this.#fetch(), Math.max(this.#options.ttlMs, MIN_READ_MS));
    this.#swap(fetched);
    this.#lease.adopt(sent, this.#options.ttlMs);
    for (const { orgId } of fetched.whole) if (this.#residents.has(orgId)) this.#options.onLoaded?.(orgId);
  }

  async #fetch(): Promise<Fetched> {
    const { source } = this.#options;
    // Whoever asks from here on is served by the next read.
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    const heads = await source.heads();
    if (heads.isRecovering) throw new AppError('UNAVAILABLE', 'Grants are read from the primary only.');
    const { revisions } = heads;
    const moved = [...revisions].filter(([id, revision]) => this.#revisions.get(id) !== revision).map(([id]) => id);
    const { known, orgIds } = this.#toRead(revisions, wanted);
    const changes = known.length === 0 ? [] : await source.changes(known);
    const unpatchable = new Set(this.#residents.unpatchable(changes));
    const whole = [...orgIds, ...unpatchable];
    return {
      heads,
      moved,
      tokens: moved.length === 0 ? [] : await source.tokens(moved),
      changes: changes.filter(({ orgId }) => !unpatchable.has(orgId)),
      whole: whole.length === 0 ? [] : await source.load(whole),
    };
  }

  /** What has to be read: by its changes where the log of changes reaches back, else whole. */
  #toRead(
    revisions: ReadonlyMap<string, bigint>,
    wanted: readonly string[],
  ): { readonly known: readonly KnownRevision[]; readonly orgIds: readonly string[] } {
    const known: KnownRevision[] = [];
    // What could not be built is tried again once its rows have moved, whether or not somebody waits for it.
    const orgIds = new Set(
      [...wanted, ...this.#residents.failing()].filter((orgId) => {
        const revision = revisions.get(orgId);
        return revision !== undefined && !this.#residents.isSettled(orgId, revision);
      }),
    );
    for (const { orgId, revision, quarantined } of this.#residents.all()) {
      const head = revisions.get(orgId);
      if (head === undefined || this.#residents.isSettled(orgId, head)) continue;
      const isNear = head > revision && head - revision <= MAX_CHANGES_BEHIND;
      if (isNear && quarantined.length === 0 && !orgIds.has(orgId)) known.push({ orgId, revision });
      else orgIds.add(orgId);
    }
    const due = this.#residents.dueForCheck();
    if (due !== undefined && revisions.get(due.orgId) === due.revision) orgIds.add(due.orgId);
    return { known, orgIds: [...orgIds] };
  }

  /** Puts what was read in the place of what was known. */
  #swap({ heads: { revisions }, moved, tokens, whole, changes }: Fetched): void {
    const isSame = whole.length + changes.length + moved.length === 0 && revisions.size === this.#revisions.size;
    this.#revisions = revisions;
    if (isSame) return;
    this.#residents.swap({ whole, changes }, new Set(revisions.keys()));
    const reread = new Set(moved);
    const kept = [...this.#snapshot.tokens].filter(([, { orgId }]) => revisions.has(orgId) && !reread.has(orgId));
    this.#snapshot = Object.freeze({
      organizations: new Map(this.#residents.all().map((index) => [index.orgId, index])),
      tokens: new Map([...kept, ...tokens.map((token) => [token.hash, token] as const)]),
    });
  }
}
