import process from 'node:process';

/** ms of processor time this thread has used since it began: whatever else the machine does, it is not in here. */
export function computedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** ms of processor time this thread computes in `work`, for rules of the form "takes no more than". */
export function computingMs(work: () => unknown): number {
  const before = computedMs();
  work();
  return computedMs() - before;
}
