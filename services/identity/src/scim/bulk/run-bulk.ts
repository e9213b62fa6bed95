import { setImmediate as nextTurn } from 'node:timers/promises';

import { AppError, isAppError } from '@sallyport/errors';
import type { RequestContext } from '@sallyport/http';

import type { IdentityContext } from '../../context.ts';
import type { ScimCaller } from '../caller.ts';
import type { JsonValue } from '../protocol/json.ts';
import { PATCH_SCHEMA } from '../protocol/patch-request.ts';
import { ENTERPRISE_USER_SCHEMA } from '../protocol/user-schema.ts';
import type { BulkCall, BulkOperation, BulkRequest } from './bulk-request.ts';
import { perform, type Performed } from './perform.ts';
import { planBulk, type BulkPlan } from './plan.ts';
import { resolveReferences, withoutManager } from './references.ts';

/** How one operation ended. */
export type BulkOutcome =
  | { readonly kind: 'done'; readonly call: BulkCall; readonly performed: Performed }
  | { readonly kind: 'failed'; readonly call: BulkCall | undefined; readonly error: AppError };

/** A user who was created and still waits for the manager the request names. */
interface Waiting {
  readonly index: number;
  readonly call: BulkCall;
  readonly performed: Performed;
  readonly manager: JsonValue;
}

/** What the runner needs of the request it serves. */
export type BulkRequestContext = Pick<RequestContext, 'signal' | 'logger'>;

const managerPatch = (id: string, manager: JsonValue): BulkCall => ({
  method: 'PATCH',
  endpoint: '/Users',
  id,
  ifMatch: '',
  data: {
    schemas: [PATCH_SCHEMA],
    Operations: [
      {
        op: 'add',
        path: `${ENTERPRISE_USER_SCHEMA}:manager`,
        value: typeof manager === 'string' ? { value: manager } : manager,
      },
    ],
  },
});

const conflict = (detail: string): AppError => new AppError('CONFLICT', detail);

class BulkRun {
  readonly outcomes = new Map<number, BulkOutcome>();
  readonly #service: IdentityContext;
  readonly #caller: ScimCaller;
  readonly #context: BulkRequestContext;
  readonly #stillAdmitted: () => Promise<void>;
  readonly #operations: readonly BulkOperation[];
  readonly #plan: BulkPlan;
  /** bulkId → the resource it stands for; undefined when its creation failed. */
  readonly #created = new Map<string, string | undefined>();
  /** bulkId of the manager → who waits for them. */
  readonly #waiting = new Map<string, Waiting[]>();
  #errors = 0;

  constructor({ service, caller, context, stillAdmitted }: BulkDependencies, operations: readonly BulkOperation[]) {
    this.#service = service;
    this.#caller = caller;
    this.#context = context;
    this.#stillAdmitted = stillAdmitted;
    this.#operations = operations;
    this.#plan = planBulk(operations);
  }

  async run(failOnErrors: number): Promise<void> {
    for (const index of this.#plan.order) {
      if (this.#errors >= failOnErrors || this.#context.signal.aborted) break;
      await this.#operation(index);
      // Other requests have their turn between any two operations.
      await nextTurn();
    }
    for (const bulkId of this.#waiting.keys()) await this.#settle(bulkId, undefined);
    this.#context.signal.throwIfAborted();
  }

  async #operation(index: number): Promise<void> {
    const operation = this.#operations[index];
    if (operation === undefined) return;
    const { bulkId, call } = operation;
    const outcome = isAppError(call) ? this.#failed(undefined, call) : await this.#try(index, call);
    if (bulkId !== undefined && !isAppError(call) && call.method === 'POST') {
      const id = outcome?.kind === 'failed' ? undefined : this.#idOf(index, outcome);
      this.#created.set(bulkId, id);
      if (outcome !== undefined) this.outcomes.set(index, outcome);
      await this.#settle(bulkId, id);
    } else if (outcome !== undefined) this.outcomes.set(index, outcome);
  }

  /** The resource of an operation that is done, or that only waits for a manager. */
  #idOf(index: number, outcome: BulkOutcome | undefined): string | undefined {
    if (outcome?.kind === 'done') return outcome.performed.id;
    return [...this.#waiting.values()].flat().find((waiting) => waiting.index === index)?.performed.id;
  }

  /** Undefined: done but for the manager. */
  async #try(index: number, call: BulkCall): Promise<BulkOutcome | undefined> {
    try {
      if (this.#plan.unresolvable.has(index)) throw conflict('Operations refer to each other in a circle.');
      // A directory that is shut out meanwhile does not get to finish.
      await this.#stillAdmitted();
      const later = this.#plan.managerLater.get(index);
      const split = later === undefined ? undefined : withoutManager(call);
      if (later === undefined || split === undefined) {
        const resolved = resolveReferences(call, (bulkId) => this.#resolve(bulkId));
        return { kind: 'done', call: resolved, performed: await perform(this.#service, this.#caller, resolved) };
      }
      const resolved = resolveReferences(split.call, (bulkId) => this.#resolve(bulkId));
      const performed = await perform(this.#service, this.#caller, resolved);
      const waiting = { index, call: resolved, performed, manager: split.manager };
      this.#waiting.set(later, [...(this.#waiting.get(later) ?? []), waiting]);
      return undefined;
    } catch (error) {
      return this.#failed(call, error);
    }
  }

  #resolve(bulkId: string): string {
    const id = this.#created.get(bulkId);
    if (id !== undefined) return id;
    const name = bulkId.slice(0, 100);
    if (this.#created.has(bulkId)) throw conflict(`What bulkId "${name}" stands for was not created.`);
    throw new AppError('INVALID_VALUE', `No operation of this request creates bulkId "${name}".`);
  }

  /** Gives those who wait their manager, or takes them back when there will be none: never half an operation. */
  async #settle(bulkId: string, managerId: string | undefined): Promise<void> {
    const waiting = this.#waiting.get(bulkId) ?? [];
    this.#waiting.delete(bulkId);
    for (const one of waiting) this.outcomes.set(one.index, await this.#complete(one, managerId, bulkId));
  }

  async #complete(
    { index, call, performed, manager }: Waiting,
    managerId: string | undefined,
    bulkId: string,
  ): Promise<BulkOutcome> {
    try {
      if (managerId === undefined) throw conflict(`What bulkId "${bulkId.slice(0, 100)}" stands for was not created.`);
      const patch = resolveReferences(managerPatch(performed.id, manager), () => managerId);
      const { version } = await perform(this.#service, this.#caller, patch);
      return { kind: 'done', call, performed: { ...performed, version } };
    } catch (error) {
      await this.#undo(performed.id);
      const own = this.#operations[index]?.bulkId;
      if (own !== undefined) this.#created.set(own, undefined);
      return this.#failed(call, error);
    }
  }

  async #undo(id: string): Promise<void> {
    try {
      await perform(this.#service, this.#caller, {
        method: 'DELETE',
        endpoint: '/Users',
        id,
        ifMatch: '',
        data: undefined,
      });
    } catch (error) {
      this.#context.logger.error({ err: error, id }, 'a user created without the manager could not be taken back');
    }
  }

  #failed(call: BulkCall | undefined, thrown: unknown): BulkOutcome {
    this.#errors += 1;
    const error = isAppError(thrown) ? thrown : new AppError('INTERNAL', 'An operation failed.', { cause: thrown });
    if (error.kind.http >= 500) this.#context.logger.error({ err: error, code: error.code }, 'bulk operation failed');
    return { kind: 'failed', call, error };
  }
}

export interface BulkDependencies {
  readonly service: IdentityContext;
  readonly caller: ScimCaller;
  readonly context: BulkRequestContext;
  /** Throws once the credential of the request may no longer be used. */
  readonly stillAdmitted: () => Promise<void>;
}

/**
 * Carries out a Bulk request, one operation after the other, each exactly as if it had come alone. Answers how each
 * ended, by its place in the request; operations that were not tried (`failOnErrors`) are not in the answer.
 *
 * @see RFC 7644 §3.7
 */
export const runBulk = async (
  dependencies: BulkDependencies,
  { operations, failOnErrors }: BulkRequest,
): Promise<ReadonlyMap<number, BulkOutcome>> => {
  const run = new BulkRun(dependencies, operations);
  await run.run(failOnErrors);
  return run.outcomes;
};
