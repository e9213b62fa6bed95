/** Loaded into a process before the service: on SIGUSR2 it says how long its event loop was kept from turning. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';

const RESOLUTION_MS = 5;
const NS_PER_MS = 1e6;

const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
histogram.enable();

const toMs = (ns: number): number => Math.round((ns / NS_PER_MS) * 10) / 10;

process.on('SIGUSR2', () => {
  const delays = {
    p50Ms: toMs(histogram.percentile(50)),
    p99Ms: toMs(histogram.percentile(99)),
    maxMs: toMs(histogram.max),
  };
  histogram.reset();
  process.stdout.write(`${JSON.stringify({ msg: 'delayed', ...delays })}\n`);
});
