import { AppError } from '@sallyport/errors';
import { listOf, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { findConnection } from '../connections/index.ts';
import { countedAttempt, domainCheckRules } from '../throttle/index.ts';
import { recordNameOf, recordValueOf } from './challenge.ts';
import { checkDomain, GRACE_MS } from './check-domain.ts';
import { listClaims, type DomainClaim } from './store.ts';

const PATH = '/api/identity/v1/connections/:connectionId/domain-proofs';
const params = z.object({ connectionId: z.uuid() });

const proofSchema = z.object({
  domain: z.string(),
  /** `failing`: still counts, until `countsUntil`. */
  status: z.enum(['unproven', 'proven', 'failing']),
  verifiedAt: z.iso.datetime().nullable(),
  /** `dns`, or the operator who vouches for it. */
  verifiedBy: z.string().nullable(),
  checkedAt: z.iso.datetime().nullable(),
  problem: z.enum(['ABSENT', 'DIFFERENT', 'UNREACHABLE']).nullable(),
  countsUntil: z.iso.datetime().nullable(),
  /** The TXT record that proves the domain. */
  record: z.object({ name: z.string(), value: z.string() }),
});

const render = (claim: DomainClaim): z.input<typeof proofSchema> => {
  const { failingSince, verifiedAt } = claim;
  const proven = failingSince === null ? 'proven' : 'failing';
  return {
    domain: claim.domain,
    status: verifiedAt === null ? 'unproven' : proven,
    verifiedAt: verifiedAt?.toISOString() ?? null,
    verifiedBy: claim.verifiedBy,
    checkedAt: claim.checkedAt?.toISOString() ?? null,
    problem: claim.problem,
    countsUntil: failingSince === null ? null : new Date(failingSince.getTime() + GRACE_MS).toISOString(),
    record: { name: recordNameOf(claim.domain), value: recordValueOf(claim.challenge) },
  };
};

/** How the mail domains of a connection are proven, and whether they are. */
export const domainProofRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'connection:read',
    surface: 'api',
    summary: 'The DNS records that prove the mail domains of a connection, and how they are.',
    params,
    responses: { 200: listOf(proofSchema), 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      const { orgId } = request.auditContext();
      const claims = await context.db.read(orgId, async (tx) => {
        if ((await findConnection(tx, orgId, connectionId)) === undefined) return null;
        return await listClaims(tx, orgId, connectionId);
      });
      if (claims === null) throw new AppError('NOT_FOUND', 'There is no such connection.');
      return { status: 200, body: { items: claims.map(render), nextCursor: null } };
    },
  }),
  route({
    method: 'POST',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Looks for the DNS record of a mail domain now. Found, the domain is proven for this organisation alone.',
    params,
    body: z.object({ domain: z.string().max(253).toLowerCase() }),
    responses: { 200: proofSchema, 404: null, 409: null, 429: null },
    handler: async ({ params: { connectionId }, body, context: request }) => {
      const who = { audit: request.auditContext(), decide: async () => await request.require('connection:manage') };
      const { orgId } = who.audit;
      await countedAttempt(context, domainCheckRules(orgId));
      const claim = await checkDomain(context, { orgId, connectionId, domain: body.domain }, who);
      return { status: 200, body: render(claim) };
    },
  }),
];
