import { randomInt } from 'node:crypto';

import { newId } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { CommitGuard } from './commit-guard.ts';
import type { FeedSource } from './feed-source.ts';
import type { Lease } from './lease.ts';
import { SubjectReplica, type AppliedStep, type FeedAlarm } from './replica.ts';
import type { Standing } from './standing.ts';

export interface SubjectFeedOptions {
  readonly source: FeedSource;
  readonly standing: Standing;
  readonly lease: Lease;
  /** The log that what is known already belongs to; empty: nothing is known. */
  readonly logId: string;
  /** ms between two renewals. */
  readonly renewalMs: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Holds acknowledgements back while commits they would overtake are on their way. */
  readonly guard: CommitGuard;
  /** Told of everything applied, in order. */
  readonly onApplied: (step: AppliedStep) => void;
}

const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 2_000;
const MAX_SNAPSHOTS_AT_ONCE = 8;
/** Whoever ended somebody's access waits for our acknowledgement: it goes out as soon as a burst of entries is in. */
const ACKNOWLEDGE_AFTER_MS = 5;
/** Acknowledging early must never look like renewals that stay unanswered. */
const MAX_OUTSTANDING_TO_ACKNOWLEDGE = 4;

/** Between half and the whole of it, so that replicas that lost the feed together do not come back together. */
const jittered = (ms: number): number => Math.round(ms / 2) + randomInt(Math.round(ms / 2) + 1);

type Stream = ReturnType<FeedSource['follow']>;

/** Follows the subject log: connects, renews, re-reads, connects again. What it means is decided by the replica. */
export class SubjectFeed {
  readonly #options: SubjectFeedOptions;
  readonly #replica: SubjectReplica;
  readonly #bootId = newId();
  readonly #replicaId = newId();
  readonly #stopping = new AbortController();
  readonly #waitingSnapshots = new Set<string>();
  readonly #alarms;
  #runningSnapshots = 0;
  #stream: Stream | null = null;
  #wakeEarly: (() => void) | null = null;
  #acknowledge: (() => void) | null = null;
  #reconnectMs = RECONNECT_FIRST_MS;
  #done: Promise<void> = Promise.resolve();

  constructor(options: SubjectFeedOptions) {
    this.#options = options;
    this.#alarms = options.metrics.counter({
      name: 'subject_feed_alarms_total',
      help: 'What the replica of the subject log refused to believe',
      labels: ['alarm'],
    });
    const { standing, lease, logId, guard, onApplied } = options;
    this.#replica = new SubjectReplica(
      standing,
      lease,
      {
        requestSnapshot: (orgId) => {
          this.#waitingSnapshots.add(orgId);
          this.#readSnapshots();
        },
        reconnect: (reason) => {
          options.logger.warn({ reason }, 'the subject feed is connected anew');
          this.#stream?.cancel();
        },
        applied: (step) => {
          guard.applied(step);
          onApplied(step);
        },
        mayAcknowledge: (orgId) => guard.mayAcknowledge(orgId),
        alarm: (alarm, orgId, detail) => {
          this.#alarm(alarm, orgId, detail);
        },
      },
      logId,
    );
    guard.onCleared(() => this.#acknowledge?.());
  }

  start(): void {
    this.#done = this.#follow();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#stream?.cancel();
    this.#wakeEarly?.();
    await this.#done;
  }

  async #follow(): Promise<void> {
    const { logger } = this.#options;
    let isDown = false;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#once();
      } catch (error) {
        // Once per outage: it is tried many times a second.
        if (!isDown) logger.warn({ err: error }, 'the subject feed is cut');
        isDown = true;
      }
      if (this.#reconnectMs === RECONNECT_FIRST_MS) isDown = false;
      await this.#pause();
    }
  }

  async #once(): Promise<void> {
    // Hello acknowledges too: it names what is applied.
    await this.#options.guard.cleared();
    if (this.#stopping.signal.aborted) return;
    const stream = this.#options.source.follow();
    this.#stream = stream;
    const renew = (): void => {
      const value = this.#replica.renew();
      if (!stream.offer({ message: { $case: 'renew', value } })) stream.cancel();
    };
    const hello = this.#replica.hello(this.#replicaId, this.#bootId);
    stream.offer({ message: { $case: 'hello', value: hello } });
    renew();
    const timer = setInterval(renew, this.#options.renewalMs);
    let acknowledging: NodeJS.Timeout | undefined;
    const acknowledge = (): void => {
      acknowledging = undefined;
      if (this.#replica.outstanding <= MAX_OUTSTANDING_TO_ACKNOWLEDGE) renew();
    };
    this.#acknowledge = acknowledge;
    try {
      for await (const message of stream) {
        this.#replica.receive(message);
        if (message.message?.$case === 'grant') {
          this.#reconnectMs = RECONNECT_FIRST_MS;
          this.#options.guard.wake();
        }
        if (message.message?.$case === 'delta') acknowledging ??= setTimeout(acknowledge, ACKNOWLEDGE_AFTER_MS);
      }
    } finally {
      clearInterval(timer);
      clearTimeout(acknowledging);
      this.#acknowledge = null;
      this.#stream = null;
      stream.cancel();
    }
  }

  async #pause(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, jittered(this.#reconnectMs));
    this.#reconnectMs = Math.min(this.#reconnectMs * 2, RECONNECT_MAX_MS);
    this.#wakeEarly = resolve;
    await promise;
    clearTimeout(timer);
    this.#wakeEarly = null;
  }

  #readSnapshots(): void {
    for (const orgId of this.#waitingSnapshots) {
      if (this.#runningSnapshots >= MAX_SNAPSHOTS_AT_ONCE) return;
      this.#waitingSnapshots.delete(orgId);
      this.#runningSnapshots += 1;
      this.#readSnapshot(orgId)
        .catch((error: unknown) => {
          this.#options.logger.warn({ err: error, orgId }, 'a snapshot could not be read');
          this.#replica.snapshotFailed(orgId);
        })
        .finally(() => {
          this.#runningSnapshots -= 1;
          this.#readSnapshots();
        });
    }
  }

  async #readSnapshot(orgId: string): Promise<void> {
    const { state, quarantined } = await this.#options.source.snapshot(orgId, this.#stopping.signal);
    for (const what of quarantined) this.#alarm('quarantined-subject', orgId, what);
    this.#replica.snapshotRead(orgId, state);
  }

  #alarm(alarm: FeedAlarm, orgId: string | null, detail: string): void {
    this.#alarms.inc({ alarm });
    this.#options.logger.error({ alarm, orgId, detail }, 'subject feed alarm');
  }
}
