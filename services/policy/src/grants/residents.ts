import {
  indexBytes,
  isSameSteps,
  type Compiled,
  type OrganizationIndex,
  type PoisonRow,
  type RoleDefinition,
} from '../model/index.ts';
import type { Clock } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';
import { inTurns } from '../turns/index.ts';
import { compileRawSteps, patchRaw, type RawOrganization, type RawOrganizationChange } from './read-rows.ts';

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
  /**
   * `held`: the newest rows could not be made sense of, or are being loaded; the last good index stays, and nothing is
   * decided by it.
   */
  readonly state: 'current' | 'held';
  readonly index: OrganizationIndex | undefined;
  readonly bytes: number;
  readonly quarantined: readonly PoisonRow[];
}

export interface ResidentsOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly roles: readonly RoleDefinition[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Bytes all indexes together may take; those unused for longest are dropped and read again when they are asked for. */
  readonly maxBytes: number;
}

/** After so many changes one by one, an index is compared with one built from nothing. */
const PATCHES_BEFORE_CHECK = 100;

/** What came of building an index from nothing. */
export interface Built {
  readonly orgId: string;
  /** Of the rows. */
  readonly revision: bigint;
  /** Null: the rows could not be made sense of. */
  readonly index: OrganizationIndex | null;
  readonly poison: readonly PoisonRow[];
}

/** An index that was changed step by step, and the one of the same revision that was built from nothing instead. */
export interface Rebuilt {
  readonly before: OrganizationIndex;
  readonly index: OrganizationIndex;
}

/** The next step; nothing of it is in force before {@link Residents.swap}. */
export interface Step {
  /** Indexes in memory with what has changed. */
  readonly patched: readonly OrganizationIndex[];
  readonly built: readonly Built[];
  /** Organisations whose index is old, and could not be patched. */
  readonly outdated: readonly string[];
}

/** Of the same revision there is one truth: what was changed step by step must be what is built from nothing. */
const isComparable = (before: Resident | undefined, index: OrganizationIndex): before is Resident =>
  before !== undefined && before.patches > 0 && before.index.revision === index.revision;

/**
 * The indexes in memory, one per organisation that was asked for. Each step builds the next set beside the present one;
 * it comes into force by one assignment, and whoever decides by an index keeps that index.
 */
export class Residents {
  readonly #options: ResidentsOptions;
  readonly #failures = new Map<string, Failure>();
  readonly #gauges;
  #residents: ReadonlyMap<string, Resident> = new Map();
  /** Old indexes whose organisations are being loaded: nothing is decided by them. */
  readonly #outdated = new Map<string, Resident>();
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

  /** Organisations that have to be loaded: their index is old, or rows made no sense and have moved since. */
  toLoad(revisions: ReadonlyMap<string, bigint>): readonly string[] {
    const moved = [...this.#failures].filter(([orgId, { revision }]) => revisions.get(orgId) !== revision);
    return [...this.#outdated.keys(), ...moved.map(([orgId]) => orgId)];
  }

  all(): readonly OrganizationIndex[] {
    return [...this.#residents.values()].map(({ index }) => index);
  }

  /** An index that has been changed often enough to be compared with one built from nothing. */
  dueForCheck(): OrganizationIndex | undefined {
    return [...this.#residents.values()].find(({ patches }) => patches >= PATCHES_BEFORE_CHECK)?.index;
  }

  status(orgId: string): IndexStatus {
    const outdated = this.#outdated.get(orgId);
    const resident = this.#residents.get(orgId) ?? outdated;
    const failure = this.#failures.get(orgId);
    return {
      state: failure === undefined && outdated === undefined ? 'current' : 'held',
      index: resident?.index,
      bytes: resident?.bytes ?? 0,
      quarantined: failure?.poison ?? resident?.index.quarantined ?? [],
    };
  }

  /** The index after a change; null when the organisation has to be loaded. */
  patch(index: OrganizationIndex, change: RawOrganizationChange): OrganizationIndex | null {
    try {
      return patchRaw(index, change, this.#options.roles);
    } catch (error) {
      this.#options.logger.error({ err: error, orgId: index.orgId }, 'patching failed');
      return null;
    }
  }

  /** An index made from nothing. It is in nobody's way, and not in force before {@link Residents.swap}. */
  async build(raw: RawOrganization): Promise<Built> {
    const { orgId, revision } = raw;
    const { logger } = this.#options;
    const compiled = await this.#tryCompile(raw);
    const poison = compiled.ok ? compiled.index.quarantined : compiled.poison;
    for (const row of poison) logger.error({ orgId, revision, row }, 'a policy row makes no sense');
    if (!compiled.ok) logger.error({ orgId, revision }, 'no index could be built: the organisation is denied');
    return { orgId, revision: BigInt(revision), index: compiled.ok ? compiled.index : null, poison };
  }

  /**
   * Takes a step into force; organisations that are not among `known` any more are forgotten.
   *
   * @returns what has to be compared, see {@link Residents.compare}
   */
  swap({ patched, built, outdated }: Step, known: ReadonlySet<string>): readonly Rebuilt[] {
    const next = new Map([...this.#residents].filter(([orgId]) => known.has(orgId)));
    for (const some of [this.#failures, this.#outdated])
      for (const orgId of some.keys()) if (!known.has(orgId)) some.delete(orgId);
    for (const orgId of outdated) this.#setAside(next, orgId);
    for (const index of patched) this.#put(next, index, (next.get(index.orgId)?.patches ?? 0) + 1);
    const fresh = new Set<string>();
    const rebuilt: Rebuilt[] = [];
    for (const each of built) {
      const { orgId, revision, index } = each;
      if (index === null) {
        this.#hold(next, each);
        continue;
      }
      const before = next.get(orgId);
      if (isComparable(before, index)) rebuilt.push({ before: before.index, index });
      this.#put(next, index, index.revision === revision ? 0 : 1);
      fresh.add(orgId);
    }
    this.#evict(next, fresh);
    this.#residents = next;
    this.#report();
    return rebuilt;
  }

  #setAside(next: Map<string, Resident>, orgId: string): void {
    const resident = next.get(orgId);
    if (resident === undefined) return;
    next.delete(orgId);
    this.#outdated.set(orgId, resident);
  }

  /** The last good index stays, and nothing is decided by it. */
  #hold(next: Map<string, Resident>, { orgId, revision, poison }: Built): void {
    const last = this.#outdated.get(orgId);
    if (last !== undefined) next.set(orgId, last);
    this.#outdated.delete(orgId);
    this.#failures.set(orgId, { revision, poison });
  }

  #put(next: Map<string, Resident>, index: OrganizationIndex, patches: number): void {
    this.#failures.delete(index.orgId);
    this.#outdated.delete(index.orgId);
    next.set(index.orgId, { index, patches, bytes: indexBytes(index), usedAt: (this.#tick += 1) });
  }

  /** Sounds the alarm when the two are not the same. */
  async compare({ before, index }: Rebuilt): Promise<void> {
    if (await inTurns(isSameSteps(before, index), this.#options.clock)) return;
    this.#gauges.drift.inc();
    const { orgId, revision } = index;
    this.#options.logger.error({ orgId, revision: String(revision) }, 'the index was not what a new build makes');
  }

  async #tryCompile(raw: RawOrganization): Promise<Compiled> {
    try {
      return await inTurns(compileRawSteps(raw, this.#options.roles), this.#options.clock);
    } catch (error) {
      this.#options.logger.error({ err: error, orgId: raw.orgId }, 'compiling failed');
      return { ok: false, poison: [] };
    }
  }

  /** Drops what was not used for longest; what was just read was asked for, and stays. */
  #evict(next: Map<string, Resident>, fresh: ReadonlySet<string>): void {
    let bytes = [...next.values(), ...this.#outdated.values()].reduce((sum, resident) => sum + resident.bytes, 0);
    for (const [orgId, resident] of this.#outdated) {
      if (bytes <= this.#options.maxBytes) return;
      this.#outdated.delete(orgId);
      bytes -= resident.bytes;
    }
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
    this.#gauges.bytes.set([...residents, ...this.#outdated.values()].reduce((sum, { bytes }) => sum + bytes, 0));
    this.#gauges.residents.set(residents.length);
  }
}
