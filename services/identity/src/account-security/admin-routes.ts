import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import { z } from 'zod';

import { awaitEffective, findAccount, type Account, type Closed } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { resetFactors } from '../factors/index.ts';
import { readLocalRules } from '../local-login/index.ts';
import { authorizedBy, fence } from '../login/index.ts';
import { askReach, assertMayLoosen, recordingEscalation } from '../reach/index.ts';
import { changeLocalRules } from './change-rules.ts';
import { factorsSchema, renderFactors, signInMethods } from './factors-view.ts';

const ACCOUNT = '/api/identity/v1/accounts/:accountId/factors';
const RULES = '/api/identity/v1/local-sign-in';
const params = z.object({ accountId: z.uuid() });
const rulesSchema = z.object({ localAccountsEnabled: z.boolean(), secondFactorRequired: z.boolean() });

const found = (account: Account | undefined): Account => {
  if (account === undefined) throw new AppError('NOT_FOUND', 'There is no such account.');
  return account;
};

/** Factors of others, without secrets; an administrator takes them away and never sees, chooses or adds one. */
const factorRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: ACCOUNT,
    permission: 'account:read',
    surface: 'api',
    summary: 'How somebody signs in locally; no secrets.',
    params,
    responses: { 200: factorsSchema, 404: null },
    handler: async ({ params: { accountId }, context: request }) => {
      const { orgId } = request.auditContext();
      const methods = await context.db.read(orgId, async (tx) => {
        found(await findAccount(tx, orgId, accountId));
        return await signInMethods(tx, { orgId, accountId });
      });
      return { status: 200, body: renderFactors(methods) };
    },
  }),
  route({
    method: 'DELETE',
    path: ACCOUNT,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Takes every second factor from an account, and voids all it holds; its password stays.',
    params,
    query: z.object({ reason: z.string().trim().min(1).max(500).optional() }),
    responses: { 204: null, 403: null, 404: null },
    handler: async ({ params: { accountId }, query, context: request }) => {
      const who = authorizedBy(request);
      const reach = await askReach(context, request);
      const reset = async (tx: AuditedTx): Promise<Closed> => {
        fence(tx, who);
        const account = found(await findAccount(tx, tx.orgId, accountId));
        await assertMayLoosen(tx, reach, accountId);
        return await resetFactors(tx, context, account, query.reason);
      };
      const { value: closed } = await recordingEscalation(
        context,
        who.audit,
        { type: 'account', id: accountId },
        async () => await context.audit.mutate(who.audit, reset),
      );
      context.mail.wake();
      await awaitEffective(context, who.audit, closed, [accountId]);
      return { status: 204 };
    },
  }),
];

const rulesRoutes = (context: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: RULES,
    permission: 'connection:read',
    surface: 'api',
    summary: 'What the organisation asks of its local accounts.',
    responses: { 200: rulesSchema },
    handler: async ({ context: request }) => {
      const { orgId } = request.auditContext();
      const rules = await context.db.unauditedWrite(orgId, 'held, nothing is written', async (tx) => {
        return await readLocalRules(tx, orgId);
      });
      return { status: 200, body: rules };
    },
  }),
  route({
    method: 'PATCH',
    path: RULES,
    permission: 'connection:manage',
    surface: 'api',
    summary:
      'Changes it. Switching local accounts off voids what they hold; the break-glass Owner is never switched off.',
    body: rulesSchema.partial(),
    responses: { 200: rulesSchema },
    handler: async ({ body, context: request }) => ({
      status: 200,
      body: await changeLocalRules(context, authorizedBy(request), body),
    }),
  }),
];

/** What administrators see of and do about local sign-in. */
export const localSignInAdminRoutes = (context: IdentityContext): Route[] => [
  ...factorRoutes(context),
  ...rulesRoutes(context),
];
