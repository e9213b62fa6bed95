import { AppError } from '@sallyport/errors';
import { PUBLIC, listOf, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  browserForLogin,
  countedAttempt,
  findLoginConnection,
  listTraces,
  loginCookie,
  refusedPage,
  startRules,
  type Browser,
  type StoredTrace,
} from '../login/index.ts';
import { findOidcFacet, startOidcLogin } from '../oidc/index.ts';
import { findSamlFacet, startSamlLogin } from '../saml/index.ts';
import { openTicket, sealTicket, TICKET_LIFE_MS, type TestTicket } from './ticket.ts';

const BASE = '/api/identity/v1/connections/:connectionId';
const params = z.object({ connectionId: z.uuid() });

const traceSchema = z.object({
  id: z.uuid(),
  at: z.iso.datetime(),
  protocol: z.enum(['saml', 'oidc']),
  startedBy: z.uuid(),
  passed: z.boolean(),
  reason: z.string().nullable(),
  where: z.string().nullable(),
  checks: z.array(
    z.object({
      name: z.string(),
      result: z.enum(['passed', 'failed', 'not-reached']),
      reason: z.string().optional(),
    }),
  ),
  /** What arrived, redacted: names of attributes and how many values, not the values. */
  arrived: z.record(z.string(), z.unknown()),
  account: z.object({ id: z.uuid().nullable(), userName: z.string(), isNew: z.boolean() }).nullable(),
  mapped: z
    .object({
      identifier: z.string().nullable(),
      email: z.string().nullable(),
      displayName: z.string().nullable(),
      groups: z.array(z.string()),
      multiFactor: z.boolean(),
    })
    .nullable(),
});

const render = ({
  orgId: _org,
  connectionId: _connection,
  at,
  ...trace
}: StoredTrace): z.input<typeof traceSchema> => ({
  ...trace,
  at: at.toISOString(),
  checks: [...trace.checks],
  mapped: trace.mapped === null ? null : { ...trace.mapped, groups: [...trace.mapped.groups] },
});

/** The facet a test goes through; the connection may be disabled. */
const findFacet = async ({ db }: IdentityContext, connectionId: string, protocol: TestTicket['protocol']) =>
  await db.readAcrossOrganizations('a sign-in address names a connection only', async (tx) => {
    const connection = await findLoginConnection(tx, connectionId);
    if (connection === null) return null;
    const { orgId } = connection;
    if (protocol === 'saml') {
      const facet = await findSamlFacet(tx, orgId, connectionId);
      return facet === null ? null : ({ protocol, facet } as const);
    }
    const facet = await findOidcFacet(tx, orgId, connectionId);
    return facet === null ? null : ({ protocol, facet } as const);
  });

const newTest = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${BASE}/login-tests`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Starts a test of a connection, disabled or not: an address to open within five minutes. Signs nobody in.',
    params,
    body: z.object({ protocol: z.enum(['saml', 'oidc']) }),
    responses: { 201: z.object({ url: z.string(), expiresAt: z.iso.datetime() }), 404: null },
    handler: async ({ params: { connectionId }, body: { protocol }, context: request }) => {
      const { orgId, actor } = request.auditContext();
      const found = await findFacet(context, connectionId, protocol);
      if (found?.facet.orgId !== orgId) throw new AppError('NOT_FOUND', 'The connection has no such sign-in.');
      const expiresAtMs = context.clock.now().getTime() + TICKET_LIFE_MS;
      const ticket = sealTicket(context, { orgId, connectionId }, { startedBy: actor.id, protocol, expiresAtMs });
      const url = new URL(`/login/test/${connectionId}`, context.config.publicOrigin);
      url.searchParams.set('ticket', ticket);
      return { status: 201, body: { url: url.href, expiresAt: new Date(expiresAtMs).toISOString() } };
    },
  });

const locationOf = async (
  context: IdentityContext,
  connectionId: string,
  ticket: TestTicket,
  browser: Browser,
): Promise<string | null> => {
  const found = await findFacet(context, connectionId, ticket.protocol);
  const start = {
    browser,
    purpose: 'test',
    startedBy: ticket.startedBy,
    replaces: null,
    returnTo: '/account',
  } as const;
  if (found === null) return null;
  return found.protocol === 'saml'
    ? await startSamlLogin(context, { ...start, facet: found.facet })
    : await startOidcLogin(context, { ...start, facet: found.facet });
};

const startPage = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: '/login/test/:connectionId',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Goes to the identity provider for a test of a connection. The ticket says who tests it.',
    params: z.object({ connectionId: z.uuid() }),
    query: z.object({ ticket: z.string().max(2_000) }),
    responses: { 303: null, 403: z.string(), 429: null },
    handler: async ({ params: { connectionId }, query, context: request, ctx }) => {
      await countedAttempt(context, startRules(request.ip));
      const connection = await context.db.readAcrossOrganizations(
        'a sign-in address names a connection only',
        async (tx) => await findLoginConnection(tx, connectionId),
      );
      const ticket =
        connection === null ? null : openTicket(context, { orgId: connection.orgId, connectionId }, query.ticket);
      const browser = browserForLogin(ctx.req);
      const location = ticket === null ? null : await locationOf(context, connectionId, ticket, browser);
      if (location === null) return { status: 403, body: refusedPage(request.requestId) };
      return { status: 303, headers: { location, 'set-cookie': loginCookie(browser) } };
    },
  });

const traces = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: `${BASE}/login-traces`,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'What the last twenty tests of a connection found, newest first; each is kept for a day.',
    params,
    responses: { 200: listOf(traceSchema), 404: null },
    handler: async ({ params: { connectionId }, context: request }) => {
      const { orgId } = request.auditContext();
      const found = await context.db.read(orgId, async (tx) => {
        if ((await findLoginConnection(tx, connectionId)) === null) return null;
        return await listTraces(tx, { orgId, connectionId, now: context.clock.now() });
      });
      if (found === null) throw new AppError('NOT_FOUND', 'There is no such connection.');
      return { status: 200, body: { items: found.map(render), nextCursor: null } };
    },
  });

/** Testing a connection before anybody signs in through it. */
export const loginTestRoutes = (context: IdentityContext): Route[] => [
  newTest(context),
  startPage(context),
  traces(context),
];
