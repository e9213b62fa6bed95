/**
 * Access Evaluations: many questions in one message.
 *
 * Top-level entities are defaults; an item that has an entity has all of it (nothing is merged within). A body without
 * items is a single evaluation and is answered as one. What is wrong with the message as a whole is an error; what is
 * wrong with an item denies that item, and counts as a denial for the semantic.
 *
 * @see OpenID AuthZEN Authorization API 1.0 §7
 */
import { setImmediate } from 'node:timers/promises';

import type { Clock } from '@sallyport/storage';
import { z } from 'zod';

import { toAnswer, toItemError, type AuthzenAnswer } from './answer.ts';
import type { Caller } from './caller.ts';
import { actionShape, contextShape, ourOptions, problemOf, thing } from './entities.ts';
import { decideEvaluation, type Evaluation, type EvaluationDependencies } from './evaluation.ts';

/** More are refused: nobody is kept waiting by somebody else's batch. */
export const MAX_EVALUATIONS = 1_000;

const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
type Semantic = (typeof SEMANTICS)[number];

const entities = z.looseObject({
  subject: thing.optional(),
  action: actionShape.optional(),
  resource: thing.optional(),
  context: contextShape.optional(),
});

/** An Access Evaluations request (§7.1). Items are looked at one by one, so that a bad one spoils no other. */
export const evaluationsShape = entities.extend({
  evaluations: z.array(z.unknown()).max(MAX_EVALUATIONS).optional(),
  options: z.looseObject({ ...ourOptions, evaluations_semantic: z.enum(SEMANTICS).optional() }).optional(),
});

type Entities = z.output<typeof entities>;
export type Evaluations = z.output<typeof evaluationsShape>;

/** Null when an entity is missing in both. */
const complete = (own: Entities, defaults: Entities): Evaluation | null => {
  const subject = own.subject ?? defaults.subject;
  const action = own.action ?? defaults.action;
  const resource = own.resource ?? defaults.resource;
  const context = own.context ?? defaults.context;
  return subject === undefined || action === undefined || resource === undefined
    ? null
    : { subject, action, resource, context };
};

const NOTHING: Entities = {};

/** The single evaluation a body without items is; null when it is none. */
export const singleOf = (body: Evaluations): Evaluation | null => complete(body, NOTHING);

/** The deciding item is the last one answered. */
const STOPS_AT: Readonly<Record<Semantic, boolean | null>> = {
  execute_all: null,
  deny_on_first_deny: false,
  permit_on_first_permit: true,
};

/** Gives way to everybody else every few milliseconds. */
class Turns {
  readonly #clock: Clock;
  #endsAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#endsAtMs = clock.monotonicMs() + TURN_MS;
  }

  async giveWay(): Promise<void> {
    if (this.#clock.monotonicMs() < this.#endsAtMs) return;
    await setImmediate();
    this.#endsAtMs = this.#clock.monotonicMs() + TURN_MS;
  }
}

const TURN_MS = 5;

/** Answers the items in their order, up to the one that decides. */
export const evaluateMany = async (
  dependencies: EvaluationDependencies & { readonly clock: Clock },
  caller: Caller,
  body: Evaluations,
  wantsReasons: boolean,
): Promise<AuthzenAnswer[]> => {
  const stopsAt = STOPS_AT[body.options?.evaluations_semantic ?? 'execute_all'];
  const turns = new Turns(dependencies.clock);
  const answers: AuthzenAnswer[] = [];
  for (const item of body.evaluations ?? []) {
    const answer = await answerItem(dependencies, caller, { item, defaults: body, wantsReasons });
    answers.push(answer);
    if (answer.decision === stopsAt) break;
    await turns.giveWay();
  }
  return answers;
};

const answerItem = async (
  dependencies: EvaluationDependencies,
  caller: Caller,
  { item, defaults, wantsReasons }: { item: unknown; defaults: Entities; wantsReasons: boolean },
): Promise<AuthzenAnswer> => {
  const own = entities.safeParse(item);
  if (!own.success) return toItemError(problemOf(own.error));
  const evaluation = complete(own.data, defaults);
  if (evaluation === null) return toItemError('Subject, action and resource are required, here or as a default.');
  return toAnswer(await decideEvaluation(dependencies, caller, evaluation), wantsReasons);
};
