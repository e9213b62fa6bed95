import { credentialOf } from '@sallyport/decision-client';
import { AppError } from '@sallyport/errors';
import { GUARDED, route, type Principal, type RequestContext, type Route } from '@sallyport/http';
import type Koa from 'koa';
import { z } from 'zod';

import { findAccount, type Account } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { resolveCredential } from '../introspection/index.ts';
import type { Guard } from './resource-routes.ts';
import { readSelection } from './protocol/selection.ts';
import { USER } from './protocol/user-schema.ts';
import { readQuery } from './query/index.ts';
import { contentTypeOf, etagOf, isUnchanged } from './request.ts';
import { locationOf } from './resource-type.ts';
import { renderFor } from './users/resource.ts';

const PATH = '/scim/v2/Me';

/** A person's own credential; undefined for a directory, which is nobody. */
type MeGuard = (ctx: Koa.Context, request: RequestContext) => Promise<Principal | undefined>;

/**
 * Who asks for `/Me`: a person by their own session, API token or access token; else a directory, by its token.
 *
 * @throws UNAUTHENTICATED when it is neither
 */
const meGuard =
  (service: IdentityContext, guard: Guard): MeGuard =>
  async (ctx, request) => {
    const shown = credentialOf(ctx.req);
    const resolved = shown === null ? undefined : await resolveCredential(service, shown);
    if (resolved?.active === true) return resolved.principal;
    await guard(ctx, request);
    return undefined;
  };

const requirePerson = (principal: Principal | undefined): Principal => {
  if (principal?.type !== 'user')
    throw new AppError('NOT_IMPLEMENTED', 'This credential is no person, so there is no "me". Ask for /Users.');
  return principal;
};

/** The person's account, as long as it is a resource of some directory. @throws NOT_FOUND for a local account */
const ownAccount = async ({ db }: IdentityContext, { orgId, subjectId }: Principal): Promise<Account> => {
  const account = await db.read(orgId, (tx) => findAccount(tx, orgId, subjectId));
  if (account === undefined || account.connectionId === null || account.status === 'deleted')
    throw new AppError('NOT_FOUND', 'No directory keeps this account, so it is no SCIM resource.');
  return account;
};

const writeRoute = (guard: MeGuard, method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'): Route =>
  route({
    method,
    path: PATH,
    permission: GUARDED,
    guard,
    surface: 'scim',
    summary: 'Refused: accounts are changed by their directory.',
    responses: { 403: null, 501: null },
    handler: ({ guarded }) => {
      requirePerson(guarded);
      return Promise.reject(
        new AppError('PERMISSION_DENIED', 'The directory of your organisation keeps this account; change it there.'),
      );
    },
  });

/**
 * `/Me`: a person's own resource, to be read by them. Nobody changes themselves through it.
 *
 * @see RFC 7644 §3.11
 */
export const meRoutes = (service: IdentityContext, directoryGuard: Guard): Route[] => {
  const guard = meGuard(service, directoryGuard);
  return [
    route({
      method: 'GET',
      path: PATH,
      permission: GUARDED,
      guard,
      surface: 'scim',
      summary: "Shows a person's own resource to them; a directory is no person and is told so.",
      query: readQuery,
      responses: { 200: z.record(z.string(), z.unknown()), 304: null, 501: null },
      handler: async ({ guarded, query, ctx }) => {
        const selection = readSelection(USER, query);
        const account = await ownAccount(service, requirePerson(guarded));
        const [resource] = await renderFor(service, account.orgId, [account], selection);
        const etag = resource?.etag ?? etagOf(account.version);
        if (isUnchanged(ctx, etag)) return { status: 304, headers: { etag } };
        const location = locationOf(service.config.publicOrigin, USER, account.id);
        const headers = {
          ...contentTypeOf(ctx),
          location,
          'content-location': location,
          etag,
        };
        return { status: 200, body: resource?.document, headers };
      },
    }),
    ...(['POST', 'PUT', 'PATCH', 'DELETE'] as const).map((method) => writeRoute(guard, method)),
  ];
};
