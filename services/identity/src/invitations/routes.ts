import { decodeCursor, encodeCursor, listOf, listQuery, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { authorizedBy } from '../login/index.ts';
import { invitationStatus, type Invitation } from './invitation.ts';
import { invite, takeBackInvitation } from './invite.ts';
import { listInvitations } from './store.ts';

const BASE = '/api/identity/v1/invitations';
const time = z.iso.datetime();

const invitationSchema = z.object({
  id: z.uuid(),
  email: z.string(),
  displayName: z.string(),
  status: z.enum(['open', 'accepted', 'revoked', 'expired']),
  invitedBy: z.string(),
  createdAt: time,
  expiresAt: time,
  acceptedAt: time.nullable(),
  /** The account that was made of it. */
  accountId: z.uuid().nullable(),
});

const render = (invitation: Invitation, now: Date): z.output<typeof invitationSchema> => ({
  id: invitation.id,
  email: invitation.email,
  displayName: invitation.displayName,
  status: invitationStatus(invitation, now),
  invitedBy: invitation.invitedBy,
  createdAt: invitation.createdAt.toISOString(),
  expiresAt: invitation.expiresAt.toISOString(),
  acceptedAt: invitation.acceptedAt?.toISOString() ?? null,
  accountId: invitation.accountId,
});

/** `/api/identity/v1/invitations`: into local accounts. */
export const invitationRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'POST',
    path: BASE,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Invites an address into a local account; its secret goes by mail and is in no answer.',
    body: z.object({
      email: z.string().trim().max(254),
      displayName: z.string().trim().max(200).default(''),
    }),
    responses: { 201: invitationSchema, 409: null },
    handler: async ({ body, context: request }) => {
      const invitation = await invite(context, authorizedBy(request), body);
      return { status: 201, body: render(invitation, context.clock.now()) };
    },
  }),
  route({
    method: 'GET',
    path: BASE,
    permission: 'account:read',
    surface: 'api',
    summary: 'Invitations, newest first.',
    query: listQuery,
    responses: { 200: listOf(invitationSchema) },
    handler: async ({ query: { limit, cursor }, context: request }) => {
      const { orgId } = request.auditContext();
      const before = cursor === undefined ? null : decodeCursor(z.uuid(), cursor);
      const found = await context.db.read(orgId, async (tx) => {
        return await listInvitations(tx, { orgId, before, limit: limit + 1 });
      });
      const items = found.slice(0, limit);
      const last = found.length > limit ? items.at(-1) : undefined;
      const now = context.clock.now();
      const nextCursor = last === undefined ? null : encodeCursor(last.id);
      return { status: 200, body: { items: items.map((invitation) => render(invitation, now)), nextCursor } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/:invitationId`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Takes an open invitation back; its link does not work any more.',
    params: z.object({ invitationId: z.uuid() }),
    responses: { 204: null, 404: null },
    handler: async ({ params, context: request }) => {
      await takeBackInvitation(context, authorizedBy(request), params.invitationId);
      return { status: 204 };
    },
  }),
];
