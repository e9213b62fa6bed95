// Loaded into the service before it starts (node --import): measures from inside what outsiders can only guess.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

/** What the service says about itself since the last reading. */
export interface ProbeReading {
  /** Longest time the event loop could not turn; ms. */
  readonly maxDelayMs: number;
  readonly rssBytes: number;
}

const RESOLUTION_MS = 1;

if (process.send !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  process.on('message', () => {
    const reading: ProbeReading = { maxDelayMs: histogram.max / 1e6, rssBytes: process.memoryUsage.rss() };
    histogram.reset();
    process.send?.(reading);
  });
  process.channel?.unref();
}
