/**
 * The replica's side of the subject feed as a state machine without I/O: messages and clock readings go in, messages
 * and orders come out. It decides what is applied, when the lease is renewed and which organisation must be re-read.
 *
 * The rules are numbered as in the README of this service, "Following the subject log".
 */
import { createHash } from 'node:crypto';

import type { Cursor, Delta, FollowResponse, Grant, Hello, LogEntry, Renew } from '@sallyport/proto/identity/v1';

import { readStates } from './entry.ts';
import type { Lease, Reading } from './lease.ts';
import type { GroupChange, Standing, StandingState, SubjectChange } from './standing.ts';

/** One applied step, in order, for whoever writes it down. */
export type AppliedStep =
  | {
      readonly kind: 'entry';
      readonly orgId: string;
      readonly position: bigint;
      readonly subjects: readonly SubjectChange[];
      readonly groups: readonly GroupChange[];
    }
  | { readonly kind: 'state'; readonly orgId: string; readonly state: StandingState }
  | { readonly kind: 'forgotten'; readonly orgId: string }
  | { readonly kind: 'log'; readonly logId: string };

/** What somebody has to look at; the replica itself has already chosen the safe side. */
export type FeedAlarm =
  | 'gap'
  | 'digest-mismatch'
  | 'unknown-log'
  | 'head-behind'
  | 'poison-entry'
  | 'quarantined-subject'
  | 'buffer-overflow';

/** What the replica orders from its surroundings. */
export interface ReplicaPort {
  /** Start reading a snapshot; answer with {@link SubjectReplica.snapshotRead} or `snapshotFailed`. */
  requestSnapshot(orgId: string): void;
  /** The stream is of no more use: close it and connect again. */
  reconnect(reason: string): void;
  applied(step: AppliedStep): void;
  /** False while something decided before the last applied entries of the organisation is still on its way. */
  mayAcknowledge(orgId: string): boolean;
  alarm(alarm: FeedAlarm, orgId: string | null, detail: string): void;
}

interface Outstanding {
  readonly nonce: bigint;
  readonly sent: Reading;
  /** Applied positions at the moment of sending: the log cannot be shorter than this when it is read later. */
  readonly applied: readonly Cursor[];
}

/** An organisation that waits for its snapshot, and what was sent about it meanwhile. */
interface Resyncing {
  entries: LogEntry[];
  requested: boolean;
}

const PROTOCOL_VERSION = 1;
/** Entries kept for an organisation while its snapshot is on the way; one more and the snapshot is asked for again. */
const MAX_BUFFERED_ENTRIES = 10_000;
/** Renewals without an answer; more means that the other side does not answer at all. */
const MAX_OUTSTANDING = 16;

/** SHA-256 over "<org>:<position>\n" of every head, sorted by organisation id. */
export const digestOf = (heads: ReadonlyMap<string, bigint>): Buffer => {
  const hash = createHash('sha256');
  for (const orgId of [...heads.keys()].sort()) hash.update(`${orgId}:${String(heads.get(orgId))}\n`);
  return hash.digest();
};

export class SubjectReplica {
  readonly #standing: Standing;
  readonly #lease: Lease;
  readonly #port: ReplicaPort;
  readonly #heads = new Map<string, bigint>();
  readonly #floor = new Map<string, bigint>();
  readonly #resyncing = new Map<string, Resyncing>();
  readonly #changed = new Set<string>();
  #outstanding: Outstanding[] = [];
  #logId: string;
  #nonce = 0n;

  constructor(standing: Standing, lease: Lease, port: ReplicaPort, logId = '') {
    this.#standing = standing;
    this.#lease = lease;
    this.#port = port;
    this.#logId = logId;
  }

  /** Renewals that wait for their Grant. */
  get outstanding(): number {
    return this.#outstanding.length;
  }

  get logId(): string {
    return this.#logId;
  }

  /** Starts a new stream: what is applied so far, and nothing outstanding. */
  hello(replicaId: string, bootId: string): Hello {
    this.#heads.clear();
    this.#outstanding = [];
    this.#changed.clear();
    // Entries of a stream that broke before it named its log could be of any log.
    if (this.#logId === '') this.#forgetAll();
    const cursors = this.#standing
      .organizationIds()
      .map((orgId) => ({ orgId, position: this.#standing.position(orgId) }));
    for (const { orgId, position } of cursors) this.#floor.set(orgId, position);
    // A snapshot asked for on the stream before may have been lost with it, and so may entries.
    for (const orgId of this.#resyncing.keys()) this.#resync(orgId);
    return { replicaId, bootId, protocolVersion: PROTOCOL_VERSION, logId: this.#logId, cursors };
  }

  /** The next Renew, to be sent at once: the lease will count from now. Also acknowledges what was applied. */
  renew(): Renew {
    this.#nonce += 1n;
    // Where an organisation stands that is being re-read says nothing until the snapshot is in.
    const told = [...this.#changed].filter((orgId) => !this.#resyncing.has(orgId) && this.#port.mayAcknowledge(orgId));
    const applied = told.map((orgId) => ({ orgId, position: this.#standing.position(orgId) }));
    for (const orgId of told) this.#changed.delete(orgId);
    if (this.#outstanding.length >= MAX_OUTSTANDING) this.#port.reconnect('renewals stay without an answer');
    this.#outstanding.push({ nonce: this.#nonce, sent: this.#lease.reading(), applied });
    return { nonce: this.#nonce, applied };
  }

  receive({ message }: FollowResponse): void {
    if (message?.$case === 'delta') this.#delta(message.value);
    else if (message?.$case === 'grant') this.#grant(message.value);
    else if (message?.$case === 'resync') this.#resyncOrdered(message.value.orgId, message.value.reason);
    else this.#port.reconnect('a message that is none of the protocol');
  }

  /** A snapshot arrived: replaces what was known, then applies what was sent meanwhile. */
  snapshotRead(orgId: string, state: StandingState): void {
    const waiting = this.#resyncing.get(orgId);
    if (waiting === undefined) return;
    if (this.#logId !== '' && state.logId !== this.#logId) {
      this.#anotherLog(state.logId);
      return;
    }
    this.#follow(state.logId);
    this.#resyncing.delete(orgId);
    this.#standing.load(orgId, state);
    this.#changed.add(orgId);
    this.#port.applied({ kind: 'state', orgId, state });
    for (const entry of waiting.entries) if (!this.#entry(entry)) return;
    if (this.#standing.position(orgId) < (this.#heads.get(orgId) ?? 0n)) this.#resync(orgId);
    else this.#standing.markFresh(orgId);
  }

  /** The snapshot could not be read: the organisation stays stale, and the next Grant asks again. */
  snapshotFailed(orgId: string): void {
    const waiting = this.#resyncing.get(orgId);
    if (waiting !== undefined) waiting.requested = false;
  }

  /** True while the organisation waits for a snapshot. */
  isResyncing(orgId: string): boolean {
    return this.#resyncing.has(orgId);
  }

  // Rule 4: the next position is applied, an older one ignored, anything else is a gap.
  #delta({ entries }: Delta): void {
    for (const entry of entries) {
      const waiting = this.#resyncing.get(entry.orgId);
      if (waiting === undefined) this.#entry(entry);
      else if (waiting.entries.length < MAX_BUFFERED_ENTRIES) waiting.entries.push(entry);
      else {
        this.#port.alarm('buffer-overflow', entry.orgId, 'entries arrived faster than the snapshot');
        this.#resync(entry.orgId);
      }
    }
  }

  /** @returns false when the organisation has to be re-read */
  #entry(entry: LogEntry): boolean {
    const { orgId, position } = entry;
    const applied = this.#standing.position(orgId);
    if (position <= applied) return true;
    if (position !== applied + 1n) {
      this.#port.alarm('gap', orgId, `entry ${String(position)} after ${String(applied)}`);
      this.#resync(orgId);
      return false;
    }
    const read = readStates(entry);
    if (read === null) {
      this.#port.alarm('poison-entry', orgId, `entry ${String(position)} names nobody`);
      this.#resync(orgId);
      return false;
    }
    for (const subjectId of read.quarantined)
      this.#port.alarm('quarantined-subject', orgId, `subject ${subjectId} at ${String(position)}`);
    this.#standing.apply(orgId, position, read.subjects, read.groups);
    this.#changed.add(orgId);
    this.#port.applied({ kind: 'entry', orgId, position, subjects: read.subjects, groups: read.groups });
    return true;
  }

  // Rules 2 and 3: a Grant answers the Renew with its nonce, and counts from the moment that one was sent.
  #grant(grant: Grant): void {
    const renewal = this.#answered(grant.nonce);
    if (renewal === undefined) return;
    if (grant.logId !== this.#logId) {
      if (grant.logId === '') {
        this.#port.reconnect('a grant without a log id');
        return;
      }
      if (this.#logId !== '') {
        this.#anotherLog(grant.logId);
        return;
      }
      this.#follow(grant.logId);
    }
    const first = this.#heads.size === 0;
    for (const { orgId, position } of grant.heads) this.#heads.set(orgId, position);
    if (!digestOf(this.#heads).equals(grant.digest)) {
      this.#port.alarm('digest-mismatch', null, 'the heads do not add up');
      this.#heads.clear();
      this.#port.reconnect('digest mismatch');
      return;
    }
    if (first) this.#forgetMissing();
    for (const { orgId, position } of grant.heads) this.#compareHead(orgId, position);
    for (const [orgId, waiting] of this.#resyncing) if (!waiting.requested) this.#request(orgId, waiting);
    this.#lease.adopt(renewal.sent, grant.ttlMs);
  }

  /** The Renew a Grant answers; older ones are answered with it. Undefined for a nonce we never sent or have used. */
  #answered(nonce: bigint): Outstanding | undefined {
    const renewal = this.#outstanding.find((each) => each.nonce === nonce);
    if (renewal === undefined) return undefined;
    for (const older of this.#outstanding) {
      if (older.nonce > nonce) continue;
      for (const { orgId, position } of older.applied) this.#raiseFloor(orgId, position);
    }
    this.#outstanding = this.#outstanding.filter((each) => each.nonce > nonce);
    return renewal;
  }

  #raiseFloor(orgId: string, position: bigint): void {
    if (position > (this.#floor.get(orgId) ?? 0n)) this.#floor.set(orgId, position);
  }

  #compareHead(orgId: string, head: bigint): void {
    if (this.#resyncing.has(orgId)) return;
    const applied = this.#standing.position(orgId);
    if (applied < head) {
      this.#port.alarm('gap', orgId, `head ${String(head)}, applied ${String(applied)}`);
      this.#resync(orgId);
    } else if (head < (this.#floor.get(orgId) ?? 0n)) {
      // The log was longer when we acknowledged it: a restored or failed-over database.
      this.#port.alarm('head-behind', orgId, `head ${String(head)}, applied ${String(applied)}`);
      this.#resync(orgId);
    }
  }

  /** The first Grant of a stream carries every head: an organisation without one does not exist any more. */
  #forgetMissing(): void {
    for (const orgId of this.#standing.organizationIds()) {
      if (!this.#heads.has(orgId)) this.#forget(orgId);
    }
  }

  #resyncOrdered(orgId: string, reason: string): void {
    const orgIds = orgId === '' ? this.#standing.organizationIds() : [orgId];
    for (const each of orgIds) this.#resync(each);
    if (orgId === '') this.#port.alarm('unknown-log', null, reason);
  }

  // Rule 5: everything we hold belongs to a log that is gone.
  #anotherLog(logId: string): void {
    this.#port.alarm('unknown-log', null, `the feed follows log ${logId}, we hold ${this.#logId}`);
    this.#lease.drop();
    this.#logId = '';
    this.#forgetAll();
    this.#port.reconnect('another log');
  }

  #forgetAll(): void {
    for (const orgId of this.#standing.organizationIds()) this.#forget(orgId);
  }

  #forget(orgId: string): void {
    this.#standing.forget(orgId);
    this.#floor.delete(orgId);
    this.#resyncing.delete(orgId);
    this.#port.applied({ kind: 'forgotten', orgId });
  }

  #resync(orgId: string): void {
    this.#standing.markStale(orgId);
    this.#floor.delete(orgId);
    const waiting: Resyncing = { entries: [], requested: false };
    this.#resyncing.set(orgId, waiting);
    this.#request(orgId, waiting);
  }

  #request(orgId: string, waiting: Resyncing): void {
    waiting.requested = true;
    this.#port.requestSnapshot(orgId);
  }

  #follow(logId: string): void {
    if (this.#logId !== '') return;
    this.#logId = logId;
    this.#port.applied({ kind: 'log', logId });
  }
}
