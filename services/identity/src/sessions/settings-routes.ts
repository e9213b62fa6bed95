import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { changeSettings } from './change-settings.ts';
import { ABSOLUTE_MINUTES, IDLE_MINUTES, STEP_UP_ACTIONS, STEP_UP_MINUTES } from './settings.ts';
import { findSettings } from './settings-store.ts';

const PATH = '/api/identity/v1/session-settings';
const minutes = ({ min, max }: { readonly min: number; readonly max: number }) => z.int().min(min).max(max);

const stepUpSchema = z.object({
  /** What needs a recent sign-in. */
  actions: z.array(z.enum(STEP_UP_ACTIONS)).max(STEP_UP_ACTIONS.length),
  minutes: minutes(STEP_UP_MINUTES),
  multiFactor: z.boolean(),
  tokensAllowed: z.boolean(),
});

const settingsSchema = z.object({
  idleMinutes: minutes(IDLE_MINUTES),
  absoluteMinutes: minutes(ABSOLUTE_MINUTES),
  stepUp: stepUpSchema,
});

/** How long sessions last in an organisation, and what needs a recent sign-in. */
export const settingsRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: PATH,
    permission: 'organization:read',
    surface: 'api',
    summary: 'How long sessions last, and what needs a recent sign-in.',
    responses: { 200: settingsSchema },
    handler: async ({ context: request }) => {
      const { orgId } = request.auditContext();
      const settings = await context.db.read(orgId, async (tx) => await findSettings(tx, orgId));
      if (settings === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
      return { status: 200, body: settings };
    },
  }),
  route({
    method: 'PATCH',
    path: PATH,
    permission: 'connection:manage',
    surface: 'api',
    summary: 'Changes how long sessions last, and what needs a recent sign-in. Open sessions come under it at once.',
    body: settingsSchema.partial().extend({ stepUp: stepUpSchema.partial().optional() }),
    responses: { 200: settingsSchema, 400: null, 409: null },
    handler: async ({ body, context: request }) => {
      const { principal, decision } = request;
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const settings = await changeSettings(context, { audit: request.auditContext(), decision, principal }, body);
      return { status: 200, body: settings };
    },
  }),
];
