import { AppError } from '@sallyport/errors';

/** A load that hangs must not hold up those of others. */
const LOADS_AT_ONCE = 3;
/** Of those who have to wait, so many are loaded together: each load ends in a look at all organisations. */
const LOADED_TOGETHER = 200;

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

interface Waiting {
  readonly orgId: string;
  readonly isOver: () => void;
}

/** Loads of whole organisations: each once, however many ask; few at a time, and then those that have waited together. */
export class Loads {
  readonly #work: (orgIds: readonly string[]) => Promise<void>;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #isClosed = false;

  /** @param work loads organisations; never rejects */
  constructor(work: (orgIds: readonly string[]) => Promise<void>) {
    this.#work = work;
  }

  /** Loads the organisation, or joins the load that is under way; resolves when that is over, whatever came of it. */
  load(orgId: string): Promise<void> {
    const found = this.#underWay.get(orgId);
    if (found !== undefined) return found;
    const { promise, resolve: isOver } = Promise.withResolvers<void>();
    this.#underWay.set(orgId, promise);
    this.#waiting.push({ orgId, isOver });
    this.#next();
    return promise;
  }

  /** Begins nothing any more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#underWay.values());
  }

  #next(): void {
    if (this.#running === LOADS_AT_ONCE || this.#waiting.length === 0) return;
    this.#running += 1;
    this.#run(this.#waiting.splice(0, LOADED_TOGETHER)).catch(() => undefined);
  }

  async #run(some: readonly Waiting[]): Promise<void> {
    try {
      if (!this.#isClosed) await this.#work(some.map(({ orgId }) => orgId));
    } finally {
      this.#running -= 1;
      for (const { orgId, isOver } of some) {
        this.#underWay.delete(orgId);
        isOver();
      }
      this.#next();
    }
  }
}
