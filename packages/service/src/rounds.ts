export interface Rounds {
  /** ms from the beginning of one round to that of the next. */
  readonly everyMs: number;
  /** Whether the first round begins at once; default: after `everyMs`. */
  readonly atOnce?: boolean;
  readonly work: () => Promise<void>;
  /** Told of a round that failed; the next one comes all the same. */
  readonly onError: (error: unknown) => void;
}

/**
 * Does a round of work again and again, one at a time: a round that is due while the last one still runs is left out.
 * Keeps no process alive. Answers how to stop, which waits for the round under way.
 */
export const startRounds = ({ everyMs, atOnce = false, work, onError }: Rounds): (() => Promise<void>) => {
  let running: Promise<void> | undefined;
  const run = (): void => {
    running ??= work()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  };
  const timer = setInterval(run, everyMs).unref();
  if (atOnce) run();
  return async () => {
    clearInterval(timer);
    await running;
  };
};
