import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';

import type { IdentityContext } from '../../context.ts';
import {
  changeKeepingAnOwner,
  changeGroup,
  createGroup,
  deleteGroup,
  findGroup,
  lockGroup,
  type Group,
  type MembershipStep,
} from '../../groups/index.ts';
import type { ScimCaller } from '../caller.ts';
import { DIALECTS } from '../profiles/index.ts';
import { applyPatchInTurns } from '../protocol/apply-patch.ts';
import { GROUP } from '../protocol/group-schema.ts';
import type { Document } from '../protocol/json.ts';
import { normalisePatch } from '../protocol/normalise-patch.ts';
import { readReplacement, readResource, requireImmutable } from '../protocol/resource.ts';
import { requireVersion } from '../request.ts';

/** One group of the caller's connection, as a request names it. */
export interface GroupTarget {
  readonly id: string;
  /** The `If-Match` header; empty when there is none. */
  readonly ifMatch: string;
}

const notFound = (): AppError => new AppError('NOT_FOUND', 'There is no such group.');

/** @throws NOT_FOUND for every group that is not of this connection */
export const requireGroup = (group: Group | undefined, { connectionId }: ScimCaller): Group => {
  if (group?.connectionId !== connectionId) throw notFound();
  return group;
};

const lock = async (tx: AuditedTx, caller: ScimCaller, target: GroupTarget): Promise<Group> => {
  if (!isId(target.id)) throw notFound();
  const group = requireGroup(await lockGroup(tx, caller.orgId, target.id), caller);
  requireVersion(target.ifMatch, group.version);
  return group;
};

interface GroupContent {
  readonly displayName: string;
  readonly externalId: string | null;
}

const toDocument = ({ displayName, externalId }: GroupContent): Document => ({
  displayName,
  ...(externalId === null ? {} : { externalId }),
});

const toContent = (document: Document): GroupContent => ({
  displayName: typeof document['displayName'] === 'string' ? document['displayName'] : '',
  externalId: typeof document['externalId'] === 'string' ? document['externalId'] : null,
});

/** The state that was asked for is the state that is there, or nothing is committed. */
const verify = async (tx: AuditedTx, group: Group, content: GroupContent): Promise<Group> => {
  const after = await findGroup(tx, group.orgId, group.id);
  if (after?.displayName !== content.displayName || after.externalId !== content.externalId)
    throw new AppError('INTERNAL', 'A change of a group did not take effect.');
  return after;
};

const save = async (
  tx: AuditedTx,
  service: IdentityContext,
  group: Group,
  change: { readonly content: GroupContent; readonly members: readonly MembershipStep[] },
): Promise<Group> => {
  await changeGroup(tx, service, group, { ...change.content, members: change.members });
  return await verify(tx, group, change.content);
};

/**
 * POST /Groups.
 *
 * @throws ALREADY_EXISTS, INVALID_SYNTAX, INVALID_VALUE (also for a member who is not of this connection), TOO_MANY
 * @see RFC 7644 §3.3
 */
export const createScimGroup = async (service: IdentityContext, caller: ScimCaller, body: unknown): Promise<Group> => {
  const { document, members } = readResource(GROUP, body, DIALECTS[caller.profile]);
  const content = toContent(document);
  const { value } = await service.audit.mutate(caller.audit, async (tx) => {
    const input = { ...content, connectionId: caller.connectionId, memberIds: members ?? [] };
    return await verify(tx, await createGroup(tx, service, input), content);
  });
  return value;
};

/**
 * PUT /Groups/{id}: attributes that are left out are cleared, members too.
 *
 * @throws NOT_FOUND, PRECONDITION_FAILED, ALREADY_EXISTS, INVALID_SYNTAX, INVALID_VALUE, MUTABILITY, TOO_MANY,
 *   LAST_OWNER
 * @see RFC 7644 §3.5.1
 */
export const replaceScimGroup = async (
  service: IdentityContext,
  caller: ScimCaller,
  target: GroupTarget,
  body: unknown,
): Promise<Group> => {
  const { document, members } = readReplacement(GROUP, body, DIALECTS[caller.profile]);
  return await changeKeepingAnOwner(service, caller.audit, {
    groupId: target.id,
    lock: (tx) => lock(tx, caller, target),
    work: async (tx, group) => {
      requireImmutable(GROUP, toDocument(group), document);
      const steps: MembershipStep[] = [{ kind: 'replace', ids: members ?? [] }];
      return await save(tx, service, group, { content: toContent(document), members: steps });
    },
  });
};

/**
 * PATCH /Groups/{id}: all operations or none; membership as rows added and removed.
 *
 * @throws what {@link normalisePatch} and {@link applyPatchInTurns} throw; NOT_FOUND, PRECONDITION_FAILED, ALREADY_EXISTS,
 *   LAST_OWNER
 * @see RFC 7644 §3.5.2
 */
export const patchScimGroup = async (
  service: IdentityContext,
  caller: ScimCaller,
  target: GroupTarget,
  body: unknown,
): Promise<Group> => {
  const steps = normalisePatch(GROUP, body, DIALECTS[caller.profile]);
  const members = steps.flatMap((step) => (step.kind === 'members' ? [step.step] : []));
  const attributes = steps.filter((step) => step.kind !== 'members');
  const work = async (tx: AuditedTx, group: Group): Promise<Group> => {
    const content = toContent(await applyPatchInTurns(GROUP, toDocument(group), attributes));
    return await save(tx, service, group, { content, members });
  };
  if (members.some(({ kind }) => kind !== 'add'))
    return await changeKeepingAnOwner(service, caller.audit, {
      groupId: target.id,
      lock: (tx) => lock(tx, caller, target),
      work,
    });
  const { value } = await service.audit.mutate(caller.audit, async (tx) => {
    return await work(tx, await lock(tx, caller, target));
  });
  return value;
};

/** DELETE /Groups/{id}. @throws NOT_FOUND, PRECONDITION_FAILED, LAST_OWNER */
export const deleteScimGroup = async (
  service: IdentityContext,
  caller: ScimCaller,
  target: GroupTarget,
): Promise<void> => {
  await changeKeepingAnOwner(service, caller.audit, {
    groupId: target.id,
    lock: (tx) => lock(tx, caller, target),
    work: deleteGroup,
  });
};
