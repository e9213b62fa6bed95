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

/** Who changes something once somebody else has answered, and the decision to be had then. */
export interface LateAuthorized {
  readonly audit: AuditContext;
  /** Decisions last as long as a lease; one from before the wait would have expired. Null: nobody has to allow it. */
  readonly decide: () => Promise<GrantedDecision | null>;
}

/** The caller of a request whose command waits for a name server or an identity provider before it changes anything. */
export const authorizedLater = (request: RequestContext, permission: string): LateAuthorized => ({
  audit: request.auditContext(),
  decide: async () => await request.require(permission),
});

/** The transaction commits only while the decision it rests on is valid. */
export const fence = (tx: AuditedTx, { decision }: Authorized): void => {
  if (decision !== null) tx.fence(decision);
};
