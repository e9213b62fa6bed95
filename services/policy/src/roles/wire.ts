import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import {
  PLACES,
  ROLE_KEY,
  SCOPE_LEVELS,
  isPermissionAt,
  permissionsPerPlace,
  type RoleDefinition,
} from '../model/index.ts';
import type { BaseVersion } from './manage-roles.ts';
import type { Role } from './role.ts';

const MAX_NAME = 100;
const MAX_DESCRIPTION = 1_000;

export const roleShape = z.object({
  key: z.string(),
  name: z.string(),
  description: z.string(),
  builtIn: z.boolean(),
  levels: z.array(z.enum(SCOPE_LEVELS)),
  permissions: z.record(z.enum(PLACES), z.array(z.string())),
  version: z.number().nullable(),
  updatedAt: z.string().nullable(),
  updatedBy: z.string().nullable(),
});

const named = z.array(z.string().max(100)).max(200).default([]);
const given = z
  .strictObject({ organization: named, project: named, 'non-production': named, production: named })
  .transform((at, context) => {
    const pairs = PLACES.flatMap((place) => at[place].map((permission, number) => ({ place, permission, number })));
    for (const { place, permission, number } of pairs)
      if (!isPermissionAt(place, permission))
        context.addIssue({
          code: 'custom',
          path: [place, number],
          message: 'This permission means nothing here.',
          params: { code: 'UNKNOWN_PERMISSION' },
        });
    if (pairs.length === 0)
      context.addIssue({ code: 'custom', message: 'A role permits something.', params: { code: 'GIVES_NOTHING' } });
    return permissionsPerPlace(pairs.map(({ place, permission }) => [place, permission]));
  });

// What is shown in lists: no control characters, and none that turn the direction of what follows.
export const line = z
  .string()
  .trim()
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u);

const body = {
  name: line.min(1).max(MAX_NAME),
  description: line.max(MAX_DESCRIPTION).default(''),
  levels: z
    .array(z.enum(SCOPE_LEVELS))
    .min(1)
    .max(SCOPE_LEVELS.length)
    .transform((levels) => SCOPE_LEVELS.filter((level) => levels.includes(level))),
  permissions: given,
};

/** What a role is, without its key. */
export const roleBodyShape = z.object(body);
export const newRoleShape = z.object({ key: z.string().regex(ROLE_KEY), ...body });

export const toDefinition = (key: string, input: z.output<typeof roleBodyShape>): RoleDefinition => ({ key, ...input });

const copied = (permissions: RoleDefinition['permissions']) => ({
  organization: [...permissions.organization],
  project: [...permissions.project],
  'non-production': [...permissions['non-production']],
  production: [...permissions.production],
});

export const toBuiltInBody = ({ levels, permissions, ...role }: RoleDefinition): z.input<typeof roleShape> => ({
  ...role,
  builtIn: true,
  levels: [...levels],
  permissions: copied(permissions),
  version: null,
  updatedAt: null,
  updatedBy: null,
});

export const toRoleBody = (role: Role): z.input<typeof roleShape> => ({
  key: role.key,
  name: role.name,
  description: role.description,
  builtIn: false,
  levels: [...role.levels],
  permissions: copied(role.permissions),
  version: role.version,
  updatedAt: role.updatedAt.toISOString(),
  updatedBy: role.updatedBy,
});

/** The strong entity tag of a version (RFC 9110 §8.8.3). */
export const etagOf = ({ version }: Pick<Role, 'version'>): string => `"${String(version)}"`;

/**
 * Which version an edit is based on.
 *
 * @throws PRECONDITION_REQUIRED without `If-Match` (RFC 6585 §3), PRECONDITION_FAILED for a tag that is none of ours
 * @see RFC 9110 §13.1.1
 */
export const baseOf = (ifMatch: string): BaseVersion => {
  if (ifMatch === '') throw new AppError('PRECONDITION_REQUIRED', 'Send If-Match with the ETag of what you read.');
  if (ifMatch.trim() === '*') return '*';
  const version = /^\s*"(?<version>[1-9][0-9]{0,14})"\s*$/.exec(ifMatch)?.groups?.['version'];
  if (version === undefined) throw new AppError('PRECONDITION_FAILED', 'The role has no such version.');
  return Number(version);
};
