import {
  indexBytes,
  indexDigest,
  type OrganizationIndex,
  type PoisonRow,
  type RoleDefinition,
} from '../model/index.ts';
import type { Logger, Metrics } from '@sallyport/telemetry';
import { compileRaw, patchRaw, type RawOrganization, type RawOrganizationChange } from './read-rows.ts';

/** An index in memory. */
interface Resident {
  readonly index: OrganizationIndex;
  readonly bytes: number;
  /** Changes applied one by one since it was built from nothing. */
  readonly patches: number;
  usedAt: number;
}

/** Why an organisation has no usable index at a revision. */
interface Failure {
  readonly revision: bigint;
  readonly poison: readonly PoisonRow[];
}

/** How things stand with the index of one organisation. */
export interface IndexStatus {
  /** `held`: the newest rows could not be made sense of; the last good index stays, and nothing is decided by it. */
  readonly state: 'current' | 'held';
  readonly index: OrganizationIndex | undefined;
  readonly bytes: number;
  readonly quarantined: readonly PoisonRow[];
}

export interface ResidentsOptions {
  readonly roles: readonly RoleDefinition[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Bytes all indexes together may take; those unused for longest are dropped and read again when they are asked for. */
  readonly maxBytes: number;
}

/** After so many changes one by one, an index is compared with one built from nothing. */
const PATCHES_BEFORE_CHECK = 100;

/** Everything read of the database for one step; nothing of it is in force before {@link Residents.next} is swapped in. */
export interface Read {
  readonly whole: readonly RawOrganization[];
  readonly changes: readonly RawOrganizationChange[];
}

/**
 * The indexes in memory, one per organisation that was asked for. Each step builds the next set beside the present one;
 * it comes into force by one assignment, and whoever decides by an index keeps that index.
 */
export class Residents {
  readonly #options: ResidentsOptions;
  readonly #failures = new Map<string, Failure>();
  readonly #gauges;
  #residents: ReadonlyMap<string, Resident> = new Map();
  /** What changes come to, made once and taken into force later. */
  readonly #patches = new WeakMap<RawOrganizationChange, OrganizationIndex | null>();
  #tick = 0;

  constructor(options: ResidentsOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#gauges = {
      quarantined: metrics.gauge({
        name: 'quarantined_rows_count',
        help: 'Policy rows that make no sense and are left out or hold up their organisation',
      }),
      bytes: metrics.gauge({ name: 'index_memory_bytes', help: 'What the indexes in memory take' }),
      residents: metrics.gauge({ name: 'index_organizations_count', help: 'Organisations whose index is in memory' }),
      drift: metrics.counter({
        name: 'index_drift_total',
        help: 'Indexes that were not what a build from nothing makes; must be 0',
      }),
      evicted: metrics.counter({ name: 'index_evictions_total', help: 'Indexes dropped to stay within the memory' }),
    };
  }

  get size(): number {
    return this.#residents.size;
  }

  get(orgId: string): OrganizationIndex | undefined {
    const resident = this.#residents.get(orgId);
    if (resident === undefined) return undefined;
    resident.usedAt = this.#tick += 1;
    return resident.index;
  }

  has(orgId: string): boolean {
    return this.#residents.has(orgId);
  }

  isFailing(orgId: string): boolean {
    return this.#failures.size > 0 && this.#failures.has(orgId);
  }

  /** True when nothing newer is to be had: the index is of this revision, or rows of it cannot be made sense of. */
  isSettled(orgId: string, revision: bigint): boolean {
    return this.#residents.get(orgId)?.index.revision === revision || this.#failures.get(orgId)?.revision === revision;
  }

  /** Organisations whose newest rows could not be made sense of. */
  failing(): readonly string[] {
    return [...this.#failures.keys()];
  }

  all(): readonly OrganizationIndex[] {
    return [...this.#residents.values()].map(({ index }) => index);
  }

  /** An index that has been changed often enough to be compared with one built from nothing. */
  dueForCheck(): OrganizationIndex | undefined {
    return [...this.#residents.values()].find(({ patches }) => patches >= PATCHES_BEFORE_CHECK)?.index;
  }

  status(orgId: string): IndexStatus {
    const resident = this.#residents.get(orgId);
    const failure = this.#failures.get(orgId);
    return {
      state: failure === undefined ? 'current' : 'held',
      index: resident?.index,
      bytes: resident?.bytes ?? 0,
      quarantined: failure?.poison ?? resident?.index.quarantined ?? [],
    };
  }

  /** Organisations whose changes cannot be applied to what is there: they have to be read whole. */
  unpatchable(changes: readonly RawOrganizationChange[]): readonly string[] {
    return changes.filter((change) => this.#patched(change) === null).map(({ orgId }) => orgId);
  }

  /** Takes what was read into force; organisations that are not among `known` any more are forgotten. */
  swap(read: Read, known: ReadonlySet<string>): void {
    const next = new Map([...this.#residents].filter(([orgId]) => known.has(orgId)));
    for (const orgId of this.#failures.keys()) if (!known.has(orgId)) this.#failures.delete(orgId);
    const fresh = new Set<string>();
    for (const change of read.changes) {
      const index = this.#patched(change);
      if (index !== null) this.#put(next, index, (next.get(change.orgId)?.patches ?? 0) + 1);
    }
    for (const raw of read.whole) {
      const index = this.#compiled(raw);
      if (index === null) continue;
      this.#compare(next.get(raw.orgId), index);
      this.#put(next, index, 0);
      fresh.add(raw.orgId);
    }
    this.#evict(next, fresh);
    this.#residents = next;
    this.#report();
  }

  #put(next: Map<string, Resident>, index: OrganizationIndex, patches: number): void {
    this.#failures.delete(index.orgId);
    next.set(index.orgId, { index, patches, bytes: indexBytes(index), usedAt: (this.#tick += 1) });
  }

  #patched(change: RawOrganizationChange): OrganizationIndex | null {
    const known = this.#patches.get(change);
    if (known !== undefined) return known;
    const index = this.#residents.get(change.orgId)?.index;
    const patched = index === undefined ? null : patchRaw(index, change, this.#options.roles);
    this.#patches.set(change, patched);
    return patched;
  }

  /** Of the same revision there is one truth: what was changed step by step must be what is built from nothing. */
  #compare(resident: Resident | undefined, rebuilt: OrganizationIndex): void {
    if (resident === undefined || resident.patches === 0 || resident.index.revision !== rebuilt.revision) return;
    if (indexDigest(resident.index) === indexDigest(rebuilt)) return;
    this.#gauges.drift.inc();
    const { orgId, revision } = rebuilt;
    this.#options.logger.error({ orgId, revision: String(revision) }, 'the index was not what a new build makes');
  }

  #compiled(raw: RawOrganization): OrganizationIndex | null {
    const { orgId, revision } = raw;
    const { logger } = this.#options;
    const compiled = this.#tryCompile(raw);
    const poison = compiled.ok ? compiled.index.quarantined : compiled.poison;
    for (const row of poison) logger.error({ orgId, revision, row }, 'a policy row makes no sense');
    if (compiled.ok) return compiled.index;
    logger.error({ orgId, revision }, 'no index could be built: the organisation is denied');
    this.#failures.set(orgId, { revision: BigInt(revision), poison });
    return null;
  }

  #tryCompile(raw: RawOrganization): ReturnType<typeof compileRaw> {
    try {
      return compileRaw(raw, this.#options.roles);
    } catch (error) {
      this.#options.logger.error({ err: error, orgId: raw.orgId }, 'compiling failed');
      return { ok: false, poison: [] };
    }
  }

  /** Drops what was not used for longest; what was just read was asked for, and stays. */
  #evict(next: Map<string, Resident>, fresh: ReadonlySet<string>): void {
    let bytes = [...next.values()].reduce((sum, resident) => sum + resident.bytes, 0);
    if (bytes <= this.#options.maxBytes) return;
    const byUse = [...next].sort(([, left], [, right]) => left.usedAt - right.usedAt);
    for (const [orgId, resident] of byUse) {
      if (bytes <= this.#options.maxBytes) return;
      if (fresh.has(orgId)) continue;
      next.delete(orgId);
      bytes -= resident.bytes;
      this.#gauges.evicted.inc();
    }
  }

  #report(): void {
    const residents = [...this.#residents.values()];
    const held = [...this.#failures.values()].reduce((sum, { poison }) => sum + Math.max(1, poison.length), 0);
    this.#gauges.quarantined.set(residents.reduce((sum, { index }) => sum + index.quarantined.length, held));
    this.#gauges.bytes.set(residents.reduce((sum, { bytes }) => sum + bytes, 0));
    this.#gauges.residents.set(residents.length);
  }
}
