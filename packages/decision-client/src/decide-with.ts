import type { Decision, DecisionClient, DecisionResource, DecisionSubject } from './decision.ts';

/** Where a permission is asked; neither: the organisation. */
export interface DecisionScope {
  readonly projectId?: string;
  readonly environmentId?: string;
}

const resourceOf = ({ orgId }: DecisionSubject, scope: DecisionScope): DecisionResource => {
  if (scope.environmentId !== undefined) return { type: 'environment', id: scope.environmentId, ...scope };
  if (scope.projectId !== undefined) return { type: 'project', id: scope.projectId, ...scope };
  return { type: 'organization', id: orgId };
};

/** The `decide` of @sallyport/http's createHttpApp, answered by policy: the narrowest scope given is the resource. */
export const decideWith =
  (client: Pick<DecisionClient, 'check'>) =>
  (
    principal: DecisionSubject,
    permission: string,
    scope: DecisionScope,
    request: { readonly requestId: string },
  ): Promise<Decision> =>
    client.check({
      principal,
      action: permission,
      resource: resourceOf(principal, scope),
      requestId: request.requestId,
    });
