import type { Lease } from './lease.ts';
import type { AppliedStep } from './replica.ts';
import type { Standing } from './standing.ts';

/** On whose authority something is about to be committed; epoch 0 when no credential was shown. */
export interface GuardedSubject {
  readonly orgId: string;
  readonly subjectId: string;
  readonly epoch: bigint;
}

/** Ends a hold; to be called when the commit has ended, however it ended. Calling it again does nothing. */
export type Release = () => void;

interface Hold {
  readonly subject: GuardedSubject;
}

/**
 * ms a commit waits for the replica to catch up with whoever decided: two replicas hear of news at two moments. No longer
 * than a decision lasts by default: after that the fence has fallen anyway.
 */
const CATCH_UP_MS = 1_000;

type Verdict = 'stands' | 'ended' | 'unknown';

/**
 * Keeps a commit and the end of somebody's access from passing each other.
 *
 * Guaranteed: whoever has {@link enter}ed for a subject commits before this replica acknowledges a log entry about that
 * subject, and after the entry was applied nobody enters any more. So when identity has all acknowledgements, nothing
 * decided before is still on its way. A replica that does not acknowledge (cut off, paused) is bounded by its lease and
 * by the fence that the database checks at COMMIT.
 */
export class CommitGuard {
  readonly #standing: Standing;
  readonly #lease: Lease;
  readonly #holds = new Set<Hold>();
  /** Holds whose subject has changed since, by organisation: their commits are still on their way. */
  readonly #overtaken = new Map<string, Set<Hold>>();
  readonly #catchingUp = new Set<() => void>();
  readonly #clearing = new Set<() => void>();

  constructor(standing: Standing, lease: Lease) {
    this.#standing = standing;
    this.#lease = lease;
  }

  /**
   * Asks for leave to commit on a subject's authority. Waits up to a second for knowledge that is on its way.
   *
   * @returns null when the access the decision rested on has ended, or when nobody can say that it has not
   */
  async enter(subject: GuardedSubject): Promise<Release | null> {
    if (this.#verdict(subject) === 'unknown') await this.#caughtUp(subject);
    if (this.#verdict(subject) !== 'stands') return null;
    const hold: Hold = { subject };
    this.#holds.add(hold);
    return () => {
      this.#release(hold);
    };
  }

  /** To be told of every applied step before it is acknowledged. */
  applied(step: AppliedStep): void {
    if (step.kind !== 'log') {
      const changed = step.kind === 'entry' ? new Set(step.subjects.map(({ subjectId }) => subjectId)) : null;
      for (const hold of this.#holds)
        if (hold.subject.orgId === step.orgId && (changed?.has(hold.subject.subjectId) ?? true)) this.#overtake(hold);
    }
    this.wake();
  }

  /** To be called when the lease may have been renewed: who waits for knowledge looks again. */
  wake(): void {
    for (const look of this.#catchingUp) look();
  }

  /** Whether what was applied to the organisation may be acknowledged. */
  mayAcknowledge(orgId: string): boolean {
    return !this.#overtaken.has(orgId);
  }

  /** Resolves when everything applied so far may be acknowledged. */
  async cleared(): Promise<void> {
    if (this.#overtaken.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#overtaken.size > 0) return;
      this.#clearing.delete(look);
      resolve();
    };
    this.#clearing.add(look);
    await promise;
  }

  /** Calls back whenever an organisation may be acknowledged again. */
  onCleared(listener: () => void): void {
    this.#clearing.add(listener);
  }

  #verdict({ orgId, subjectId, epoch }: GuardedSubject): Verdict {
    const known = this.#standing.find(orgId, subjectId);
    // What has ended stays ended, however old the knowledge is: epochs never fall.
    if (known !== undefined && epoch !== 0n && known.epoch > epoch) return 'ended';
    if (this.#lease.remainingMs() <= 0 || this.#standing.isStale(orgId)) return 'unknown';
    if (known === undefined || known.epoch < epoch) return 'unknown';
    return known.active ? 'stands' : 'ended';
  }

  async #caughtUp(subject: GuardedSubject): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CATCH_UP_MS);
    const look = (): void => {
      if (this.#verdict(subject) !== 'unknown') resolve();
    };
    this.#catchingUp.add(look);
    await promise;
    this.#catchingUp.delete(look);
    clearTimeout(timer);
  }

  #overtake(hold: Hold): void {
    const { orgId } = hold.subject;
    const overtaken = this.#overtaken.get(orgId);
    if (overtaken === undefined) this.#overtaken.set(orgId, new Set([hold]));
    else overtaken.add(hold);
  }

  #release(hold: Hold): void {
    this.#holds.delete(hold);
    const { orgId } = hold.subject;
    const overtaken = this.#overtaken.get(orgId);
    if (overtaken === undefined || !overtaken.delete(hold) || overtaken.size > 0) return;
    this.#overtaken.delete(orgId);
    for (const listener of this.#clearing) listener();
  }
}
