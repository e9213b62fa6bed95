import type { AuditContext, AuditedTx } from '@sallyport/audit';
import type { GrantedDecision, RequestContext } from '@sallyport/http';

/** Who changes something, and the decision that lets them. */
export interface Authorized {
  readonly audit: AuditContext;
  readonly decision: GrantedDecision | null;
}

/** The caller of a request, as the commands behind it want it. */
export const authorizedBy = (request: RequestContext): Authorized => ({
  audit: request.auditContext(),
  decision: request.decision,
});

/** The transaction commits only while the decision it rests on is valid. */
export const fence = (tx: AuditedTx, { decision }: Authorized): void => {
  if (decision !== null) tx.fence(decision);
};
