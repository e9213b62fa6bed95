import type { LeaseHolder, LeaseRegistry, Replica } from './lease-registry.ts';

/** A lease outlives its ttl by what two clocks may differ in rate. */
export const CLOCK_RATE_MARGIN = 1.05;

/** W: ms after a commit by which every lease that does not know of it has ended. */
export const serverWaitMs = (leaseTtlMs: number): number => Math.ceil(leaseTtlMs * CLOCK_RATE_MARGIN);

export interface ReplicaEvidence extends Replica {
  /** ms after the wait began at which the replica had applied the position; null: its lease ended instead. */
  readonly ackedMs: number | null;
}

/** How an end of access became effective everywhere. */
export interface Settlement {
  /** `acknowledged`: every lease holder applied it; `waited`: the longest life of a lease went by. */
  readonly by: 'acknowledged' | 'waited';
  readonly waitedMs: number;
  readonly replicas: readonly ReplicaEvidence[];
}

export interface BarrierOptions {
  readonly registry: LeaseRegistry;
  readonly leaseTtlMs: number;
  readonly monotonicMs: () => number;
  /** Runs `work` after `ms`; the returned function calls it off. */
  readonly after: (ms: number, work: () => void) => () => void;
  /**
   * True when another process may have granted leases this one knows nothing of (or may have: after a restart). Asked
   * after the commit. A failure counts as true.
   */
  readonly othersMayHaveGranted: () => Promise<boolean>;
}

/** RevokeAndWait: turns "committed" into "in force everywhere". */
export interface Barrier {
  /**
   * Resolves when no enforcement point can allow anything that rests on a state before `position`. Call it after the
   * commit. Takes at most W; never fails: what cannot be known is waited for.
   */
  settle(orgId: string, position: bigint): Promise<Settlement>;
}

interface Waiting {
  readonly holder: LeaseHolder;
  ackedMs: number | null;
}

/** @see revocation.md §8 */
export const createBarrier = (options: BarrierOptions): Barrier => {
  const { registry, monotonicMs } = options;
  const lifeMs = serverWaitMs(options.leaseTtlMs);

  /** Answers when the wait ended. */
  const waitForHolders = async (
    waiting: readonly Waiting[],
    position: { readonly orgId: string; readonly position: bigint },
    window: { readonly startedMs: number; readonly notBeforeMs: number },
  ): Promise<number> => {
    const done = Promise.withResolvers<number>();
    let cancelTimer = (): void => undefined;
    const check = (): void => {
      const nowMs = monotonicMs();
      for (const entry of waiting)
        if (entry.ackedMs === null && registry.hasApplied(entry.holder, position.orgId, position.position))
          entry.ackedMs = nowMs - window.startedMs;
      const open = waiting.filter(({ ackedMs }) => ackedMs === null).map(({ holder }) => holder.expiresAtMs);
      const untilMs = Math.max(window.notBeforeMs, ...open);
      cancelTimer();
      if (untilMs <= nowMs) done.resolve(nowMs);
      else cancelTimer = options.after(untilMs - nowMs, check);
    };
    const unsubscribe = registry.onAcknowledged(check);
    check();
    const endedMs = await done.promise;
    unsubscribe();
    cancelTimer();
    return endedMs;
  };

  return {
    settle: async (orgId, position) => {
      const startedMs = monotonicMs();
      const waiting = registry.holders(startedMs).map((holder): Waiting => ({ holder, ackedMs: null }));
      const unknown = await options.othersMayHaveGranted().catch(() => true);
      const notBeforeMs = unknown ? startedMs + lifeMs : startedMs;
      const endedMs = await waitForHolders(waiting, { orgId, position }, { startedMs, notBeforeMs });
      const replicas = waiting.map(({ holder: { replicaId, bootId }, ackedMs }) => ({ replicaId, bootId, ackedMs }));
      return {
        by: unknown || replicas.some(({ ackedMs }) => ackedMs === null) ? 'waited' : 'acknowledged',
        waitedMs: endedMs - startedMs,
        replicas,
      };
    },
  };
};
