import type { Route } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import { scimGuard } from './caller.ts';
import { scimDiscoveryRoutes } from './discovery.ts';
import { scimGroupRoutes } from './groups/routes.ts';
import { userRoutes } from './users/routes.ts';

/** `/scim/v2`: the base URL is the same for everybody, the token says whose directory it is. */
export const scimRoutes = (service: IdentityContext): Route[] => {
  const guard = scimGuard(service);
  return [...userRoutes(service, guard), ...scimGroupRoutes(service, guard), ...scimDiscoveryRoutes(service, guard)];
};
