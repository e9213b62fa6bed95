import { AppError } from '@sallyport/errors';
import { SELF, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  finishPasskey,
  finishTotp,
  nameMyPasskey,
  registrationSchema,
  removePasskey,
  removeTotp,
  renewRecoveryCodes,
  startPasskey,
  startTotp,
} from '../factors/index.ts';
import { changePassword } from './change-password.ts';
import { factorsSchema, passkeySchema, renderFactors, renderPasskey, signInMethods } from './factors-view.ts';
import { anchorOf, freshOwner } from './fresh-owner.ts';

const BASE = '/api/identity/v1/factors';
const name = z.string().trim().min(1).max(100);
const code = z.string().min(1).max(40);
const codes = z.array(z.string());
const nothing = z.object({}).optional();
const params = z.object({ passkeyId: z.uuid() });
const PASSKEY_BODY_BYTES = 64 * 1024;
const row = { permission: SELF, surface: 'api' } as const;

const readRoute = (context: IdentityContext): Route =>
  route({
    ...row,
    method: 'GET',
    path: BASE,
    summary: 'How I sign in: password, authenticator app, passkeys, recovery codes left; no secrets.',
    responses: { 200: factorsSchema },
    handler: async ({ context: request }) => {
      const { principal } = request;
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const { orgId, subjectId: accountId } = principal;
      const methods = await context.db.read(orgId, async (tx) => await signInMethods(tx, { orgId, accountId }));
      return { status: 200, body: renderFactors(methods) };
    },
  });

const totpRoutes = (context: IdentityContext): Route[] => [
  route({
    ...row,
    method: 'POST',
    path: `${BASE}/totp`,
    summary: 'Begins to set up an authenticator app; its secret is in this answer and nowhere else.',
    body: nothing,
    responses: { 200: z.object({ secret: z.string(), uri: z.string(), qr: z.string() }), 403: null, 409: null },
    handler: async ({ context: request }) => {
      const { owner } = await freshOwner(context, request);
      return { status: 200, body: await startTotp(context, owner, 'signed-in') };
    },
  }),
  route({
    ...row,
    method: 'POST',
    path: `${BASE}/totp/confirm`,
    summary:
      'Confirms the authenticator app with a code it shows. Recovery codes are there when it is the first factor.',
    body: z.object({ code }),
    responses: { 200: z.object({ recoveryCodes: codes.nullable() }), 400: null, 403: null, 409: null, 429: null },
    handler: async ({ body, context: request }) => {
      const { owner, audit } = await freshOwner(context, request);
      const enrolled = await finishTotp(context, owner, { code: body.code, by: 'signed-in' }, audit);
      return { status: 200, body: enrolled };
    },
  }),
  route({
    ...row,
    method: 'DELETE',
    path: `${BASE}/totp`,
    summary: 'Removes my authenticator app.',
    responses: { 204: null, 403: null, 404: null, 409: null },
    handler: async ({ context: request }) => {
      const { owner, audit } = await freshOwner(context, request);
      await removeTotp(context, owner, audit);
      return { status: 204 };
    },
  }),
  route({
    ...row,
    method: 'POST',
    path: `${BASE}/recovery-codes`,
    summary: 'New recovery codes; the old ones are void, and these are in this answer and nowhere else.',
    body: nothing,
    responses: { 200: z.object({ recoveryCodes: codes }), 403: null, 409: null },
    handler: async ({ context: request }) => {
      const { owner, audit } = await freshOwner(context, request);
      return { status: 200, body: { recoveryCodes: await renewRecoveryCodes(context, owner, audit) } };
    },
  }),
];

const addPasskeyRoutes = (context: IdentityContext): Route[] => [
  route({
    ...row,
    method: 'POST',
    path: `${BASE}/passkeys/options`,
    summary: 'Begins to add a passkey: what a browser needs to make one.',
    body: nothing,
    responses: { 200: z.object({ publicKey: z.looseObject({}) }), 403: null, 409: null },
    handler: async ({ context: request }) => {
      const fresh = await freshOwner(context, request);
      return { status: 200, body: { publicKey: await startPasskey(context, fresh.owner, anchorOf(fresh)) } };
    },
  }),
  route({
    ...row,
    method: 'POST',
    path: `${BASE}/passkeys`,
    summary: 'Adds the passkey a browser made. Recovery codes are there when it is the first factor.',
    bodyLimitBytes: PASSKEY_BODY_BYTES,
    body: z.object({ response: registrationSchema, name: name.default('Passkey') }),
    responses: {
      201: z.object({ passkey: passkeySchema, recoveryCodes: codes.nullable(), location: z.string() }),
      400: null,
      403: null,
      409: null,
    },
    handler: async ({ body, context: request }) => {
      const fresh = await freshOwner(context, request);
      const shown = { answer: body.response, name: body.name, by: 'signed-in', anchor: anchorOf(fresh) } as const;
      const { passkey, recoveryCodes } = await finishPasskey(context, fresh.owner, shown, fresh.audit);
      const location = '/account/security';
      return { status: 201, body: { passkey: renderPasskey(passkey), recoveryCodes, location } };
    },
  }),
];

const keepPasskeyRoutes = (context: IdentityContext): Route[] => [
  route({
    ...row,
    method: 'PATCH',
    path: `${BASE}/passkeys/:passkeyId`,
    summary: 'Renames one of my passkeys.',
    params,
    body: z.object({ name }),
    responses: { 204: null, 403: null, 404: null },
    handler: async ({ params: { passkeyId: id }, body, context: request }) => {
      const { owner, audit } = await freshOwner(context, request);
      await nameMyPasskey(context, owner, { id, name: body.name }, audit);
      return { status: 204 };
    },
  }),
  route({
    ...row,
    method: 'DELETE',
    path: `${BASE}/passkeys/:passkeyId`,
    summary: 'Removes one of my passkeys.',
    params,
    responses: { 204: null, 403: null, 404: null, 409: null },
    handler: async ({ params: { passkeyId }, context: request }) => {
      const { owner, audit } = await freshOwner(context, request);
      await removePasskey(context, owner, passkeyId, audit);
      return { status: 204 };
    },
  }),
];

const passwordRoute = (context: IdentityContext): Route =>
  route({
    ...row,
    method: 'PUT',
    path: '/api/identity/v1/password',
    summary: 'Changes my password; every other session of mine ends.',
    body: z.object({ current: z.string().max(1024), password: z.string().max(1024) }),
    responses: { 204: null, 400: null, 403: null, 409: null, 429: null },
    handler: async ({ body, context: request }) => {
      const { owner, audit, sessionId } = await freshOwner(context, request);
      await changePassword(context, owner, { current: body.current, next: body.password, sessionId }, audit);
      return { status: 204 };
    },
  });

/** How I sign in, and changing it; every change needs a recent sign-in with all factors there are. */
export const factorRoutes = (context: IdentityContext): Route[] => [
  readRoute(context),
  ...totpRoutes(context),
  ...addPasskeyRoutes(context),
  ...keepPasskeyRoutes(context),
  passwordRoute(context),
];
