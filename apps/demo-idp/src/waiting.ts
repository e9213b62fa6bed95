import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';

/** Short-lived values under unguessable names. */
export interface Waiting<T> {
  put(value: T): string;
  get(id: string): T | null;
  delete(id: string): void;
}

/** An in-memory store; entries live `lifetimeMs`, the oldest go first above 1,000. */
export function createWaiting<T>(clock: Clock, lifetimeMs: number): Waiting<T> {
  const capacity = 1000;
  const entries = new Map<string, { value: T; expiresAtMs: number }>();
  return {
    put(value) {
      const [oldest] = entries.keys();
      if (entries.size >= capacity && oldest !== undefined) entries.delete(oldest);
      const id = randomBytes(24).toString('base64url');
      entries.set(id, { value, expiresAtMs: clock.monotonicMs() + lifetimeMs });
      return id;
    },
    get(id) {
      const entry = entries.get(id);
      return entry !== undefined && entry.expiresAtMs > clock.monotonicMs() ? entry.value : null;
    },
    delete(id) {
      entries.delete(id);
    },
  };
}
