import type { AuditContext } from '@sallyport/audit';
import { newId } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import type { LoginOrigin } from './complete-login.ts';
import type { ExternalLogin } from './external-login.ts';
import type { PendingLogin } from './pending-store.ts';
import { mappedBy, previewLogin } from './preview-login.ts';
import { ACCOUNT_CHECK, checksOf, type TraceFailure } from './trace.ts';
import { insertTrace, type StoredTrace } from './trace-store.ts';

/** How far a test got in its protocol. */
export interface TestedLogin {
  readonly pending: PendingLogin;
  /** The protocol's own checks, in order. */
  readonly checks: readonly string[];
  readonly failure: TraceFailure | null;
  readonly where: string | null;
  readonly arrived: Readonly<Record<string, unknown>>;
  /** What the identity provider vouches for; null when it was refused. */
  readonly login: ExternalLogin | null;
}

/**
 * Ends a test login: finds out what a real one would do, and keeps the trace. Opens no session and creates nobody.
 */
export const recordTest = async (
  context: IdentityContext,
  tested: TestedLogin,
  origin: LoginOrigin,
): Promise<StoredTrace> => {
  const { pending, login, where, arrived } = tested;
  const { orgId, connectionId, protocol } = pending;
  const startedBy = pending.startedBy ?? '';
  const audit: AuditContext = { orgId, actor: { type: 'user', id: startedBy, via: 'login-test' }, ...origin };
  const preview = login === null ? null : await previewLogin(context, login, audit);
  const refusal = preview?.refusal ?? null;
  const failure = tested.failure ?? (refusal === null ? null : { check: ACCOUNT_CHECK, reason: refusal });
  const trace: StoredTrace = {
    orgId,
    id: newId(),
    connectionId,
    protocol,
    startedBy,
    passed: failure === null,
    reason: failure?.reason ?? null,
    at: context.clock.now(),
    checks: checksOf([...tested.checks, ACCOUNT_CHECK], failure),
    where,
    arrived,
    account: preview?.account ?? null,
    mapped: login === null ? null : mappedBy(login),
  };
  await context.audit.mutate(audit, async (tx) => {
    await insertTrace(tx, trace);
    const { id, passed, reason } = trace;
    tx.record({
      action: 'connection.login-tested',
      target: { type: 'connection', id: connectionId },
      after: { traceId: id, passed, reason },
    });
  });
  return trace;
};
