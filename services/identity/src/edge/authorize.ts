import { decideWith } from '@sallyport/decision-client';
import type { Decide, OnDenied } from '@sallyport/http';

import { holdAccess } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';

/** Every permission of the HTTP API is decided by policy; nothing commits on it for whom access has ended meanwhile. */
export const decide = ({ decisions }: IdentityContext): Decide => {
  const ask = decideWith(decisions);
  return async (principal, permission, scope, request) => ({
    ...(await ask(principal, permission, scope, request)),
    hold: (transaction) => holdAccess(transaction, principal),
  });
};

/** A refused attempt becomes an entry of the organisation's audit log. */
export const recordDenied =
  ({ audit }: IdentityContext): OnDenied =>
  async ({ context, principal, permission, scope, reason, explanation, decision, method, route }) => {
    await audit.recordDenied(context.auditContext(), {
      action: 'api.request-refused',
      target: { type: 'route', id: `${method} ${route}` },
      reason,
      after: { permission, scope: { ...scope }, subjectId: principal.subjectId },
      decision: { explanation, policyRevision: decision?.policyRevision ?? null },
    });
  };
