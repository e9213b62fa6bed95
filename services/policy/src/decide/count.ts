import type { Metrics } from '@sallyport/telemetry';

import { REASONS, type Reason } from './decision.ts';

/**
 * Counts in memory and tells the registry once in a turn of the event loop: telling it costs as much as a decision.
 */
export const counterOf = (metrics: Metrics | undefined): ((reason: Reason) => void) => {
  if (metrics === undefined) return () => undefined;
  const counter = metrics.counter({ name: 'decisions_total', help: 'Decisions by reason', labels: ['reason'] });
  const counts = new Map<Reason, { untold: number }>();
  for (const reason of Object.keys(REASONS) as Reason[]) counts.set(reason, { untold: 0 });
  let isTelling = false;
  const tell = (): void => {
    isTelling = false;
    for (const [reason, count] of counts) {
      if (count.untold > 0) counter.inc({ reason }, count.untold);
      count.untold = 0;
    }
  };
  return (reason) => {
    const count = counts.get(reason);
    if (count === undefined) return;
    count.untold += 1;
    if (isTelling) return;
    isTelling = true;
    setImmediate(tell);
  };
};
