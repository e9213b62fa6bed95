import { AppError } from '@sallyport/errors';
import type { Clock, Database, Unlisten } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { OrganizationIndex, RoleDefinition } from '../model/index.ts';
import { Lease } from '@sallyport/subject-feed';
import { Loads, inTime } from './loads.ts';
import type { RawOrganization, RawOrganizationChange } from './read-rows.ts';
import { Residents, type Built, type IndexStatus, type Rebuilt, type Step } from './residents.ts';
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
  /** ms after which the load of an organisation is given up; default 30 s, when the database gives it up too. */
  readonly maxLoadMs?: number;
  /** Told of every organisation whose index has just been built from nothing. */
  readonly onLoaded?: (orgId: string) => void;
}

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024;
const ORGANIZATIONS_PER_READ = 200;
/** A read of all heads and changes may take longer than a lease lasts; one that hangs must not hang for ever. */
const MIN_READ_MS = 5_000;
const DEFAULT_MAX_LOAD_MS = 30_000;
/** Loads in a row that came too late, because more was changed meanwhile than can be caught up with. */
const LOADS_IN_A_ROW = 3;

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
interface Fetched extends Step {
  readonly heads: GrantHeads;
  /** Organisations whose tokens were read anew, and those. */
  readonly moved: readonly string[];
  readonly tokens: Tokens;
  /** What was looked at of what had been built. */
  readonly looked: readonly Built[];
}

const canFollow = ({ revision, quarantined }: OrganizationIndex, head: bigint): boolean =>
  head > revision && head - revision <= MAX_CHANGES_BEHIND && quarantined.length === 0;

/**
 * What is known of grants, roles, scopes and decision tokens, and the lease under which it may be used.
 *
 * A lease is taken by reading every head on the primary; it counts from before that read, and only once everything the
 * heads name is known. So whatever was committed before is known, whatever comes later is unknown for less than the
 * ttl, and a database that cannot be read ends in denials. An organisation whose rows cannot be made sense of keeps its
 * last good index and gets no lease; the others go on.
 *
 * The index of an organisation is loaded when somebody asks for it (see {@link GrantKnowledge.ensure}), then kept up to
 * date by what changed, until memory is needed for others. Without an index there is no lease: nothing is decided from
 * what is not there, or there in part.
 *
 * Loads are made beside the reads, so that no organisation, however large, holds up the lease of the others. What has
 * been built waits outside until a read takes it along, together with what has changed since. An index that cannot be
 * brought to the head that was read is set aside at once, and its organisation loaded.
 */
export class GrantKnowledge {
  readonly #options: GrantKnowledgeOptions;
  readonly #lease: Lease;
  readonly #residents: Residents;
  readonly #loads = new Loads((orgIds) => this.#load(orgIds));
  /** What was built and is in no index yet. */
  readonly #arrived = new Map<string, Built>();
  /** Organisations whose last load failed. */
  readonly #unloaded = new Set<string>();
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
    await this.#loads.load(orgId);
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
   * Resolves when the snapshot holds everything committed before this call; an organisation that has to be loaded for
   * that has no index until it is. When it cannot be read, the lease is dropped instead: nothing is decided any more on
   * what is known to be old.
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
      await this.#loads.close();
      await this.#running.catch(() => undefined);
    };
  }

  async #read(): Promise<void> {
    const sent = this.#lease.reading();
    const fetched = await inTime(this.#fetch(), Math.max(this.#options.ttlMs, MIN_READ_MS));
    this.#swap(fetched);
    this.#lease.adopt(sent, this.#options.ttlMs);
    for (const { orgId } of fetched.built) if (this.#residents.has(orgId)) this.#options.onLoaded?.(orgId);
    for (const orgId of this.#toLoad()) this.#loads.load(orgId).catch(() => undefined);
  }

  #toLoad(): readonly string[] {
    const due = this.#residents.dueForCheck();
    return [...this.#residents.toLoad(this.#revisions), ...(due === undefined ? [] : [due.orgId])];
  }

  /** Builds the indexes of organisations and has them taken into force. Never rejects. */
  async #load(orgIds: readonly string[]): Promise<void> {
    try {
      let left = orgIds;
      for (let loads = 0; loads < LOADS_IN_A_ROW && left.length > 0; loads += 1) {
        await this.#loadOnce(left);
        for (const orgId of left) this.#unloaded.delete(orgId);
        left = left.filter(
          (orgId) => this.#revisions.has(orgId) && !this.#residents.has(orgId) && !this.#residents.isFailing(orgId),
        );
      }
    } catch (error) {
      const [orgId = '', ...others] = orgIds;
      // One of them may be what is wrong with all.
      if (others.length > 0) await Promise.all(orgIds.map(async (each) => await this.#load([each])));
      else {
        if (!this.#unloaded.has(orgId)) this.#options.logger.error({ err: error, orgId }, 'grants cannot be loaded');
        this.#unloaded.add(orgId);
      }
    }
  }

  async #loadOnce(orgIds: readonly string[]): Promise<void> {
    const { source, maxLoadMs = DEFAULT_MAX_LOAD_MS } = this.#options;
    const rows = await inTime(source.load(orgIds), maxLoadMs);
    const built: Built[] = [];
    try {
      for (const raw of rows) {
        const each = await this.#residents.build(raw);
        built.push(each);
        this.#arrived.set(each.orgId, each);
      }
      await this.refresh();
    } finally {
      // Without a read they would wait for nobody knows how long.
      for (const each of built) this.#forget(each);
    }
    const found = new Set(rows.map(({ orgId }) => orgId));
    if (orgIds.some((orgId) => !found.has(orgId) && this.#revisions.has(orgId)))
      throw new AppError('UNAVAILABLE', 'There are no such rows.');
  }

  /** Beside everything else: it takes long, and no decision waits for it. */
  #compare(rebuilt: Rebuilt): void {
    this.#residents.compare(rebuilt).catch((error: unknown) => {
      this.#options.logger.error({ err: error, orgId: rebuilt.index.orgId }, 'comparing failed');
    });
  }

  #forget(built: Built): void {
    if (this.#arrived.get(built.orgId) === built) this.#arrived.delete(built.orgId);
  }

  async #fetch(): Promise<Fetched> {
    const { source } = this.#options;
    const looked = [...this.#arrived.values()];
    const heads = await source.heads();
    if (heads.isRecovering) throw new AppError('UNAVAILABLE', 'Grants are read from the primary only.');
    const { revisions } = heads;
    const moved = [...revisions].filter(([id, revision]) => this.#revisions.get(id) !== revision).map(([id]) => id);
    const known = this.#known(revisions, looked);
    const changes = known.length === 0 ? [] : await source.changes(known);
    const tokens = moved.length === 0 ? [] : await source.tokens(moved);
    return { heads, moved, tokens, looked, ...this.#step(revisions, changes, looked) };
  }

  /** Of which organisations the changes have to be read, and since when. */
  #known(revisions: ReadonlyMap<string, bigint>, built: readonly Built[]): readonly KnownRevision[] {
    const oldest = new Map<string, bigint>();
    const residents = this.#residents.all().filter(({ orgId }) => !this.#residents.isFailing(orgId));
    const indexes = [...residents, ...built.flatMap(({ index }) => index ?? [])];
    for (const index of indexes) {
      const { orgId, revision } = index;
      const head = revisions.get(orgId);
      if (head === undefined || !canFollow(index, head)) continue;
      // What is applied twice does no harm: changes say how things stand now.
      const other = oldest.get(orgId) ?? revision;
      oldest.set(orgId, other < revision ? other : revision);
    }
    return [...oldest].map(([orgId, revision]) => ({ orgId, revision }));
  }

  /** Brings everything to the heads that were read, or finds what cannot be brought there. */
  #step(
    revisions: ReadonlyMap<string, bigint>,
    changes: readonly RawOrganizationChange[],
    arrived: readonly Built[],
  ): Step {
    const changeOf = new Map(changes.map((change) => [change.orgId, change]));
    const brought = (index: OrganizationIndex, head: bigint): OrganizationIndex | null => {
      if (index.revision === head) return index;
      const change = canFollow(index, head) ? changeOf.get(index.orgId) : undefined;
      return change === undefined ? null : this.#residents.patch(index, change);
    };
    const patched: OrganizationIndex[] = [];
    const outdated: string[] = [];
    for (const index of this.#residents.all()) {
      const head = revisions.get(index.orgId);
      // One without lease is loaded when its rows have moved.
      if (head === undefined || head === index.revision || this.#residents.isFailing(index.orgId)) continue;
      const next = brought(index, head);
      if (next === null) outdated.push(index.orgId);
      else patched.push(next);
    }
    const built = arrived.flatMap((each) => {
      const head = revisions.get(each.orgId);
      if (head === undefined) return [];
      if (each.index === null) return [each];
      const index = brought(each.index, head);
      return index === null ? [] : [{ ...each, index }];
    });
    return { patched, built, outdated };
  }

  /** Puts what was read in the place of what was known. */
  #swap({ heads: { revisions }, moved, tokens, looked, ...step }: Fetched): void {
    for (const each of looked) this.#forget(each);
    const { patched, built, outdated } = step;
    const steps = patched.length + built.length + outdated.length + moved.length;
    const isSame = steps === 0 && revisions.size === this.#revisions.size;
    this.#revisions = revisions;
    if (isSame) return;
    for (const rebuilt of this.#residents.swap(step, new Set(revisions.keys()))) this.#compare(rebuilt);
    const reread = new Set(moved);
    const kept = [...this.#snapshot.tokens].filter(([, { orgId }]) => revisions.has(orgId) && !reread.has(orgId));
    this.#snapshot = Object.freeze({
      organizations: new Map(this.#residents.all().map((index) => [index.orgId, index])),
      tokens: new Map([...kept, ...tokens.map((token) => [token.hash, token] as const)]),
    });
  }
}
