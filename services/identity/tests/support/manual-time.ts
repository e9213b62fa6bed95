import { setImmediate } from 'node:timers/promises';

/** Time that moves only when a test says so. */
export class ManualTime {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly work: () => void }>();

  readonly monotonicMs = (): number => this.#nowMs;

  readonly after = (ms: number, work: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + ms, work };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  };

  /** Moves on and runs what is due, in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.work();
    }
    this.#nowMs = untilMs;
  }
}

/** Resolves when every promise that can settle now has settled. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
};
