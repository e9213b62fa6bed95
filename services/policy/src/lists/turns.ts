import type { Clock } from '@sallyport/storage';

/** ms of work before others have their turn; a list is never in a hurry, a decision is. */
const TURN_MS = 4;
/** Steps between two looks at the clock. */
const STEPS_PER_LOOK = 64;
/** Lists that are put together at once; the others wait, so that what they hold in memory meanwhile is bounded. */
const MAX_AT_ONCE = 4;

/**
 * Shares the event loop between long pieces of work and everything else: of all that is under way one has a turn, then
 * whatever else the process has to do is done, then the next one has its turn.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  readonly #outside: (() => void)[] = [];
  #inside = 0;
  #isScheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `work` once there is room for it, which calls `rest` as often as it can. */
  async take<T>(signal: AbortSignal | undefined, work: (turn: Turn) => Promise<T>): Promise<T> {
    if (this.#inside >= MAX_AT_ONCE)
      await new Promise<void>((resolve) => {
        this.#outside.push(resolve);
      });
    else this.#inside += 1;
    try {
      // Also the first turn has to be waited for: several lists may have been asked for at once.
      await this.#next();
      signal?.throwIfAborted();
      return await work(new Turn(this.#clock, signal, () => this.#next()));
    } finally {
      // Whoever waits takes the place over.
      const next = this.#outside.shift();
      if (next === undefined) this.#inside -= 1;
      else next();
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }
}

/** One piece of work and its turns. */
export class Turn {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #next: () => Promise<void>;
  #beganMs: number;
  #steps = 0;

  constructor(clock: Clock, signal: AbortSignal | undefined, next: () => Promise<void>) {
    this.#clock = clock;
    this.#signal = signal;
    this.#next = next;
    this.#beganMs = clock.monotonicMs();
  }

  /** True when it is time to {@link Turn.rest}; to be asked after every step. */
  isOver(): boolean {
    this.#steps += 1;
    return this.#steps % STEPS_PER_LOOK === 0 && this.#clock.monotonicMs() - this.#beganMs >= TURN_MS;
  }

  /** Lets everybody else have a turn. @throws what the signal aborts with, when nobody waits for the result any more */
  async rest(): Promise<void> {
    await this.#next();
    this.#signal?.throwIfAborted();
    this.#beganMs = this.#clock.monotonicMs();
  }
}

const PART = 2_048;

/** The items in order, without holding up the event loop for longer than a turn. */
export const sortInTurns = async <T>(
  items: readonly T[],
  before: (left: T, right: T) => boolean,
  turn: Turn,
): Promise<readonly T[]> => {
  const compare = (left: T, right: T): number => (before(left, right) ? -1 : before(right, left) ? 1 : 0);
  let runs: (readonly T[])[] = [];
  for (let from = 0; from < items.length; from += PART) {
    runs.push(items.slice(from, from + PART).sort(compare));
    if (items.length > PART) await turn.rest();
  }
  while (runs.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2)
      merged.push(await merge(runs[at] ?? [], runs[at + 1] ?? [], before, turn));
    runs = merged;
  }
  return runs[0] ?? [];
};

const merge = async <T>(
  left: readonly T[],
  right: readonly T[],
  before: (left: T, right: T) => boolean,
  turn: Turn,
): Promise<readonly T[]> => {
  const merged: T[] = [];
  let [atLeft, atRight] = [0, 0];
  while (atLeft < left.length && atRight < right.length) {
    const [one, other] = [left[atLeft] as T, right[atRight] as T];
    if (before(other, one)) {
      merged.push(other);
      atRight += 1;
    } else {
      merged.push(one);
      atLeft += 1;
    }
    if (turn.isOver()) await turn.rest();
  }
  return [...merged, ...left.slice(atLeft), ...right.slice(atRight)];
};
