import { AppError } from '@sallyport/errors';
import type { Clock, Database, Unlisten } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { OrganizationIndex, RoleDefinition } from '../model/index.ts';
import { Lease } from '@sallyport/subject-feed';
import { compileRaw, type RawOrganization } from './read-rows.ts';
import { EMPTY_SNAPSHOT, type DecisionToken, type PolicySnapshot } from './snapshot.ts';
import { GRANTS_CHANNEL, readHeads, readOrganizations, type GrantHeads } from './store.ts';

export type LoadedOrganization = RawOrganization & { readonly tokens: readonly DecisionToken[] };

/** Where rows come from; the tests put one in its place that lies and fails. */
export interface GrantSource {
  heads(): Promise<GrantHeads>;
  load(orgIds: readonly string[]): Promise<readonly LoadedOrganization[]>;
}

export interface GrantKnowledgeOptions {
  readonly source: GrantSource;
  readonly roles: readonly RoleDefinition[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** ms a read may be acted upon, counted from its beginning. */
  readonly ttlMs: number;
}

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

/** The rows of policy's own database. */
export const databaseSource = (db: Database): GrantSource => ({
  heads: async () => await db.readAcrossOrganizations('heads of all organisations', readHeads),
  load: async (orgIds) => {
    const found: LoadedOrganization[] = [];
    for (let from = 0; from < orgIds.length; from += ORGANIZATIONS_PER_READ) {
      const some = orgIds.slice(from, from + ORGANIZATIONS_PER_READ);
      found.push(
        ...(await db.readAcrossOrganizations('index is built', async (tx) => await readOrganizations(tx, some))),
      );
    }
    return found;
  },
});

/**
 * What is known of grants, roles, scopes and decision tokens: an immutable snapshot, and the lease under which it may
 * be used.
 *
 * A lease is taken by reading every head on the primary; it counts from before that read, and only once everything the
 * heads name is in the snapshot. So whatever was committed before is known, whatever comes later is unknown for less
 * than the ttl, and a database that cannot be read ends in denials. An organisation whose rows cannot be made sense of
 * keeps its last good index and gets no lease; the others go on.
 */
export class GrantKnowledge {
  readonly #options: GrantKnowledgeOptions;
  readonly #lease: Lease;
  /** Organisations without a usable index at the revision named. */
  readonly #failing = new Map<string, bigint>();
  readonly #quarantined;
  #snapshot: PolicySnapshot = EMPTY_SNAPSHOT;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isDown = false;

  constructor(options: GrantKnowledgeOptions) {
    this.#options = options;
    this.#lease = new Lease(options.clock, options.ttlMs);
    this.#quarantined = options.metrics.gauge({
      name: 'quarantined_rows_count',
      help: 'Policy rows that make no sense and are left out or hold up their organisation',
    });
  }

  get snapshot(): PolicySnapshot {
    return this.#snapshot;
  }

  organization(orgId: string): OrganizationIndex | undefined {
    return this.#snapshot.organizations.get(orgId);
  }

  /** ms for which the snapshot may be used for this organisation; 0: not at all. */
  forMs(orgId: string): number {
    return this.#failing.has(orgId) ? 0 : this.#lease.remainingMs();
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
    const { heads, loaded, changed } = await inTime(this.#fetch(), Math.max(this.#options.ttlMs, MIN_READ_MS));
    if (changed > 0 || heads.revisions.size !== this.#snapshot.organizations.size) this.#swap(heads, loaded);
    this.#lease.adopt(sent, this.#options.ttlMs);
  }

  async #fetch(): Promise<{ heads: GrantHeads; changed: number; loaded: readonly LoadedOrganization[] }> {
    const heads = await this.#options.source.heads();
    if (heads.isRecovering) throw new AppError('UNAVAILABLE', 'Grants are read from the primary only.');
    const orgIds = [...heads.revisions].filter(([id, revision]) => !this.#isKnown(id, revision)).map(([id]) => id);
    const loaded = orgIds.length === 0 ? [] : await this.#options.source.load(orgIds);
    return { heads, changed: orgIds.length, loaded };
  }

  #isKnown(orgId: string, revision: bigint): boolean {
    return this.#snapshot.organizations.get(orgId)?.revision === revision || this.#failing.get(orgId) === revision;
  }

  /** Builds the next snapshot beside the present one and puts it in its place by one assignment. */
  #swap(heads: GrantHeads, loaded: readonly LoadedOrganization[]): void {
    const organizations = new Map([...this.#snapshot.organizations].filter(([orgId]) => heads.revisions.has(orgId)));
    const tokens = new Map(
      [...this.#snapshot.tokens].filter(
        ([, { orgId }]) => heads.revisions.has(orgId) && !loaded.some((each) => each.orgId === orgId),
      ),
    );
    for (const orgId of this.#failing.keys()) if (!heads.revisions.has(orgId)) this.#failing.delete(orgId);
    for (const raw of loaded) {
      const index = this.#compile(raw);
      if (index !== null) organizations.set(raw.orgId, index);
      for (const token of raw.tokens) tokens.set(token.hash, { ...token, orgId: raw.orgId });
    }
    this.#snapshot = Object.freeze({ organizations, tokens });
    this.#quarantined.set(
      [...organizations.values()].reduce((count, { quarantined }) => count + quarantined.length, this.#failing.size),
    );
  }

  #compile(raw: LoadedOrganization): OrganizationIndex | null {
    const { orgId, revision } = raw;
    const compiled = this.#tryCompile(raw);
    const poison = compiled.ok ? compiled.index.quarantined : compiled.poison;
    for (const row of poison) this.#options.logger.error({ orgId, revision, row }, 'a policy row makes no sense');
    if (compiled.ok) {
      this.#failing.delete(orgId);
      return compiled.index;
    }
    this.#options.logger.error({ orgId, revision }, 'no index could be built: the organisation is denied');
    this.#failing.set(orgId, BigInt(revision));
    return null;
  }

  #tryCompile(raw: LoadedOrganization): ReturnType<typeof compileRaw> {
    try {
      return compileRaw(raw, this.#options.roles);
    } catch (error) {
      this.#options.logger.error({ err: error, orgId: raw.orgId }, 'compiling failed');
      return { ok: false, poison: [] };
    }
  }
}
