// Loaded into the service before it starts (node --import): measures from inside what outsiders can only guess.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

/** What the service says about itself since the last reading. */
export interface ProbeReading {
  /** Longest time the event loop could not turn; ms. */
  readonly maxDelayMs: number;
  readonly rssBytes: number;
  /** CPU time since the start, user and system; ms. */
  readonly cpuMs: { readonly mainThread: number; readonly otherThreads: number };
}

const RESOLUTION_MS = 1;

const inMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000;

const cpuMs = (): ProbeReading['cpuMs'] => {
  const [all, mainThread] = [inMs(process.cpuUsage()), inMs(process.threadCpuUsage())];
  return { mainThread, otherThreads: all - mainThread };
};

if (process.send !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  process.on('message', () => {
    const reading: ProbeReading = {
      maxDelayMs: histogram.max / 1e6,
      rssBytes: process.memoryUsage.rss(),
      cpuMs: cpuMs(),
    };
    histogram.reset();
    process.send?.(reading);
  });
  process.channel?.unref();
}
