import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, listOf, listQuery, route, type RequestContext, type Route } from '@sallyport/http';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { askReach, assertMayLoosen, recordingEscalation } from '../reach/index.ts';
import { emailsOf, type Account } from './account.ts';
import { awaitEffective } from './await-effective.ts';
import { changeOwner, ownerOfCaller } from './change-owner.ts';
import { createAccount } from './create-account.ts';
import { closeAccess, type Closed } from './deactivate.ts';
import { refuseDirectoryOwned } from './directory-owned.ts';
import { openAccess } from './reactivate.ts';
import { findAccount, listAccounts, lockAccounts } from './store.ts';
import { updateAccount } from './update-account.ts';

const BASE = '/api/identity/v1/accounts';

const accountSchema = z.object({
  id: z.string(),
  kind: z.enum(['user', 'service_account']),
  status: z.enum(['active', 'inactive', 'deleted']),
  closedBy: z.array(z.enum(['directory', 'admin', 'connection'])),
  breakGlass: z.boolean(),
  connectionId: z.string().nullable(),
  externalId: z.string().nullable(),
  userName: z.string(),
  displayName: z.string(),
  emails: z.array(z.string()),
  epoch: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
  deactivatedAt: z.string().nullable(),
});

const params = z.object({ accountId: z.uuid() });
const reasonBody = z.object({ reason: z.string().trim().min(1).max(500).optional() }).optional();
const query = listQuery.extend({
  status: z.enum(['active', 'inactive', 'deleted']).optional(),
  connectionId: z.uuid().optional(),
  kind: z.enum(['user', 'service_account']).optional(),
  userName: z.string().min(1).max(500).optional(),
});

const render = (account: Account): z.output<typeof accountSchema> => ({
  id: account.id,
  kind: account.kind,
  status: account.status,
  closedBy: [
    ...(account.directoryActive ? [] : (['directory'] as const)),
    ...(account.adminHold ? (['admin'] as const) : []),
    ...(account.connectionHold ? (['connection'] as const) : []),
  ],
  breakGlass: account.breakGlass,
  connectionId: account.connectionId,
  externalId: account.externalId,
  userName: account.userName,
  displayName: account.displayName,
  emails: emailsOf(account.profile),
  epoch: account.epoch.toString(),
  createdAt: account.createdAt.toISOString(),
  updatedAt: account.updatedAt.toISOString(),
  deactivatedAt: account.deactivatedAt?.toISOString() ?? null,
});

const orgOf = (context: RequestContext): string => context.auditContext().orgId;

const getAccount = async ({ db }: IdentityContext, orgId: string, id: string): Promise<Account> => {
  const account = await db.read(orgId, (tx) => findAccount(tx, orgId, id));
  if (account === undefined) throw new AppError('NOT_FOUND', 'There is no such account.');
  return account;
};

const readRoutes = (service: IdentityContext): Route[] => [
  route({
    method: 'GET',
    path: BASE,
    permission: 'account:read',
    surface: 'api',
    summary: 'Lists accounts in order of creation.',
    query,
    responses: { 200: listOf(accountSchema) },
    handler: async ({ query: { limit, cursor, status, connectionId, kind, userName }, context }) => {
      const orgId = orgOf(context);
      const after = cursor === undefined ? undefined : decodeCursor(z.uuid(), cursor);
      const filter = {
        limit: limit + 1,
        ...(after === undefined ? {} : { after }),
        ...(status === undefined ? {} : { status }),
        ...(connectionId === undefined ? {} : { connectionId }),
        ...(kind === undefined ? {} : { kind }),
        ...(userName === undefined ? {} : { userName }),
      };
      const accounts = await service.db.read(orgId, (tx) => listAccounts(tx, orgId, filter));
      const page = accounts.slice(0, limit);
      const last = page.at(-1);
      const nextCursor = accounts.length > limit && last !== undefined ? encodeCursor(last.id) : null;
      return { status: 200, body: { items: page.map(render), nextCursor } };
    },
  }),
  route({
    method: 'GET',
    path: `${BASE}/:accountId`,
    permission: 'account:read',
    surface: 'api',
    summary: 'Shows one account; a removed one as its tombstone.',
    params,
    responses: { 200: accountSchema },
    handler: async ({ params: { accountId }, context }) => ({
      status: 200,
      body: render(await getAccount(service, orgOf(context), accountId)),
    }),
  }),
];

const serviceAccountRoute = (service: IdentityContext): Route =>
  route({
    method: 'POST',
    path: BASE,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Creates a service account; people come from their connection.',
    body: z.object({
      kind: z.literal('service_account'),
      userName: z
        .string()
        .trim()
        .regex(/^[\w.-]{1,100}$/, 'letters, digits, dot, dash and underscore'),
      displayName: z.string().trim().min(1).max(200).optional(),
    }),
    responses: { 201: accountSchema, 409: null },
    handler: async ({ body: { userName, displayName }, context }) => {
      const { value: account } = await service.audit.mutate(context.auditContext(), async (tx) => {
        if (context.decision !== null) tx.fence(context.decision);
        const ownerId = await ownerOfCaller(tx, context.auditContext().actor);
        const created = await createAccount(tx, service, {
          kind: 'service_account',
          connectionId: null,
          externalId: null,
          userName,
          profile: displayName === undefined ? {} : { displayName },
        });
        await changeOwner(tx, created.id, ownerId);
        return created;
      });
      return { status: 201, body: render(account), headers: { location: `${BASE}/${account.id}` } };
    },
  });

const renameRoute = (service: IdentityContext): Route =>
  route({
    method: 'PATCH',
    path: `${BASE}/:accountId`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Changes what an account is called. What a directory provisions is changed there and is a 409 here.',
    params,
    body: z.strictObject({ displayName: z.string().trim().min(1).max(200) }),
    responses: { 200: accountSchema, 409: null },
    handler: async ({ params: { accountId }, body: { displayName }, context }) => {
      const { value: account } = await service.audit.mutate(context.auditContext(), async (tx) => {
        if (context.decision !== null) tx.fence(context.decision);
        const [locked] = await lockAccounts(tx, tx.orgId, [accountId]);
        if (locked === undefined || locked.status === 'deleted')
          throw new AppError('NOT_FOUND', 'There is no such account.');
        await refuseDirectoryOwned(tx, locked);
        if (locked.profile['displayName'] !== displayName)
          return await updateAccount(tx, service, locked, { ...locked, profile: { ...locked.profile, displayName } });
        tx.unchanged();
        return locked;
      });
      return { status: 200, body: render(account) };
    },
  });

const deactivateRoute = (service: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:accountId/deactivate`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Closes an account, wherever it comes from. Answers when nothing it held works anywhere any more.',
    params,
    body: reasonBody,
    responses: { 200: accountSchema, 409: null },
    handler: async ({ params: { accountId }, body, context }) => {
      const audit = context.auditContext();
      const { value: closed } = await service.audit.mutate(audit, async (tx): Promise<Closed> => {
        if (context.decision !== null) tx.fence(context.decision);
        return await closeAccess(tx, service, {
          accountIds: [accountId],
          by: 'admin',
          cause: 'admin.deactivated',
          ...(body?.reason === undefined ? {} : { reason: body.reason }),
        });
      });
      await awaitEffective(service, audit, closed, [accountId]);
      return { status: 200, body: render(await getAccount(service, audit.orgId, accountId)) };
    },
  });

const reactivateRoute = (service: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${BASE}/:accountId/reactivate`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Takes back what an administrator closed. What the directory closed, only the directory opens.',
    params,
    body: reasonBody,
    responses: { 200: accountSchema, 403: null, 409: null },
    handler: async ({ params: { accountId }, body, context }) => {
      const audit = context.auditContext();
      const reach = await askReach(service, context);
      const open = async (tx: AuditedTx): Promise<void> => {
        if (context.decision !== null) tx.fence(context.decision);
        const account = await findAccount(tx, audit.orgId, accountId);
        if (account === undefined) throw new AppError('NOT_FOUND', 'There is no such account.');
        await assertMayLoosen(tx, reach, accountId);
        if (account.status === 'deleted') throw new AppError('CONFLICT', 'The account was removed for good.');
        if (!account.adminHold && account.status === 'inactive')
          throw new AppError('READ_ONLY', 'The directory closed this account; only the directory can open it.');
        await openAccess(tx, service, {
          accountIds: [accountId],
          by: 'admin',
          cause: 'admin.reactivated',
          ...(body?.reason === undefined ? {} : { reason: body.reason }),
        });
      };
      await recordingEscalation(service, audit, { type: 'account', id: accountId }, async () => {
        await service.audit.mutate(audit, open);
      });
      return { status: 200, body: render(await getAccount(service, audit.orgId, accountId)) };
    },
  });

/** `/api/identity/v1/accounts`: what an administrator sees and may do; attributes are the directory's. */
export const accountRoutes = (service: IdentityContext): Route[] => [
  ...readRoutes(service),
  serviceAccountRoute(service),
  renameRoute(service),
  deactivateRoute(service),
  reactivateRoute(service),
];
