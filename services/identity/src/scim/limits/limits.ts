import { AppError } from '@sallyport/errors';
import type { Clock } from '@sallyport/storage';
import type { Metrics } from '@sallyport/telemetry';

import { addressKey } from '../../throttle/index.ts';
import { FairGate } from './fair-gate.ts';
import type { Urgency } from './fair-scheduler.ts';
import { TokenBuckets } from './token-bucket.ts';

export interface ScimLimitSettings {
  /** Requests per second of one connection. */
  readonly scimRate: number;
  readonly scimBurst: number;
  /** Requests served at the same time. */
  readonly scimConcurrency: number;
  /** Requests of one organisation that may wait for their turn. */
  readonly scimQueue: number;
  /** Look-ups of credentials nobody has used before, per second and address. */
  readonly scimUnknownRate: number;
}

/** What is remembered of a credential that has worked: enough to count a request before the database is asked. */
export interface KnownCredential {
  readonly orgId: string;
  readonly connectionId: string;
  readonly class: 'scim_token' | 'scim_client';
  readonly id: string;
}

const MAX_KNOWN = 10_000;
/** Of a connection's burst, what reads leave for writes: whoever imports everything can still deactivate somebody. */
const KEPT_FOR_WRITES = 1 / 5;
/** One organisation alone leaves this part of the slots to the others. */
const RESERVED = 1 / 4;
const UNKNOWN_BURST_SECONDS = 5;

const limited = (waitMs: number, detail: string): AppError =>
  new AppError('RATE_LIMITED', detail, { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) });

const WRITES: ReadonlySet<string> = new Set(['PATCH', 'PUT', 'DELETE']);

/** Changes of what exists, deactivations among them, go before reads and creations of the same organisation. */
export const urgencyOf = (method: string): Urgency => (WRITES.has(method) ? 'urgent' : 'normal');

/**
 * What keeps one directory from crowding out another, in the memory of this process: a bucket per connection, one per
 * address for credentials that have not worked yet, and fair turns among organisations.
 */
export class ScimLimits {
  readonly gate: FairGate;
  readonly #connections: TokenBuckets;
  /** What is not urgent, counted by operations: a Bulk request is many, and holds up no deactivation after it. */
  readonly #operations: TokenBuckets;
  readonly #addresses: TokenBuckets;
  readonly #known = new Map<string, KnownCredential>();
  readonly #keptForWrites: number;
  readonly #clock: Clock;
  readonly #refusals;

  constructor(settings: ScimLimitSettings, { clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    const { scimRate, scimBurst, scimConcurrency: slots, scimQueue: maxQueued, scimUnknownRate } = settings;
    this.#clock = clock;
    this.#connections = new TokenBuckets({ ratePerSecond: scimRate, burst: scimBurst });
    this.#operations = new TokenBuckets({ ratePerSecond: scimRate, burst: scimBurst });
    this.#addresses = new TokenBuckets({
      ratePerSecond: scimUnknownRate,
      burst: scimUnknownRate * UNKNOWN_BURST_SECONDS,
    });
    this.#keptForWrites = Math.floor(scimBurst * KEPT_FOR_WRITES);
    const requests = metrics.gauge({
      name: 'scim_requests_count',
      help: 'SCIM requests being served and waiting for their turn.',
      labels: ['state'],
    });
    this.gate = new FairGate({ slots, reserved: Math.floor(slots * RESERVED), maxQueued }, ({ running, waiting }) => {
      requests.set({ state: 'running' }, running);
      requests.set({ state: 'waiting' }, waiting);
    });
    this.#refusals = metrics.counter({
      name: 'scim_requests_limited_total',
      help: 'SCIM requests answered 429, by what was exceeded.',
      labels: ['limit'],
    });
  }

  /** The credential with this hash, if it has worked in this process; it decides nothing but whose request this is. */
  known(hash: Buffer): KnownCredential | undefined {
    return this.#known.get(hash.toString('base64'));
  }

  remember(hash: Buffer, { orgId, connectionId, class: kind, id }: KnownCredential): void {
    const key = hash.toString('base64');
    this.#known.delete(key);
    this.#known.set(key, { orgId, connectionId, class: kind, id });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }

  forget(hash: Buffer): void {
    this.#known.delete(hash.toString('base64'));
  }

  /** @throws RATE_LIMITED when the connection sends more than its rate, or its organisation has too many waiting */
  admit({ orgId, connectionId }: KnownCredential, method: string): void {
    const waitMs = this.#take(connectionId, urgencyOf(method));
    if (waitMs > 0) {
      this.#refusals.inc({ limit: 'connection' });
      throw limited(waitMs, 'The connection sends more requests than it may.');
    }
    try {
      this.gate.requireRoom(orgId);
    } catch (error) {
      this.#refusals.inc({ limit: 'queue' });
      throw error;
    }
  }

  /** Counts the operations of a Bulk request beyond the first. It is carried out; what is not urgent after it waits. */
  charge({ connectionId }: Pick<KnownCredential, 'connectionId'>, operations: number): void {
    this.#operations.charge(connectionId, this.#clock.monotonicMs(), operations);
  }

  #take(connectionId: string, urgency: Urgency): number {
    const nowMs = this.#clock.monotonicMs();
    if (urgency === 'urgent') return this.#connections.take(connectionId, nowMs);
    const waitMs = this.#connections.take(connectionId, nowMs, this.#keptForWrites);
    if (waitMs > 0) return waitMs;
    const owedMs = this.#operations.take(connectionId, nowMs);
    if (owedMs > 0) this.#connections.giveBack(connectionId);
    return owedMs;
  }

  /** Before a credential nobody knows is looked up. @throws RATE_LIMITED when too many came from this address */
  admitUnknown(ip: string): void {
    const waitMs = this.#addresses.take(addressKey(ip), this.#clock.monotonicMs());
    if (waitMs === 0) return;
    this.#refusals.inc({ limit: 'address' });
    throw limited(waitMs, 'Too many requests without a valid credential came from this address.');
  }

  /** The unknown credential was a good one: it does not count against its address. */
  forgive(ip: string): void {
    this.#addresses.giveBack(addressKey(ip));
  }
}
