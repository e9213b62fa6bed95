import { AppError, isAppError } from '@sallyport/errors';

import { PIPELINE_STATUSES, type CompiledRoute } from './compile-route.ts';
import type { LiveContext } from './context.ts';
import { isJson } from './respond.ts';
import type { RouteResponse } from './route.ts';

const mistake = ({ route }: CompiledRoute, what: string, cause?: unknown): AppError =>
  new AppError('INTERNAL', `${route.method} ${route.path} ${what}.`, { cause });

/** A success of a `deferred` route nobody decided on must not leave. @throws INTERNAL */
export const assertDecided = (compiled: CompiledRoute, live: LiveContext, response: RouteResponse): void => {
  if (compiled.route.scope === 'deferred' && live.grantedCount === 0 && response.status < 400)
    throw mistake(compiled, 'succeeded without having asked for a permission');
};

/**
 * Holds a response against what its route declares. An undeclared status is logged, and with `strictResponses` it and an
 * undeclared body are INTERNAL. The body is checked as the client will read it, that is after a trip through JSON.
 */
export const checkResponse = async (
  options: { readonly strictResponses: boolean },
  compiled: CompiledRoute,
  live: LiveContext,
  response: RouteResponse,
): Promise<void> => {
  const { status, body } = response;
  const schema = compiled.responses.get(status);
  if (schema === undefined) {
    if (options.strictResponses) throw mistake(compiled, `does not declare the status ${String(status)}`);
    live.logger.warn({ route: compiled.route.path, status }, 'undeclared response status');
    return;
  }
  if (!options.strictResponses || !isJson(body)) return;
  if (schema === null) throw mistake(compiled, `declares no body for the status ${String(status)} and answers one`);
  const checked = await schema.safeParseAsync(JSON.parse(JSON.stringify(body)));
  if (!checked.success) throw mistake(compiled, 'answers a body it does not declare', checked.error);
};

/**
 * In tests an error whose status the route does not declare is a mistake of the route, too. That the decision of a
 * request ran out before its transaction committed is for the pipeline to say, as that nobody allowed it.
 */
export const asDeclared = (compiled: CompiledRoute, thrown: unknown): unknown => {
  if (!isAppError(thrown) || thrown.code === 'DECISION_EXPIRED') return thrown;
  const status = thrown.kind.http;
  if (PIPELINE_STATUSES.has(status) || compiled.responses.has(status)) return thrown;
  return mistake(compiled, `does not declare the status ${String(status)} of ${thrown.code}`, thrown);
};
