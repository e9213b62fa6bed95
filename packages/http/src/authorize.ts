import { AppError, isAppError } from '@sallyport/errors';

import type { LiveContext, RequestContext } from './context.ts';
import type { Decision, GrantedDecision, Principal, Scope } from './principal.ts';

/** What is asked of policy, next to who, what and where. */
export interface DecideRequest {
  readonly requestId: string;
  readonly method: string;
  /** The template of the route. */
  readonly route: string;
  readonly context: RequestContext;
}

/** Asks policy. May answer a denial or throw PERMISSION_DENIED; any other error fails the request (never grants it). */
export type Decide = (
  principal: Principal,
  permission: string,
  scope: Scope,
  request: DecideRequest,
) => Promise<Decision>;

/** A refused attempt, for the audit log. */
export interface Denial {
  readonly context: RequestContext;
  readonly principal: Principal;
  readonly permission: string;
  readonly scope: Scope;
  readonly reason: string;
  readonly explanation: string;
  /** Null when policy was not asked (the credential's own scopes refused). */
  readonly decision: Decision | null;
  readonly method: string;
  readonly route: string;
}

export type OnDenied = (denial: Denial) => Promise<void>;

export interface AuthorizeOptions {
  readonly decide: Decide;
  readonly onDenied: OnDenied;
}

interface Refusal {
  readonly reason: string;
  readonly explanation: string;
  readonly decision: Decision | null;
}

const OUT_OF_SCOPE = 'The credential is not issued for this permission.';

/**
 * Decides one permission for the authenticated principal of the context.
 *
 * 1. A credential limited to scopes grants nothing outside them, whoever holds it.
 * 2. Policy is asked; only an explicit `allowed: true` grants.
 * 3. A refusal is recorded before it is answered; a failing record is logged and the answer stays a refusal.
 *
 * @throws PERMISSION_DENIED (reason in the metadata, explanation as the message), or what `decide` throws
 */
export const authorize = async (
  options: AuthorizeOptions,
  context: LiveContext,
  question: { permission: string; scope: Scope; method: string; route: string },
): Promise<GrantedDecision> => {
  const principal = context.authenticated();
  const { permission, scope, method, route } = question;
  const isInScope = principal.scopes.length === 0 || principal.scopes.includes(permission);
  const answer: Decision | Refusal = isInScope
    ? await ask(options.decide, principal, permission, scope, { requestId: context.requestId, method, route, context })
    : { reason: 'CREDENTIAL_SCOPE', explanation: OUT_OF_SCOPE, decision: null };
  if (isGranted(answer)) {
    await assertStepUp(options, context, { ...question, decision: answer });
    context.grantedCount += 1;
    return answer;
  }
  const { reason, explanation } = answer;
  const decision = 'decision' in answer ? answer.decision : answer;
  await record(options, { context, principal, permission, scope, reason, explanation, decision, method, route });
  throw new AppError('PERMISSION_DENIED', explanation, { metadata: { reason, permission } });
};

const record = async ({ onDenied }: AuthorizeOptions, denial: Denial): Promise<void> => {
  try {
    await onDenied(denial);
  } catch (error) {
    const { context, permission, reason } = denial;
    context.logger.error({ err: error, permission, reason }, 'a denied attempt could not be recorded');
  }
};

/** Where a browser proves that its person is there. */
export const STEP_UP_PATH = '/login/step-up';
const STEP_UP = 'This needs a sign-in of the last minutes. Sign in once more, then try again.';

/**
 * Refuses an action for which the organisation demands a recent sign-in, unless there was one. Asked last, so that
 * nobody signs in once more for what they may not do anyway.
 *
 * @param asked `permission` is the name of the action: a permission, or what the route calls itself in `stepUp`
 * @throws STEP_UP_REQUIRED with the action and the page to go to
 */
export const assertStepUp = async (
  options: AuthorizeOptions,
  context: LiveContext,
  asked: Pick<Denial, 'permission' | 'scope' | 'method' | 'route' | 'decision'>,
): Promise<void> => {
  const principal = context.authenticated();
  if (principal.stepUpDue?.includes(asked.permission) !== true) return;
  await record(options, { ...asked, context, principal, reason: 'STEP_UP_REQUIRED', explanation: STEP_UP });
  const metadata = { action: asked.permission, stepUpPath: STEP_UP_PATH };
  throw new AppError('STEP_UP_REQUIRED', STEP_UP, { metadata });
};

// Compared, not trusted to be a boolean: what decides is outside of this package.
const isGranted = (answer: Decision | Refusal): answer is GrantedDecision =>
  'allowed' in answer && (answer.allowed as unknown) === true;

const ask = async (decide: Decide, ...question: Parameters<Decide>): Promise<Decision | Refusal> => {
  try {
    return await decide(...question);
  } catch (error) {
    if (!isAppError(error) || error.code !== 'PERMISSION_DENIED') throw error;
    return { reason: error.metadata['reason'] ?? 'DENIED', explanation: error.message, decision: null };
  }
};
