import { isAppError } from '@sallyport/errors';
import { PUBLIC, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { originOf, signInPage } from '../login/index.ts';
import { mailedLinkPage } from '../pages/index.ts';
import { acceptInvitation } from './accept-invitation.ts';

const PATH = '/login/invitation';
const html = z.string();

const form = (more: { readonly token?: string; readonly alert?: string; readonly problem?: string } = {}): string =>
  mailedLinkPage({
    title: 'Accept your invitation',
    intro: 'Choose a password. You can add a passkey or an authenticator app once you have signed in.',
    action: PATH,
    submit: 'Accept',
    ...more,
  });

const EXPECTED: ReadonlySet<string> = new Set(['LOGIN_REFUSED', 'ALREADY_EXISTS', 'RATE_LIMITED']);

/** The page an invitation leads to. */
export const invitationPageRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Where the link of an invitation leads.',
    responses: { 200: html },
    handler: () => Promise.resolve({ status: 200, body: form() }),
  }),
  route({
    method: 'POST',
    path: PATH,
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Accepts an invitation with a password.',
    body: z.object({ token: z.string().trim().max(200), password: z.string().max(1024) }),
    responses: { 200: html, 400: html, 403: html, 409: html, 429: html },
    handler: async ({ body, context: request }) => {
      const { token, password } = body;
      try {
        const { email } = await acceptInvitation(context, { token, password, origin: originOf(request) });
        const notice = { status: 'Your account is ready. Sign in.', tried: { form: 'local', email } } as const;
        return { status: 200, body: signInPage('/account', notice) };
      } catch (error) {
        if (!isAppError(error)) throw error;
        if (error.code === 'INVALID_VALUE') return { status: 400, body: form({ token, problem: error.message }) };
        if (!EXPECTED.has(error.code)) throw error;
        // Who goes by the address is nobody's business who holds a link.
        const alert = error.code === 'ALREADY_EXISTS' ? 'This invitation does not work any more.' : error.message;
        return { status: error.kind.http, body: form({ alert }) };
      }
    },
  }),
];
