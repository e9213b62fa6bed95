import type { AuditContext, AuditedTx, JsonObject } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';
import { newId } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import { carryThrough } from './carry-through.ts';
import type { Connection, ScimFacet } from './connection.ts';
import { revokeScimClients } from './scim-client-store.ts';
import { revokeScimTokens } from './scim-token-store.ts';
import {
  findConnection,
  insertConnection,
  isNameTaken,
  lockConnection,
  markRemoved,
  putScimFacet,
  removeScimFacet,
  updateConnection,
} from './store.ts';

/** Who asks, and the decision that lets them; the change commits only while it holds. */
export interface Authorized {
  readonly audit: AuditContext;
  readonly decision: GrantedDecision | null;
}

const fence = (tx: AuditedTx, { decision }: Authorized): void => {
  if (decision !== null) tx.fence(decision);
};

const auditConnection = (connection: Connection): JsonObject => ({
  name: connection.name,
  enabled: connection.enabled,
  scim:
    connection.scim === null
      ? null
      : { profile: connection.scim.profile, allowedNetworks: [...connection.scim.allowedNetworks] },
});

const nameTaken = (error: unknown): never => {
  if (!isNameTaken(error)) throw error;
  throw new AppError('ALREADY_EXISTS', 'Another connection has this name.', { cause: error });
};

const required = (connection: Connection | undefined): Connection => {
  if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
  return connection;
};

type ScimProfileChoice = Pick<ScimFacet, 'profile'>;

/** @throws ALREADY_EXISTS when the name is taken */
export const createConnection = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  input: { readonly name: string; readonly scim: ScimProfileChoice | null },
): Promise<Connection> => {
  const { orgId } = who.audit;
  const { value } = await audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const [id, at] = [newId(), clock.now()];
    await insertConnection(tx, { orgId, id, name: input.name, at }).catch(nameTaken);
    if (input.scim !== null) await putScimFacet(tx, { orgId, connectionId: id, profile: input.scim.profile, at });
    const created = required(await findConnection(tx, orgId, id));
    tx.record({
      action: 'connection.created',
      target: { type: 'connection', id, version: created.version.toString() },
      after: auditConnection(created),
    });
    return created;
  });
  return value;
};

export interface ConnectionChange {
  readonly name?: string;
  readonly enabled?: boolean;
  /** Null takes the directory away and revokes its credentials; its accounts stay as they are. */
  readonly scim?: ScimProfileChoice | null;
}

const changeScim = async (
  tx: AuditedTx,
  before: Connection,
  scim: ScimProfileChoice | null,
  at: Date,
): Promise<void> => {
  const key = { orgId: before.orgId, connectionId: before.id, at };
  if (scim !== null) {
    await putScimFacet(tx, { ...key, profile: scim.profile });
    return;
  }
  await removeScimFacet(tx, before.orgId, before.id);
  await revokeScimTokens(tx, key);
  await revokeScimClients(tx, key);
};

const actionOf = (before: Connection, after: Connection): string => {
  if (before.enabled === after.enabled) return 'connection.updated';
  return after.enabled ? 'connection.enabled' : 'connection.disabled';
};

type NextConnection = Pick<Connection, 'name' | 'enabled'> & {
  readonly scim: ScimProfileChoice | null;
  readonly at: Date;
};

const apply = async (tx: AuditedTx, before: Connection, next: NextConnection): Promise<Connection> => {
  const hasOtherScim = next.scim?.profile !== before.scim?.profile;
  if (next.name === before.name && next.enabled === before.enabled && !hasOtherScim) {
    tx.unchanged();
    return before;
  }
  if (hasOtherScim) await changeScim(tx, before, next.scim, next.at);
  await updateConnection(tx, before, next).catch(nameTaken);
  const after = required(await findConnection(tx, before.orgId, before.id));
  tx.record({
    action: actionOf(before, after),
    target: { type: 'connection', id: after.id, version: after.version.toString() },
    before: auditConnection(before),
    after: auditConnection(after),
  });
  return after;
};

/**
 * Changes a connection. Disabling it closes its accounts through the one door and answers when that is in force
 * everywhere; enabling it opens those that nothing else closes.
 *
 * @throws NOT_FOUND; ALREADY_EXISTS when the name is taken
 */
export const changeConnection = async (
  service: IdentityContext,
  who: Authorized,
  id: string,
  change: ConnectionChange,
): Promise<Connection> => {
  const { orgId } = who.audit;
  const { value: after } = await service.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const before = required(await lockConnection(tx, orgId, id));
    const next = { name: before.name, enabled: before.enabled, scim: before.scim, ...change };
    return await apply(tx, before, { ...next, at: service.clock.now() });
  });
  // Also when nothing was changed now: an earlier attempt may have been cut short.
  await carryThrough(service, who.audit, { orgId, connectionId: id, state: after.enabled ? 'enabled' : 'disabled' });
  return after;
};

/**
 * Removes a connection for good: no token, login or directory request of it works any more, its accounts become
 * tombstones and its groups are gone. Answers when that is in force everywhere.
 *
 * @throws NOT_FOUND
 */
export const removeConnection = async (service: IdentityContext, who: Authorized, id: string): Promise<void> => {
  const { orgId } = who.audit;
  await service.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const before = required(await lockConnection(tx, orgId, id));
    const at = service.clock.now();
    const revokedTokens = await revokeScimTokens(tx, { orgId, connectionId: id, at });
    const revokedClients = await revokeScimClients(tx, { orgId, connectionId: id, at });
    await markRemoved(tx, before, at);
    tx.record({
      action: 'connection.deleted',
      target: { type: 'connection', id, version: (before.version + 1n).toString() },
      before: auditConnection(before),
      after: { revokedTokens, revokedClients },
    });
  });
  await carryThrough(service, who.audit, { orgId, connectionId: id, state: 'removed' });
};
