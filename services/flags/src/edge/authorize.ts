import type { AuditLog } from '@sallyport/audit';
import type { Decide, Denial, OnDenied, Scope } from '@sallyport/http';

import { type Decisions, describeDecision } from './caller.ts';

/** Every permission of the HTTP API is decided by policy, every time. */
export const decide =
  (decisions: Decisions): Decide =>
  async (principal, permission, scope, { requestId }) =>
    await decisions.decide(principal, permission, scope, requestId);

const targetOf = (orgId: string, { projectId, environmentId }: Scope): { type: string; id: string } => {
  if (environmentId !== undefined) return { type: 'environment', id: environmentId };
  return projectId === undefined ? { type: 'organization', id: orgId } : { type: 'project', id: projectId };
};

/** A refused attempt becomes an entry of the organisation's audit log; `keyOf` finds the key of an environment. */
export const recordDenied =
  (audit: AuditLog, keyOf: (orgId: string, environmentId: string) => Promise<string | undefined>): OnDenied =>
  async ({ context, principal, scope, ...denial }: Denial) => {
    const { environmentId } = scope;
    const environment = environmentId === undefined ? undefined : await keyOf(principal.orgId, environmentId);
    const { permission, reason, explanation, decision, method, route } = denial;
    await audit.recordDenied(context.auditContext(), {
      action: 'access.denied',
      target: targetOf(principal.orgId, scope),
      reason,
      ...(environment === undefined ? {} : { environment }),
      decision: { permission, explanation, method, route, ...(decision === null ? {} : describeDecision(decision)) },
    });
  };
