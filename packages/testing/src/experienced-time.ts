const STEP_MS = 10;

/**
 * How long `work` took by a clock that stands still while this process does: ms, in steps of 10, never more than passed.
 * For rules of the form "is answered within", where a machine that does other things as well must not fail a test.
 *
 * @throws whatever `work` throws.
 */
export async function experiencedMs(work: () => Promise<unknown>): Promise<number> {
  let steps = 0;
  const clock = setInterval(() => {
    steps += 1;
  }, STEP_MS);
  try {
    await work();
  } finally {
    clearInterval(clock);
  }
  return steps * STEP_MS;
}
