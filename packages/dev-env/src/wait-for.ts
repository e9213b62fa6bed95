import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '@sallyport/storage';
import { DevEnvironmentError } from './errors.ts';

/** How long, how often and with which words {@link waitFor} waits. */
export interface WaitOptions {
  /** ms; default 30,000: long enough for a machine that does other things as well. */
  readonly timeoutMs?: number;
  /** ms between two looks; default 20. */
  readonly intervalMs?: number;
  /** What was waited for; becomes part of the error. */
  readonly message?: string;
}

/**
 * Polls until `condition` returns something other than `false`, `null` or `undefined`, and returns that.
 * A condition that throws counts as "not yet"; its last error becomes the `cause`.
 *
 * @throws TIMED_OUT when the time is over.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { timeoutMs = 30_000, intervalMs = 20, message = 'the condition' } = options;
  const deadline = systemClock.monotonicMs() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== null && value !== undefined) {
        return value as Exclude<T, false | null | undefined>;
      }
    } catch (error) {
      cause = error;
    }
    if (systemClock.monotonicMs() >= deadline) {
      throw new DevEnvironmentError('TIMED_OUT', `Waited ${timeoutMs} ms in vain for ${message}.`, { cause });
    }
    await delay(intervalMs);
  }
}
