import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { isPublicMailDomain, releaseDomains } from '../domains/index.ts';
import { authorizedBy, fence } from './authorized.ts';
import {
  findLoginConnection,
  listConnectionDomains,
  listDomains,
  replaceDomains,
  type ConnectionDomain,
} from './identity-store.ts';

const PATH = '/api/identity/v1/connections/:connectionId/domains';
const params = z.object({ connectionId: z.uuid() });
const domain = z
  .string()
  .max(253)
  .toLowerCase()
  .regex(/^(?=.*\.)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$|^localhost$/);
const domainsSchema = z.object({ domains: z.array(domain).max(100) });
const domainsView = domainsSchema.extend({ verifiedDomains: z.array(z.string()) });

const render = (domains: readonly ConnectionDomain[]): z.output<typeof domainsView> => ({
  domains: domains.map((each) => each.domain),
  verifiedDomains: domains.filter(({ verifiedAt }) => verifiedAt !== null).map((each) => each.domain),
});

/** @throws INVALID_VALUE for a domain where anybody gets an address */
const assertNobodys = (domains: readonly string[]): void => {
  const at = domains.findIndex(isPublicMailDomain);
  if (at === -1) return;
  const detail = `${domains[at] ?? ''} is a mail provider's: everybody can have an address there.`;
  throw new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/domains', code: 'public' }] });
};

/** The mail domains whose people a connection signs in: for finding where to go, and as a limit for first logins. Only proven ones count. */
export const domainRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'connection:read',
    surface: 'api',
    summary: 'The mail domains of a connection.',
    params,
    responses: { 200: domainsView, 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      const { orgId } = request.auditContext();
      const domains = await context.db.read(orgId, async (tx) => {
        if ((await findLoginConnection(tx, connectionId)) === null) return null;
        return await listConnectionDomains(tx, orgId, connectionId);
      });
      if (domains === null) throw new AppError('NOT_FOUND', 'There is no such connection.');
      return { status: 200, body: render(domains) };
    },
  }),
  route({
    method: 'PUT',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Sets the mail domains of a connection.',
    params,
    body: domainsSchema,
    responses: { 200: domainsView, 404: null },
    handler: async ({ params: { connectionId }, body, context: request }) => {
      const who = authorizedBy(request);
      const domains = [...new Set(body.domains)].sort();
      assertNobodys(domains);
      const { value: after } = await context.audit.mutate(who.audit, async (tx) => {
        fence(tx, who);
        if ((await findLoginConnection(tx, connectionId)) === null) {
          throw new AppError('NOT_FOUND', 'There is no such connection.');
        }
        const before = await listDomains(tx, tx.orgId, connectionId);
        await replaceDomains(tx, tx.orgId, connectionId, domains);
        await releaseDomains(tx, tx.orgId);
        const target = { type: 'connection', id: connectionId };
        tx.record({ action: 'connection.domains-set', target, before: { domains: before }, after: { domains } });
        return await listConnectionDomains(tx, tx.orgId, connectionId);
      });
      return { status: 200, body: render(after) };
    },
  }),
];
