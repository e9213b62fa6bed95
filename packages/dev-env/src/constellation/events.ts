import type { ChildEvent } from '../supervise/child.ts';

/** What happens in a constellation, for whoever watches it. */
export type ConstellationEvent =
  | ChildEvent
  /** A process an earlier, killed launcher left behind was ended. */
  | { readonly kind: 'leftover-ended'; readonly name: string; readonly pid: number }
  /** A part of the start is done. */
  | { readonly kind: 'step'; readonly step: 'database' | 'services' | 'seeded'; readonly tookMs: number };
