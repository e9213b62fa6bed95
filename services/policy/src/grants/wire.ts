import { z } from 'zod';

import { SUBJECT_TYPES } from '../model/index.ts';
import type { Grant } from './grant.ts';

/** An identifier of ours; anything else cannot name anything. */
export const id = z.uuid().transform((text) => text.toLowerCase());

const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

export const scopeShape = z.object({ projectId: id.optional(), environmentId: id.optional() });

export const grantShape = z.object({
  id: z.string(),
  subject: z.object({ type: z.enum(SUBJECT_TYPES), id: z.string() }),
  role: z.string(),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  effect: z.enum(['allow', 'deny']),
  source: z.enum(['direct', 'mapping']),
  validFrom: z.string().nullable(),
  validUntil: z.string().nullable(),
  createdAt: z.string(),
  createdBy: z.string(),
});

export const newGrantShape = z.object({
  subject: z.object({ type: z.enum(SUBJECT_TYPES), id }),
  role: z.string().max(100),
  scope: scopeShape.default({}),
  effect: z.enum(['allow', 'deny']).default('allow'),
  validFrom: moment.optional(),
  validUntil: moment.optional(),
});

export const mappingShape = z.object({
  id: z.string(),
  groupId: z.string(),
  role: z.string(),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  createdAt: z.string(),
  createdBy: z.string(),
});

export const newMappingShape = z.object({ groupId: id, role: z.string().max(100), scope: scopeShape.default({}) });

const scopeOf = ({ projectId, environmentId }: Grant) => ({ projectId, environmentId });

export const toGrantBody = (grant: Grant): z.input<typeof grantShape> => ({
  id: grant.grantId,
  subject: { type: grant.subjectType, id: grant.subjectId },
  role: grant.roleKey,
  scope: scopeOf(grant),
  effect: grant.effect,
  source: grant.source,
  validFrom: grant.validFrom?.toISOString() ?? null,
  validUntil: grant.validUntil?.toISOString() ?? null,
  createdAt: grant.createdAt.toISOString(),
  createdBy: grant.createdBy,
});

export const toMappingBody = (grant: Grant): z.input<typeof mappingShape> => ({
  id: grant.grantId,
  groupId: grant.subjectId,
  role: grant.roleKey,
  scope: scopeOf(grant),
  createdAt: grant.createdAt.toISOString(),
  createdBy: grant.createdBy,
});
