import { AppError } from '@sallyport/errors';

/** A load that hangs must not hold up those of others. */
const LOADS_AT_ONCE = 3;

/** The outcome of `work`, unless it takes longer than `ms`. @throws UNAVAILABLE then */
export const inTime = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new AppError('UNAVAILABLE', 'The database does not answer in time.'));
  }, ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // Whatever becomes of it now, nobody waits for it any more.
    work.catch(() => undefined);
  }
};

/** Loads of whole organisations: each once, however many ask, and few at a time. */
export class Loads {
  readonly #work: (orgId: string) => Promise<void>;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #isClosed = false;

  /** @param work loads one organisation; never rejects */
  constructor(work: (orgId: string) => Promise<void>) {
    this.#work = work;
  }

  /** Loads the organisation, or joins the load that is under way; resolves when that is over, whatever came of it. */
  load(orgId: string): Promise<void> {
    const found = this.#underWay.get(orgId);
    if (found !== undefined) return found;
    const load = this.#run(orgId).finally(() => this.#underWay.delete(orgId));
    this.#underWay.set(orgId, load);
    return load;
  }

  /** Begins nothing any more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#underWay.values());
  }

  async #run(orgId: string): Promise<void> {
    if (this.#running < LOADS_AT_ONCE) this.#running += 1;
    else
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    try {
      if (!this.#isClosed) await this.#work(orgId);
    } finally {
      // Whoever waits takes the place over.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
