/**
 * AuthZEN's information model → a question of ours. What cannot be resolved becomes a denial with its reason, because
 * for AuthZEN an unknown thing is not an error.
 *
 * | AuthZEN | ours |
 * |---|---|
 * | subject.type | `user` or `service_account`; anything else is nobody |
 * | subject.id | the account's id |
 * | action.name | a permission of the catalogue |
 * | resource | see locate.ts |
 *
 * @see OpenID AuthZEN Authorization API 1.0 §5, §6
 */
import { z } from 'zod';

import type { GivenProperties } from '../conditions/index.ts';
import type { Decision, DecisionPoint } from '../decide/index.ts';
import type { GrantKnowledge } from '../grants/index.ts';
import type { Caller } from './caller.ts';
import {
  actionShape,
  contextShape,
  ourOptions,
  thing,
  type Action,
  type GivenContext,
  type SearchedThing,
  type Thing,
} from './entities.ts';
import { locate, type Unlocated } from './locate.ts';

/** What an evaluation is about. */
export interface Evaluation {
  readonly subject: Thing;
  readonly action: Action;
  readonly resource: Thing;
  readonly context?: GivenContext | undefined;
}

/** An Access Evaluation request (§6.1). */
export const evaluationShape = z.looseObject({
  subject: thing,
  action: actionShape,
  resource: thing,
  context: contextShape.optional(),
  options: z.looseObject(ourOptions).optional(),
});

const NOT_KNOWN: Unlocated = { reason: 'GRANTS_STALE' };

/** What evaluations are answered from. */
export interface EvaluationDependencies {
  readonly knowledge: Pick<GrantKnowledge, 'organization'>;
  readonly decisions: Pick<DecisionPoint, 'ask' | 'refuse'>;
}

/** What a question and a refusal say alike. */
const describe = ({ orgId, tokenId, requestId }: Caller, { subject, action, resource }: Evaluation) => ({
  orgId,
  // The asker holds no credential of the subject, so there is no epoch to compare.
  subject: { type: subject.type, id: subject.id, epoch: 0n },
  action: action.name,
  resource: { type: resource.type, id: resource.id },
  asker: { kind: 'decision-token', id: tokenId, requestId } as const,
});

/** What conditions may look at. */
export const givenBy = (said: {
  readonly subject: SearchedThing;
  readonly resource: SearchedThing;
  readonly action?: Action;
  readonly context?: GivenContext | undefined;
}): GivenProperties => ({
  subject: said.subject.properties,
  resource: said.resource.properties,
  action: said.action?.properties,
  context: said.context,
});

/** Decides one evaluation for the organisation of the decision token. */
export const decideEvaluation = async (
  { knowledge, decisions }: EvaluationDependencies,
  caller: Caller,
  evaluation: Evaluation,
): Promise<Decision> => {
  const { orgId } = caller;
  const question = describe(caller, evaluation);
  const index = knowledge.organization(orgId);
  const where = index === undefined ? NOT_KNOWN : locate(index, evaluation.resource);
  if ('reason' in where) return decisions.refuse(orgId, where.reason, question);
  return await decisions.ask({ ...question, ...where, given: givenBy(evaluation) });
};
