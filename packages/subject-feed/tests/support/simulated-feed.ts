/**
 * A feed, a network and two clocks in one thread of pretended time, around the real replica. Faults are steps of a
 * script; after every step the staleness promise is checked against what was really committed when.
 */
import type { FollowResponse, LogEntry, SubjectState } from '@sallyport/proto/identity/v1';

import { Lease } from '../../src/lease.ts';
import { SubjectReplica, digestOf, type AppliedStep, type FeedAlarm } from '../../src/replica.ts';
import { Standing, type StandingState } from '../../src/standing.ts';

export const TTL_MS = 1_000;
const RENEWAL_MS = 200;

export type SimulationStep =
  /** Time passes everywhere. */
  | { readonly kind: 'pass'; readonly ms: number }
  /** A commit in the database: the subject becomes active or not. */
  | { readonly kind: 'commit'; readonly org: number; readonly subject: number; readonly active: boolean }
  /** From now on messages take this long, each way. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** Nothing arrives any more, silently, until the cut ends. */
  | { readonly kind: 'cut'; readonly on: boolean }
  /** The stream breaks and is opened again. */
  | { readonly kind: 'reset' }
  /** The next delta is lost, sent twice, or held back behind the next message. */
  | { readonly kind: 'delta'; readonly fault: 'lose' | 'duplicate' | 'delay' }
  /** The replica's machine is suspended: its monotonic clock stands still. */
  | { readonly kind: 'suspend'; readonly ms: number }
  /** The replica's wall clock is set. */
  | { readonly kind: 'wall'; readonly ms: number }
  /** The database is restored to an earlier state; its log is another one from then on. */
  | { readonly kind: 'restore'; readonly org: number; readonly back: number };

interface Committed {
  readonly entry: LogEntry;
  readonly atMs: number;
}

interface InFlight {
  readonly dueMs: number;
  readonly deliver: () => void;
}

const orgName = (org: number): string => `org-${String(org)}`;
const subjectName = (subject: number): string => `subject-${String(subject)}`;

export class SimulatedFeed {
  readonly standing = new Standing();
  readonly lease: Lease;
  readonly replica: SubjectReplica;
  readonly alarms: FeedAlarm[] = [];
  readonly applied: AppliedStep[] = [];
  readonly #logs = new Map<string, Committed[]>();
  #inFlight: InFlight[] = [];
  #nowMs = 0;
  #replicaMonotonicMs = 10_000;
  #replicaWallMs = 1_700_000_000_000;
  #latencyMs = 5;
  #isCut = false;
  #deltaFault: 'lose' | 'duplicate' | 'delay' | null = null;
  #stream = 0;
  #logNumber = 1;
  #renewAtMs = 0;
  #reconnectAtMs: number | null = null;
  #sentUpTo = new Map<string, bigint>();
  #sentHeads = new Map<string, bigint>();

  constructor(lease?: (clock: { now(): Date; monotonicMs(): number }) => Lease) {
    const clock = { now: () => new Date(this.#replicaWallMs), monotonicMs: () => this.#replicaMonotonicMs };
    this.lease = lease?.(clock) ?? new Lease(clock, TTL_MS);
    this.replica = new SubjectReplica(this.standing, this.lease, {
      requestSnapshot: (orgId) => {
        this.#requestSnapshot(orgId);
      },
      reconnect: () => {
        this.#reconnectAtMs ??= this.#nowMs + 50;
      },
      applied: (step) => this.applied.push(step),
      mayAcknowledge: () => true,
      alarm: (alarm) => this.alarms.push(alarm),
    });
    for (const org of [0, 1]) this.#logs.set(orgName(org), []);
    this.#connect();
  }

  run(step: SimulationStep): void {
    switch (step.kind) {
      case 'pass':
        this.#advance(step.ms, true);
        break;
      case 'commit':
        this.#commit(step.org, step.subject, step.active);
        break;
      case 'latency':
        this.#latencyMs = step.ms;
        break;
      case 'cut':
        this.#isCut = step.on;
        break;
      case 'reset':
        this.#connect();
        break;
      case 'delta':
        this.#deltaFault = step.fault;
        break;
      case 'suspend':
        this.#suspend(step.ms);
        break;
      case 'wall':
        this.#replicaWallMs += step.ms;
        break;
      case 'restore':
        this.#restore(step.org, step.back);
        break;
    }
  }

  /** Ends every fault and lets time pass: afterwards the replica must know everything again. */
  heal(): void {
    this.#isCut = false;
    this.#latencyMs = 5;
    this.#deltaFault = null;
    this.#connect();
    this.#advance(5_000, true);
  }

  /** Subjects the replica would let pass although they were deactivated more than `boundMs` ago. */
  staleAllowances(boundMs: number): readonly string[] {
    if (this.lease.remainingMs() <= 0) return [];
    const found: string[] = [];
    for (const [orgId, log] of this.#logs) {
      if (this.standing.isStale(orgId)) continue;
      for (const subject of [0, 1, 2]) {
        const known = this.standing.find(orgId, subjectName(subject));
        if (known?.active === true && this.#deactivatedSince(log, subjectName(subject), known.epoch, boundMs))
          found.push(`${orgId}/${subjectName(subject)}`);
      }
    }
    return found;
  }

  /** True when the replica may decide and knows exactly what is committed. */
  isCurrent(): boolean {
    if (this.lease.remainingMs() <= 0) return false;
    return [...this.#logs].every(([orgId, log]) => {
      if (this.standing.isStale(orgId) || this.standing.position(orgId) !== BigInt(log.length)) return false;
      return [0, 1, 2].every((subject) => {
        const last = lastState(log, subjectName(subject));
        const known = this.standing.find(orgId, subjectName(subject));
        return known?.active === last?.active && known?.epoch === last?.epoch;
      });
    });
  }

  #deactivatedSince(log: readonly Committed[], subjectId: string, epoch: bigint, boundMs: number): boolean {
    return log.some(
      ({ entry, atMs }) =>
        atMs + boundMs < this.#nowMs &&
        entry.subjects.some((each) => each.subjectId === subjectId && each.epoch > epoch),
    );
  }

  #commit(org: number, subject: number, active: boolean): void {
    const log = this.#logs.get(orgName(org)) ?? [];
    const subjectId = subjectName(subject);
    const epoch = (lastState(log, subjectId)?.epoch ?? 0n) + 1n;
    const state: SubjectState = { subjectId, type: 1, active, epoch, groupIds: [], deleted: false };
    const entry: LogEntry = {
      orgId: orgName(org),
      position: BigInt(log.length + 1),
      cause: 'account.changed',
      subjects: [state],
      groups: [],
      requestId: '',
      committedAt: undefined,
    };
    log.push({ entry, atMs: this.#nowMs });
    this.#sendDeltas();
  }

  #restore(org: number, back: number): void {
    const log = this.#logs.get(orgName(org));
    if (log !== undefined) log.length = Math.max(0, log.length - back);
    this.#logNumber += 1;
    // The service restarts with its database.
    this.#connect();
  }

  #logId(): string {
    return `log-${String(this.#logNumber)}`;
  }

  #suspend(ms: number): void {
    this.#replicaWallMs += ms;
    this.#advance(ms, false);
  }

  #advance(ms: number, isAwake: boolean): void {
    const endMs = this.#nowMs + ms;
    while (this.#nowMs < endMs) {
      const stepMs = Math.min(10, endMs - this.#nowMs);
      this.#nowMs += stepMs;
      if (!isAwake) continue;
      this.#replicaMonotonicMs += stepMs;
      this.#replicaWallMs += stepMs;
      this.#turn();
    }
  }

  #turn(): void {
    if (this.#reconnectAtMs !== null && this.#nowMs >= this.#reconnectAtMs) this.#connect();
    if (this.#nowMs >= this.#renewAtMs) this.#renew();
    const due = this.#inFlight.filter(({ dueMs }) => dueMs <= this.#nowMs);
    this.#inFlight = this.#inFlight.filter(({ dueMs }) => dueMs > this.#nowMs);
    for (const { deliver } of due) deliver();
  }

  #connect(): void {
    this.#stream += 1;
    this.#reconnectAtMs = null;
    this.#inFlight = [];
    const hello = this.replica.hello('replica', 'boot');
    this.#sentUpTo = new Map();
    this.#sentHeads = new Map();
    this.#transmit(() => {
      for (const { orgId, position } of hello.cursors) this.#sentUpTo.set(orgId, position);
      this.#sendDeltas();
    });
    this.#renew();
  }

  #renew(): void {
    this.#renewAtMs = this.#nowMs + RENEWAL_MS;
    const { nonce } = this.replica.renew();
    this.#transmit(() => {
      this.#answer(nonce);
    });
  }

  // One read of all heads after the Renew arrived; deltas up to it go out first.
  #answer(nonce: bigint): void {
    const heads = new Map([...this.#logs].map(([orgId, log]) => [orgId, BigInt(log.length)]));
    this.#sendDeltas();
    const changed = [...heads].filter(([orgId, position]) => this.#sentHeads.get(orgId) !== position);
    this.#sentHeads = heads;
    this.#send({
      $case: 'grant',
      value: {
        nonce,
        logId: this.#logId(),
        heads: changed.map(([orgId, position]) => ({ orgId, position })),
        digest: digestOf(heads),
        ttlMs: TTL_MS,
      },
    });
  }

  #sendDeltas(): void {
    for (const [orgId, log] of this.#logs) {
      const from = this.#sentUpTo.get(orgId) ?? 0n;
      const entries = log.slice(Number(from)).map(({ entry }) => entry);
      if (entries.length === 0) continue;
      this.#sentUpTo.set(orgId, BigInt(log.length));
      const fault = this.#deltaFault;
      this.#deltaFault = null;
      if (fault === 'lose') continue;
      this.#send({ $case: 'delta', value: { entries } }, fault === 'delay' ? 30 : 0);
      if (fault === 'duplicate') this.#send({ $case: 'delta', value: { entries } });
    }
  }

  #send(message: NonNullable<FollowResponse['message']>, extraMs = 0): void {
    this.#transmit(() => {
      this.replica.receive({ message });
    }, extraMs);
  }

  #transmit(deliver: () => void, extraMs = 0): void {
    const stream = this.#stream;
    if (this.#isCut) return;
    this.#inFlight.push({
      dueMs: this.#nowMs + this.#latencyMs + extraMs,
      deliver: () => {
        if (stream === this.#stream) deliver();
      },
    });
  }

  #requestSnapshot(orgId: string): void {
    if (this.#isCut) {
      this.#inFlight.push({
        dueMs: this.#nowMs + 300,
        deliver: () => {
          this.replica.snapshotFailed(orgId);
        },
      });
      return;
    }
    const readAtMs = this.#nowMs + this.#latencyMs;
    this.#inFlight.push({
      dueMs: readAtMs,
      deliver: () => {
        const state = this.#state(orgId);
        this.#inFlight.push({
          dueMs: this.#nowMs + this.#latencyMs,
          deliver: () => {
            this.replica.snapshotRead(orgId, state);
          },
        });
      },
    });
  }

  #state(orgId: string): StandingState {
    const log = this.#logs.get(orgId) ?? [];
    const subjects = [0, 1, 2].flatMap((subject) => {
      const last = lastState(log, subjectName(subject));
      if (last === undefined) return [];
      const standing = { type: 'user' as const, active: last.active, epoch: last.epoch, groupIds: [] };
      return [{ subjectId: last.subjectId, standing }];
    });
    return { position: BigInt(log.length), logId: this.#logId(), subjects, groups: [] };
  }
}

const lastState = (log: readonly Committed[], subjectId: string): SubjectState | undefined =>
  log.flatMap(({ entry }) => entry.subjects).findLast((state) => state.subjectId === subjectId);
