import { isAppError } from '@sallyport/errors';
import { PUBLIC, route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { originOf, signInPage } from '../login/index.ts';
import { input, mailedLinkPage, page } from '../pages/index.ts';
import { askForReset } from './ask-reset.ts';
import { finishReset } from './finish-reset.ts';

const html = z.string();

const askPage = page({
  title: 'Forgotten your password?',
  main: `<p>Type the address of your local account. If there is one, it is sent a link to choose a new password.</p>
<form method="post" action="/login/forgot">
${input({ id: 'email', name: 'email', label: 'E-mail', type: 'email', autocomplete: 'username', maxLength: 254 })}
<button type="submit">Send the link</button>
</form>
<p>Do you sign in at your company’s identity provider? Then your password is theirs to reset.</p>
<p><a href="/login">To the sign-in page</a></p>`,
});

/** The same words whatever happened. */
const askedPage = page({
  title: 'Look into your mail',
  main: `<p role="status">If this is the address of a local account, a link is on its way. It works for half an hour.</p>
<p><a href="/login">To the sign-in page</a></p>`,
});

interface ResetForm {
  readonly token?: string;
  readonly alert?: string;
  readonly problem?: string;
  readonly codeProblem?: string;
}

const resetPage = ({ codeProblem, ...more }: ResetForm = {}): string =>
  mailedLinkPage({
    title: 'Choose a new password',
    intro: 'You will be signed out everywhere.',
    action: '/login/reset',
    submit: 'Set the password',
    more: input({
      id: 'code',
      name: 'code',
      label: 'Second factor',
      autocomplete: 'one-time-code',
      maxLength: 40,
      isOptional: true,
      hint: 'Only if you have set one up: the code of your app, or a recovery code.',
      problem: codeProblem,
    }),
    ...more,
  });

const askRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: '/login/forgot',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Asks whose password is forgotten.',
    responses: { 200: html },
    handler: () => Promise.resolve({ status: 200, body: askPage }),
  }),
  route({
    method: 'POST',
    path: '/login/forgot',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Sends a link to a new password, if there is such a local account; the answer does not say.',
    body: z.object({ email: z.string().max(254) }),
    responses: { 200: html, 429: html },
    handler: async ({ body, context: request }) => {
      await askForReset(context, { email: body.email, origin: originOf(request) });
      return { status: 200, body: askedPage };
    },
  }),
];

/** Pages of a forgotten password. */
export const passwordResetRoutes = (context: IdentityContext): Route[] => [
  ...askRoutes(context),
  route({
    method: 'GET',
    path: '/login/reset',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Where the link of a reset leads.',
    responses: { 200: html },
    handler: () => Promise.resolve({ status: 200, body: resetPage() }),
  }),
  route({
    method: 'POST',
    path: '/login/reset',
    permission: PUBLIC,
    surface: 'browser',
    summary: 'Sets a new password with the code of a mail and, where there is one, a second factor.',
    body: z.object({
      token: z.string().trim().max(200),
      password: z.string().max(1024),
      code: z.string().max(40).default(''),
    }),
    responses: { 200: html, 400: html, 403: html, 429: html },
    handler: async ({ body, context: request }) => {
      const { token } = body;
      try {
        await finishReset(context, { ...body, origin: originOf(request) });
        const status = 'Your password is changed. You have been signed out everywhere; sign in with the new one.';
        return { status: 200, body: signInPage('/account', { status }) };
      } catch (error) {
        if (!isAppError(error)) throw error;
        if (error.code === 'INVALID_VALUE') return { status: 400, body: resetPage({ token, problem: error.message }) };
        if (error.code === 'SECOND_FACTOR_REQUIRED')
          return { status: 403, body: resetPage({ token, codeProblem: error.message }) };
        if (error.code !== 'LOGIN_REFUSED' && error.code !== 'RATE_LIMITED') throw error;
        return { status: error.kind.http, body: resetPage({ alert: error.message }) };
      }
    },
  }),
];
