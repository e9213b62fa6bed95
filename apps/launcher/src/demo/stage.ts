import { systemClock } from '@sallyport/storage';

/** How one step went. */
export interface StepResult {
  readonly number: number;
  readonly title: string;
  readonly held: boolean;
  readonly ms: number;
  /** What was seen, in a few words; the error when the step did not hold. */
  readonly seen: string;
}

/** A claim that did not hold. */
export class ClaimFailed extends TypeError {
  override readonly name = 'ClaimFailed';
}

/** @throws ClaimFailed with what was seen instead */
export function claim(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new ClaimFailed(seen);
}

/** Runs steps one after the other, times them and goes on after one that failed, so that the table is complete. */
export class Stage {
  readonly results: StepResult[] = [];
  readonly #announce: (result: StepResult) => void;

  constructor(announce: (result: StepResult) => void) {
    this.#announce = announce;
  }

  get failed(): number {
    return this.results.filter(({ held }) => !held).length;
  }

  /** `play` answers what was seen. */
  async step(title: string, play: () => Promise<string>): Promise<void> {
    const startedMs = systemClock.monotonicMs();
    let [held, seen] = [true, ''];
    try {
      seen = await play();
    } catch (error) {
      held = false;
      seen = error instanceof Error ? error.message : String(error);
    }
    const ms = Math.round(systemClock.monotonicMs() - startedMs);
    const result = { number: this.results.length + 1, title, held, ms, seen };
    this.results.push(result);
    this.#announce(result);
  }
}
