import type { Route } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import { bulkRoutes } from './bulk/routes.ts';
import { scimGuard } from './caller.ts';
import { scimDiscoveryRoutes } from './discovery.ts';
import { groupType } from './groups/resource.ts';
import { inTurn } from './in-turn.ts';
import { meRoutes } from './me.ts';
import { resourceRoutes, searchRoute } from './resource-routes.ts';
import { noticing } from './traces/index.ts';
import { userType } from './users/resource.ts';

/** `/scim/v2`: the base URL is the same for everybody, the token says whose directory it is. */
export const scimRoutes = (context: IdentityContext): Route[] => {
  const service = { ...context, audit: noticing(context.audit) };
  const guard = scimGuard(service);
  const [users, groups] = [userType(service), groupType(service)];
  const table = [
    ...resourceRoutes(service, guard, users),
    ...resourceRoutes(service, guard, groups),
    searchRoute(service, guard, { path: '/scim/v2/.search', types: [users, groups] }),
    ...bulkRoutes(service, guard),
    ...meRoutes(service, guard),
    ...scimDiscoveryRoutes(context, guard),
  ];
  return table.map(inTurn(service));
};
