import { isAppError } from '@sallyport/errors';

import type { BulkCall, BulkOperation } from './bulk-request.ts';
import { referencesOf, withoutManager } from './references.ts';

/** In which order operations are tried, and what is done about those that refer to each other. */
export interface BulkPlan {
  /** Indexes of operations. */
  readonly order: readonly number[];
  /** User to be created → bulkId of a manager who is created after them, and is set then. */
  readonly managerLater: ReadonlyMap<number, string>;
  /** Operations that refer to each other where nothing can be left for later. */
  readonly unresolvable: ReadonlySet<number>;
}

class Planner {
  readonly order: number[] = [];
  readonly managerLater = new Map<number, string>();
  readonly unresolvable = new Set<number>();
  readonly #operations: readonly BulkOperation[];
  /** bulkId → the POST that gives it its meaning. */
  readonly #creators = new Map<string, number>();
  readonly #state = new Map<number, 'open' | 'done'>();

  constructor(operations: readonly BulkOperation[]) {
    this.#operations = operations;
    for (const [index, { bulkId, call }] of operations.entries())
      if (bulkId !== undefined && !isAppError(call) && call.method === 'POST') this.#creators.set(bulkId, index);
  }

  /** Depth first; at most one level per operation, and those are bounded. */
  visit(index: number): void {
    if (this.#state.has(index)) return;
    this.#state.set(index, 'open');
    const call = this.#operations[index]?.call;
    if (call !== undefined && !isAppError(call)) this.#visitReferences(index, call);
    this.#state.set(index, 'done');
    this.order.push(index);
  }

  #visitReferences(index: number, call: BulkCall): void {
    const inManager = managerReferences(call);
    for (const bulkId of referencesOf(call)) {
      const creator = this.#creators.get(bulkId);
      if (creator === undefined) continue;
      if (this.#state.get(creator) !== 'open') this.visit(creator);
      else if (inManager.has(bulkId)) this.managerLater.set(index, bulkId);
      else this.unresolvable.add(index);
    }
  }
}

/** The bulkIds a user to be created names as the manager, and nowhere else. */
const managerReferences = (call: BulkCall): ReadonlySet<string> => {
  const split = withoutManager(call);
  if (split === undefined) return new Set();
  const elsewhere = referencesOf(split.call);
  return new Set([...referencesOf(call)].filter((bulkId) => !elsewhere.has(bulkId)));
};

/**
 * Orders the operations of a request so that what is referred to exists before it is needed: only creations move, and
 * only forward, so that what is done to resources that exist (deactivations above all) stays in the order it was sent.
 * Users who manage each other are created without, and get their manager once there is one.
 *
 * @see RFC 7644 §3.7.1
 */
export const planBulk = (operations: readonly BulkOperation[]): BulkPlan => {
  const planner = new Planner(operations);
  for (const index of operations.keys()) planner.visit(index);
  return planner;
};
