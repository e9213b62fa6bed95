import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import {
  id,
  knownScope,
  newGrantShape,
  newMappingShape,
  toRow,
  type GrantScope,
  type NewGrant,
} from '../grants/index.ts';
import { PLACES, type OrganizationIndex, type RoleDefinition } from '../model/index.ts';
import { newRoleShape } from '../roles/index.ts';
import type { WhatIf } from './answer.ts';
import type { LockOut } from './lock-outs.ts';
import type { ProposedChange } from './hypothetical.ts';

const MAX_CHANGES = 500;

const change = z.discriminatedUnion('change', [
  z.strictObject({ change: z.literal('add-grant'), grant: newGrantShape }),
  z.strictObject({ change: z.literal('remove-grant'), grantId: id }),
  z.strictObject({ change: z.literal('add-mapping'), mapping: newMappingShape }),
  z.strictObject({ change: z.literal('remove-mapping'), mappingId: id }),
  z.strictObject({ change: z.literal('put-role'), role: newRoleShape }),
  z.strictObject({ change: z.literal('remove-role'), key: z.string().max(100) }),
]);

export const orderShape = z.strictObject({
  changes: z.array(change).min(1).max(MAX_CHANGES),
  limit: z.int().min(1).max(1_000).default(200),
  cursor: z.string().optional(),
});

export type WireChange = z.output<typeof change>;

const NOBODY: Pick<NewGrant, 'createdAt' | 'createdBy' | 'subjectEpoch' | 'source'> = {
  source: 'direct',
  createdAt: new Date(0),
  createdBy: '',
  subjectEpoch: 0n,
};

const levelOf = ({
  projectId,
  environmentId,
}: Pick<NewGrant, 'projectId' | 'environmentId'>): RoleDefinition['levels'][number] =>
  environmentId !== null ? 'environment' : projectId !== null ? 'project' : 'organization';

const assertGrantable = (roles: ReadonlyMap<string, RoleDefinition>, grant: NewGrant, pointer: string): void => {
  const role = roles.get(grant.roleKey);
  const code = role === undefined ? 'UNKNOWN_ROLE' : 'WRONG_LEVEL';
  if (role?.levels.includes(levelOf(grant)) === true) return;
  throw new AppError('INVALID_REQUEST', 'There is no such role, or it cannot be granted at this level.', {
    fields: [{ pointer: `${pointer}/role`, code }],
  });
};

type Given = Omit<NewGrant, keyof typeof NOBODY | 'grantId' | 'projectId' | 'environmentId'>;

const fromMapping = ({ groupId, role }: z.output<typeof newMappingShape>): Given => ({
  subjectType: 'group',
  subjectId: groupId,
  roleKey: role,
  effect: 'allow',
  tier: null,
  resourceType: null,
  condition: null,
  validFrom: null,
  validUntil: null,
});

const fromGrant = (grant: z.output<typeof newGrantShape>): Given => ({
  subjectType: grant.subject.type,
  subjectId: grant.subject.id,
  roleKey: grant.role,
  effect: grant.effect,
  tier: grant.tier ?? null,
  resourceType: grant.resourceType ?? null,
  condition: grant.condition ?? null,
  validFrom: grant.validFrom ?? null,
  validUntil: grant.validUntil ?? null,
});

const scopeOf = ({ scope }: Pick<z.output<typeof newGrantShape>, 'scope'>): GrantScope => ({
  projectId: scope.projectId ?? null,
  environmentId: scope.environmentId ?? null,
});

/**
 * What was sent, as changes of rows. Ids of grants that would come are `proposed-<change>`.
 *
 * @throws NOT_FOUND for an unknown project or environment, INVALID_REQUEST for an unknown role or level
 */
export const toChanges = (index: OrganizationIndex, sent: readonly WireChange[]): readonly ProposedChange[] => {
  const roles = new Map(index.roles);
  for (const each of sent) if (each.change === 'put-role') roles.set(each.role.key, each.role);
  return sent.map((each, at): ProposedChange => {
    switch (each.change) {
      case 'remove-grant':
        return { kind: 'remove', grantId: each.grantId };
      case 'remove-mapping':
        return { kind: 'remove', grantId: each.mappingId };
      case 'put-role':
        return { kind: 'put-role', role: each.role };
      case 'remove-role':
        return { kind: 'remove-role', key: each.key };
      case 'add-grant':
      case 'add-mapping':
        break;
    }
    const grant: NewGrant = {
      ...NOBODY,
      ...(each.change === 'add-mapping' ? fromMapping(each.mapping) : fromGrant(each.grant)),
      grantId: `proposed-${String(at)}`,
      ...knownScope(index, scopeOf(each.change === 'add-mapping' ? each.mapping : each.grant)),
    };
    assertGrantable(roles, grant, `/changes/${String(at)}/${each.change === 'add-mapping' ? 'mapping' : 'grant'}`);
    return { kind: 'add', row: toRow(grant) };
  });
};

const spotShape = {
  place: z.enum(PLACES),
  projectId: z.string().nullable(),
  environmentId: z.string().nullable(),
};

const subjectShape = z.object({ type: z.enum(['user', 'service_account']), id: z.string() });

export const answerShape = z.object({
  revision: z.string(),
  complete: z.boolean(),
  counts: z.object({
    subjects: z.number(),
    inactive: z.number(),
    entries: z.number(),
    gains: z.number(),
    losses: z.number(),
    conditional: z.number(),
  }),
  blocked: z.array(z.object({ change: z.number().nullable(), code: z.string(), rule: z.string(), detail: z.string() })),
  lockOuts: z.array(z.object({ ...spotShape, lostBy: z.array(z.string()) })),
  items: z.array(
    z.object({
      subject: subjectShape,
      ...spotShape,
      gains: z.array(z.string()),
      losses: z.array(z.string()),
      conditional: z.array(
        z.object({ action: z.string(), change: z.enum(['gains', 'loses', 'both']), grants: z.array(z.string()) }),
      ),
    }),
  ),
  nextCursor: z.string().nullable(),
});

const MAX_NAMED = 100;

/** A place nobody could administer any more. */
export const toSpotBody = ({ spot, subjectIds }: LockOut) => ({ ...spot, lostBy: subjectIds.slice(0, MAX_NAMED) });

export const toAnswer = (found: WhatIf, nextCursor: string | null): z.input<typeof answerShape> => ({
  revision: found.revision,
  complete: nextCursor === null,
  counts: { ...found.counts },
  blocked: found.blocked.map((each) => ({ ...each })),
  lockOuts: found.lockOuts.map(toSpotBody),
  items: found.entries.map(({ subject, spot, change: { gains, losses, conditional } }) => ({
    subject,
    ...spot,
    gains: [...gains],
    losses: [...losses],
    conditional: conditional.map(({ action, change, grantIds }) => ({ action, change, grants: [...grantIds] })),
  })),
  nextCursor,
});
