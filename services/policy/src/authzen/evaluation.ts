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

import type { Decision, DecisionPoint, DecisionRequest } from '../decide/index.ts';
import type { GrantKnowledge } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import {
  actionShape,
  contextShape,
  ourOptions,
  thing,
  type Action,
  type GivenContext,
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

/** What evaluations are answered from. */
export interface EvaluationDependencies {
  readonly knowledge: GrantKnowledge;
  readonly decisions: DecisionPoint;
}

/** The question an evaluation asks; or, when it names a place that is not there, why it is denied. */
const toQuestion = (
  orgId: string,
  index: OrganizationIndex | undefined,
  { subject, action, resource, context }: Evaluation,
): DecisionRequest | Unlocated => {
  if (index === undefined) return { reason: 'GRANTS_STALE' };
  const where = locate(index, resource);
  if ('reason' in where) return where;
  // The asker holds no credential of the subject, so there is no epoch to compare.
  return {
    orgId,
    subject: { type: subject.type, id: subject.id, epoch: 0n },
    action: action.name,
    ...where,
    resource: { type: resource.type, id: resource.id },
    given: {
      subject: subject.properties,
      resource: resource.properties,
      action: action.properties,
      context,
    },
  };
};

/** Decides one evaluation for the organisation of the decision token. */
export const decideEvaluation = async (
  { knowledge, decisions }: EvaluationDependencies,
  orgId: string,
  evaluation: Evaluation,
): Promise<Decision> => {
  const question = toQuestion(orgId, knowledge.organization(orgId), evaluation);
  return 'reason' in question ? decisions.refuse(orgId, question.reason) : await decisions.ask(question);
};
