import type { AppError } from '@sallyport/errors';

import type { Caller } from '../edge/index.ts';
import type { Change } from './change.ts';
import { onlyEnvironment } from './describe-change.ts';
import type { ChangeDependencies } from './submit-change.ts';

/** Records that somebody tried what the rules of change requests forbid, and returns the error to throw. */
export const refused = async (
  { audit }: Pick<ChangeDependencies, 'audit'>,
  caller: Caller,
  attempt: { readonly action: string; readonly change: Change },
  error: AppError,
): Promise<AppError> => {
  const { action, change } = attempt;
  await audit.recordDenied(caller.audit, {
    action,
    target: { type: 'change', id: change.changeId, version: String(change.revision) },
    reason: error.code,
    ...onlyEnvironment(change.content),
  });
  return error;
};
