import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { route, type RequestContext, type Route } from '@sallyport/http';
import { isUniqueViolation, newId } from '@sallyport/storage';
import { z } from 'zod';

import { assertOwnedBy, changeOwner, findOwnership, lockOwnerForIssue, peopleBehind } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { askReach, assertMayHold, assertNotWider, recordingEscalation, type Reach } from '../reach/index.ts';
import { lockAccountForIssue } from '../sessions/index.ts';
import { insertKey, listKeys, revokeKey, workloadClientId, type WorkloadKey } from './key-store.ts';
import { usablePublicKey } from './public-keys.ts';

const ACCOUNT = '/api/identity/v1/accounts/:accountId';
const MAX_KEYS = 10;
const DAY_MS = 24 * 60 * 60 * 1000;
const MAX_LIFETIME_MS = 366 * DAY_MS;

const params = z.object({ accountId: z.uuid() });

const ownerSchema = z.object({ ownerId: z.uuid().nullable() });
const keySchema = z.object({
  id: z.uuid(),
  clientId: z.string(),
  kid: z.string(),
  name: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});

const render = (key: WorkloadKey): z.input<typeof keySchema> => ({
  id: key.id,
  clientId: workloadClientId(key.accountId),
  kid: key.kid,
  name: key.name,
  createdAt: key.createdAt.toISOString(),
  expiresAt: key.expiresAt.toISOString(),
});

const missing = (): never => {
  throw new AppError('NOT_FOUND', 'There is no such service account.');
};

/** A change of a service account that the decision of the request carries. */
const changing = async <T>(
  context: IdentityContext,
  request: RequestContext,
  accountId: string,
  work: (tx: AuditedTx) => Promise<T>,
): Promise<T> => {
  const who = request.auditContext();
  const change = async (tx: AuditedTx): Promise<T> => {
    if (request.decision !== null) tx.fence(request.decision);
    return await work(tx);
  };
  const { value } = await recordingEscalation(context, who, { type: 'account', id: accountId }, async () => {
    return await context.audit.mutate(who, change);
  });
  return value;
};

/** @throws NOT_FOUND; ESCALATION when the caller may not have all that the service account may do, for so long */
const assertReaches = async (
  tx: AuditedTx,
  reach: Reach,
  { accountId, until }: { readonly accountId: string; readonly until: Date },
): Promise<void> => {
  if ((await findOwnership(tx, tx.orgId, accountId)) === null) missing();
  assertNotWider(reach.caller, [], until);
  await assertMayHold(tx, reach, accountId);
};

const readOwner = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: `${ACCOUNT}/owner`,
    permission: 'account:read',
    surface: 'api',
    summary: 'The person who answers for a service account; null for one that nobody has taken over yet.',
    params,
    responses: { 200: ownerSchema, 404: null },
    handler: async ({ params: { accountId }, context: request }) => {
      const { orgId } = request.auditContext();
      const found = await context.db.read(orgId, async (tx) => await findOwnership(tx, orgId, accountId));
      return { status: 200, body: { ownerId: (found ?? missing()).ownerId } };
    },
  });

const putOwner = (context: IdentityContext): Route =>
  route({
    method: 'PUT',
    path: `${ACCOUNT}/owner`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Hands a service account to another person; its tokens end when that person leaves.',
    params,
    body: z.object({ ownerId: z.uuid() }),
    responses: { 200: ownerSchema, 403: null, 404: null, 409: null },
    handler: async ({ params: { accountId }, body: { ownerId }, context: request }) => {
      const reach = await askReach(context, request);
      await changing(context, request, accountId, async (tx) => {
        // Whom it is handed to gets all it may do: not by way of a credential that may do less.
        await assertReaches(tx, reach, { accountId, until: reach.caller.expiresAt });
        await changeOwner(tx, accountId, ownerId);
      });
      return { status: 200, body: { ownerId } };
    },
  });

const newKeySchema = z.object({
  name: z.string().trim().min(1).max(100),
  jwk: usablePublicKey,
  expiresAt: z.iso.datetime(),
});

/** @throws INVALID_VALUE, NOT_FOUND, CONFLICT */
const addKey = async (
  tx: AuditedTx,
  accountId: string,
  input: z.output<typeof newKeySchema> & { readonly now: Date; readonly people: readonly string[] },
): Promise<WorkloadKey> => {
  const { orgId } = tx;
  const { now, name, jwk } = input;
  const expiresAt = new Date(input.expiresAt);
  if (expiresAt <= now || expiresAt.getTime() > now.getTime() + MAX_LIFETIME_MS)
    throw new AppError('INVALID_VALUE', 'A key expires in the future, within 366 days.', {
      fields: [{ pointer: '/expiresAt', code: 'range' }],
    });
  const ownerId = await lockOwnerForIssue(tx, orgId, accountId);
  const account = await lockAccountForIssue(tx, orgId, accountId);
  if (account === null || ownerId === null) return missing();
  await assertOwnedBy(tx, { orgId, id: accountId }, ownerId);
  if (account.status !== 'active') throw new AppError('CONFLICT', 'The service account is not active.');
  if ((await listKeys(tx, orgId, accountId)).length >= MAX_KEYS)
    throw new AppError('CONFLICT', `A service account has at most ${MAX_KEYS} keys.`);
  const sponsorIds = [...new Set([ownerId, ...input.people])];
  const key = { id: newId(), accountId, kid: jwk.kid, jwk, name, createdAt: now, expiresAt };
  try {
    await insertKey(tx, { ...key, orgId, sponsorIds, createdBy: tx.audit.actor.id });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new AppError('CONFLICT', 'The service account has, or had, a key with this id.', { cause: error });
  }
  tx.record({
    action: 'workload-key.created',
    target: { type: 'workload_key', id: key.id },
    after: { accountId, name, kid: jwk.kid, expiresAt: expiresAt.toISOString() },
  });
  return key;
};

const postKey = (context: IdentityContext): Route =>
  route({
    method: 'POST',
    path: `${ACCOUNT}/keys`,
    permission: 'account:manage',
    stepUp: 'api-token:create',
    surface: 'api',
    summary: 'Registers a public key of a service account: it gets tokens with the private one (private_key_jwt).',
    params,
    body: newKeySchema,
    responses: { 201: keySchema, 403: null, 404: null, 409: null },
    handler: async ({ params: { accountId }, body, context: request }) => {
      const reach = await askReach(context, request);
      const key = await changing(context, request, accountId, async (tx) => {
        await assertReaches(tx, reach, { accountId, until: new Date(body.expiresAt) });
        const people = peopleBehind(request.principal);
        return await addKey(tx, accountId, { ...body, people, now: context.clock.now() });
      });
      return { status: 201, body: render(key) };
    },
  });

const getKeys = (context: IdentityContext): Route =>
  route({
    method: 'GET',
    path: `${ACCOUNT}/keys`,
    permission: 'account:read',
    surface: 'api',
    summary: 'The keys of a service account.',
    params,
    responses: { 200: z.object({ items: z.array(keySchema), nextCursor: z.null() }), 404: null },
    handler: async ({ params: { accountId }, context: request }) => {
      const { orgId } = request.auditContext();
      const keys = await context.db.read(orgId, async (tx) => {
        if ((await findOwnership(tx, orgId, accountId)) === null) missing();
        return await listKeys(tx, orgId, accountId);
      });
      return { status: 200, body: { items: keys.map(render), nextCursor: null } };
    },
  });

const deleteKey = (context: IdentityContext): Route =>
  route({
    method: 'DELETE',
    path: `${ACCOUNT}/keys/:keyId`,
    permission: 'account:manage',
    surface: 'api',
    summary: 'Revokes a key of a service account, and every token had with it.',
    params: params.extend({ keyId: z.uuid() }),
    responses: { 204: null, 404: null },
    handler: async ({ params: { accountId, keyId }, context: request }) => {
      await changing(context, request, accountId, async (tx) => {
        const key = { orgId: tx.orgId, accountId, id: keyId, at: context.clock.now() };
        const revoked = await revokeKey(tx, key);
        if (revoked === null) throw new AppError('NOT_FOUND', 'There is no such key.');
        tx.record({
          action: 'workload-key.revoked',
          target: { type: 'workload_key', id: keyId },
          before: { accountId, name: revoked.key.name, kid: revoked.key.kid, tokens: revoked.tokens },
        });
      });
      return { status: 204 };
    },
  });

/** Owners and keys of service accounts. */
export const workloadRoutes = (context: IdentityContext): Route[] => [
  readOwner(context),
  putOwner(context),
  getKeys(context),
  postKey(context),
  deleteKey(context),
];
