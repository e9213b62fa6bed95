import { AppError } from '@sallyport/errors';
import type { Cursor, FollowResponse, Hello, Renew } from '@sallyport/proto/identity/v1';

import { toLogEntryMessage } from './message.ts';
import type { LogEntry } from './entry.ts';
import type { Heads } from './heads.ts';
import type { LeaseRegistry, Replica } from './lease-registry.ts';

/** Of the feed; a follower that speaks another one is refused. */
export const PROTOCOL_VERSION = 1;
/** A replica further behind takes a snapshot instead. */
export const MAX_BACKLOG = 1_000n;
/** Upper bound for the states of one Delta, far below the message limit. */
const MAX_STATES_PER_DELTA = 1_000;

/** Where a session's messages go. */
export interface FeedTransport {
  /** Queues a message; false when the stream is over or its buffer is full (it is dropped then). */
  offer(message: FollowResponse): boolean;
}

export type ReadEntries = (range: { orgId: string; after: bigint; until: bigint }) => Promise<readonly LogEntry[]>;

interface OrgState {
  /** Everything up to here was sent, or applied by the replica on its own (snapshot). */
  sent: bigint;
  /** A Resync was sent: nothing more until the replica says where it stands. */
  resyncing: boolean;
}

const positionsOf = (cursors: readonly Cursor[]): [string, bigint][] =>
  cursors.map(({ orgId, position }) => [orgId, position]);

/**
 * The feed's side of one stream: what was sent, what may be granted. Pure but for the transport; the hub decides when
 * heads are read and calls {@link FeedSession.deliver} with what one read answered.
 *
 * @see revocation.md §6
 */
export class FeedSession {
  readonly replica: Replica;
  readonly #transport: FeedTransport;
  readonly #logId: string;
  readonly #orgs = new Map<string, OrgState>();
  readonly #claimed: Map<string, bigint>;
  /** After a Resync of everything each organisation waits for the replica's word. */
  #everythingResyncing = false;
  #pendingNonce: bigint | undefined;
  /** A Renew moved a position since the last delivery began. */
  #moved = false;
  #delivered: Heads | undefined;
  #granted: Heads | undefined;
  #open = true;

  /** @throws INVALID_REQUEST for a Hello nobody can follow */
  constructor(hello: Hello, transport: FeedTransport, logId: string) {
    if (hello.protocolVersion !== PROTOCOL_VERSION)
      throw new AppError('INVALID_REQUEST', `This feed speaks version ${String(PROTOCOL_VERSION)} of its protocol.`);
    if (hello.replicaId === '' || hello.bootId === '')
      throw new AppError('INVALID_REQUEST', 'A replica has an id and a boot id.');
    this.replica = { replicaId: hello.replicaId, bootId: hello.bootId };
    this.#transport = transport;
    this.#logId = logId;
    this.#claimed = new Map(positionsOf(hello.cursors));
    if (hello.logId !== logId && (hello.logId !== '' || this.#claimed.size > 0)) {
      this.#claimed.clear();
      this.#everythingResyncing = true;
      this.#offer({ message: { $case: 'resync', value: { orgId: '', reason: 'unknown log' } } });
    }
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Notes a Renew and the acknowledgements it carries. The newest nonce is the one that gets a Grant. */
  renew({ nonce, applied }: Renew, registry: LeaseRegistry): void {
    registry.acknowledge(this.replica, positionsOf(applied));
    for (const { orgId, position } of applied) {
      const state = this.#orgs.get(orgId);
      if (state === undefined) {
        this.#claimed.set(orgId, position);
      } else if (state.resyncing || position > state.sent) {
        state.sent = position;
        state.resyncing = false;
        this.#moved = true;
      }
    }
    this.#pendingNonce = nonce;
  }

  get wantsGrant(): boolean {
    return this.#open && this.#pendingNonce !== undefined;
  }

  /** Takes the nonce a coming read of the heads will answer: every Renew received before that read has begun. */
  takeNonce(): bigint | undefined {
    const nonce = this.#pendingNonce;
    this.#pendingNonce = undefined;
    return nonce;
  }

  /**
   * Sends what the replica lacks up to `heads`, then, if a Renew waited for the read behind these heads, its Grant.
   * Nothing is granted when anything before it could not be sent.
   */
  async deliver(
    heads: Heads,
    readEntries: ReadEntries,
    grant: { nonce: bigint; ttlMs: number } | undefined,
  ): Promise<void> {
    if (this.#delivered !== heads || this.#moved) {
      this.#moved = false;
      for (const [orgId, head] of heads.positions) {
        if (!this.#open) return;
        await this.#catchUp(orgId, head, readEntries);
      }
      this.#refuseUnknown();
      this.#delivered = heads;
    }
    if (grant !== undefined) this.#grant(heads, grant);
  }

  async #catchUp(orgId: string, head: bigint, readEntries: ReadEntries): Promise<void> {
    const state = this.#stateOf(orgId);
    if (state.resyncing || state.sent === head) return;
    if (state.sent > head) {
      // A restored or failed-over database: what the replica knows never happened here.
      this.#resync(orgId, state, 'head lower than applied');
      return;
    }
    if (head - state.sent > MAX_BACKLOG) {
      this.#resync(orgId, state, 'too far behind');
      return;
    }
    const entries = await readEntries({ orgId, after: state.sent, until: head });
    if (!isContiguous(entries, state.sent, head)) {
      this.#resync(orgId, state, 'entries missing');
      return;
    }
    for (const batch of batches(entries))
      this.#offer({ message: { $case: 'delta', value: { entries: batch.map(toLogEntryMessage) } } });
    state.sent = head;
  }

  /** What the replica claims to know of organisations that do not exist here cannot be right. */
  #refuseUnknown(): void {
    for (const orgId of this.#claimed.keys()) {
      const state = { sent: 0n, resyncing: false };
      this.#orgs.set(orgId, state);
      this.#resync(orgId, state, 'unknown organisation');
    }
    this.#claimed.clear();
  }

  #stateOf(orgId: string): OrgState {
    let state = this.#orgs.get(orgId);
    if (state === undefined) {
      const claimed = this.#claimed.get(orgId);
      this.#claimed.delete(orgId);
      state = { sent: claimed ?? 0n, resyncing: this.#everythingResyncing && claimed === undefined };
      this.#orgs.set(orgId, state);
    }
    return state;
  }

  #resync(orgId: string, state: OrgState, reason: string): void {
    state.resyncing = true;
    this.#offer({ message: { $case: 'resync', value: { orgId, reason } } });
  }

  #grant(heads: Heads, { nonce, ttlMs }: { nonce: bigint; ttlMs: number }): void {
    const known = this.#granted?.positions;
    const changed: Cursor[] = [];
    if (this.#granted !== heads)
      for (const [orgId, position] of heads.positions)
        if (known?.get(orgId) !== position) changed.push({ orgId, position });
    this.#offer({
      message: { $case: 'grant', value: { nonce, logId: this.#logId, heads: changed, digest: heads.digest, ttlMs } },
    });
    this.#granted = heads;
  }

  #offer(message: FollowResponse): void {
    // After a message that was lost nothing may follow: a Grant behind a lost Delta would be a lie.
    if (this.#open && !this.#transport.offer(message)) this.#open = false;
  }

  close(): void {
    this.#open = false;
  }
}

const isContiguous = (entries: readonly LogEntry[], after: bigint, until: bigint): boolean =>
  BigInt(entries.length) === until - after &&
  entries.every(({ position }, index) => position === after + BigInt(index) + 1n);

function* batches(entries: readonly LogEntry[]): Generator<LogEntry[]> {
  let batch: LogEntry[] = [];
  let states = 0;
  for (const entry of entries) {
    const size = entry.subjects.length + entry.groups.length + 1;
    if (batch.length > 0 && states + size > MAX_STATES_PER_DELTA) {
      yield batch;
      batch = [];
      states = 0;
    }
    batch.push(entry);
    states += size;
  }
  if (batch.length > 0) yield batch;
}
