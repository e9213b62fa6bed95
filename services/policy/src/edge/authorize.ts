import type { AuditLog } from '@sallyport/audit';
import type { Decide, OnDenied } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { CommitGuard } from '@sallyport/subject-feed';

import { adminProperties, type DecisionPoint } from '../decide/index.ts';

/** Decisions about our own API: made in this process, by the same point that answers everybody else. */
export const decideLocally =
  (point: DecisionPoint, guard: CommitGuard, clock: Clock): Decide =>
  async (principal, permission, scope, { context }) => {
    const decidedAtMonotonicMs = clock.monotonicMs();
    const decision = await point.ask({
      orgId: principal.orgId,
      subject: { type: principal.type, id: principal.subjectId, epoch: principal.epoch },
      action: permission,
      projectId: scope.projectId ?? '',
      environmentId: scope.environmentId ?? '',
      given: adminProperties(principal, context.ip),
      asker: { kind: 'api', id: 'policy', requestId: context.requestId },
    });
    const hold = (): ReturnType<CommitGuard['enter']> => guard.enter(principal);
    return { ...decision, decidedAtMonotonicMs, hold };
  };

/** Records a refused attempt in the organisation's audit log. */
export const recordDenied =
  (audit: AuditLog): OnDenied =>
  async ({ context, permission, scope, reason, method, route, decision }) => {
    await audit.recordDenied(context.auditContext(), {
      action: 'request.denied',
      target: { type: 'route', id: `${method} ${route}` },
      reason,
      decision: {
        permission,
        projectId: scope.projectId ?? null,
        environmentId: scope.environmentId ?? null,
        policyRevision: decision?.policyRevision ?? null,
      },
    });
  };
