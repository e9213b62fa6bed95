import { setImmediate } from 'node:timers/promises';

export interface BatcherOptions<Item, Result> {
  /** Items of one batch at most. */
  readonly maxSize: number;
  /** Batches of one key that run at the same time. */
  readonly maxRunning: number;
  /** The results of the items, in their order. What it throws, every item of the batch gets. */
  readonly run: (items: readonly [Item, ...Item[]]) => Promise<readonly Result[]>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

interface Lane<Item, Result> {
  readonly waiting: Waiting<Item, Result>[];
  running: number;
}

/**
 * Does together what is asked for at the same time. Nothing waits for company: while batches of its key run, what comes
 * in is gathered for the next one, so batches grow with the load and with nothing else.
 *
 * Every batch begins after all its items were added: what it reads is at least as new as each of the requests.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  readonly #lanes = new Map<string, Lane<Item, Result>>();

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Keys with something that runs or waits. */
  get lanes(): number {
    return this.#lanes.size;
  }

  async add(key: string, item: Item): Promise<Result> {
    const lane = this.#lane(key);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    lane.waiting.push({ item, resolve, reject });
    if (lane.running < this.#options.maxRunning) {
      lane.running += 1;
      this.#serve(key, lane).catch((error: unknown) => {
        for (const each of lane.waiting.splice(0)) each.reject(error);
      });
    }
    return await promise;
  }

  #lane(key: string): Lane<Item, Result> {
    const existing = this.#lanes.get(key);
    if (existing !== undefined) return existing;
    const lane: Lane<Item, Result> = { waiting: [], running: 0 };
    this.#lanes.set(key, lane);
    return lane;
  }

  async #serve(key: string, lane: Lane<Item, Result>): Promise<void> {
    do {
      // What comes in the same turn of the event loop goes together, also when that begins with the end of a batch.
      await setImmediate();
      await this.#run(lane.waiting.splice(0, this.#options.maxSize));
    } while (lane.waiting.length > 0);
    lane.running -= 1;
    if (lane.running === 0) this.#lanes.delete(key);
  }

  async #run(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    const [first, ...others] = batch;
    if (first === undefined) return;
    try {
      const results = await this.#options.run([first.item, ...others.map(({ item }) => item)]);
      if (results.length !== batch.length) throw new TypeError('a batch needs one result for each item');
      // The length was compared: every item has its result.
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
