import { z } from 'zod';

import { readCondition, type Condition } from '../conditions/index.ts';
import { RESOURCE_TYPES, SUBJECT_TYPES } from '../model/index.ts';
import type { GrantInput } from './create-grant.ts';
import type { Grant } from './grant.ts';

/** An identifier of ours; anything else cannot name anything. */
export const id = z.uuid().transform((text) => text.toLowerCase());

/** As every answer and file can say it again: with its offset it may lie beyond the years of four digits. */
export const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .refine((at) => /^\d{4}-/.test(at.toISOString()), 'a moment of the years 0000 to 9999, in UTC');

export const scopeShape = z.object({ projectId: id.optional(), environmentId: id.optional() });

/** See docs/policy.md; what is wrong is named with its place. */
const condition = z.record(z.string(), z.unknown()).transform((value, context): Condition => {
  const read = readCondition(value);
  if (read.ok) return read.condition;
  const { path, code, detail } = read.problem;
  context.addIssue({ code: 'custom', path: [...path], message: detail, params: { code } });
  return z.NEVER;
});

const tier = z.enum(['non-production', 'production']);

export const grantShape = z.object({
  id: z.string(),
  subject: z.object({ type: z.enum(SUBJECT_TYPES), id: z.string() }),
  role: z.string(),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  effect: z.enum(['allow', 'deny']),
  tier: tier.nullable(),
  resourceType: z.string().nullable(),
  condition: z.record(z.string(), z.unknown()).nullable(),
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
  tier: tier.optional(),
  resourceType: z.enum(RESOURCE_TYPES).optional(),
  condition: condition.optional(),
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

const toGrantScope = (scope: z.output<typeof scopeShape>): GrantInput['scope'] => ({
  projectId: scope.projectId ?? null,
  environmentId: scope.environmentId ?? null,
});

/** What a body asks for. */
export const toGrantInput = (body: z.output<typeof newGrantShape>): GrantInput => ({
  subjectType: body.subject.type,
  subjectId: body.subject.id,
  roleKey: body.role,
  scope: toGrantScope(body.scope),
  effect: body.effect,
  tier: body.tier ?? null,
  resourceType: body.resourceType ?? null,
  condition: body.condition ?? null,
  source: 'direct',
  validFrom: body.validFrom ?? null,
  validUntil: body.validUntil ?? null,
});

/** What a body maps. */
export const toMappingInput = (body: z.output<typeof newMappingShape>): GrantInput => ({
  subjectType: 'group',
  subjectId: body.groupId,
  roleKey: body.role,
  scope: toGrantScope(body.scope),
  effect: 'allow',
  tier: null,
  resourceType: null,
  condition: null,
  source: 'mapping',
  validFrom: null,
  validUntil: null,
});

const scopeOf = ({ projectId, environmentId }: Grant) => ({ projectId, environmentId });

export const toGrantBody = (grant: Grant): z.input<typeof grantShape> => ({
  id: grant.grantId,
  subject: { type: grant.subjectType, id: grant.subjectId },
  role: grant.roleKey,
  scope: scopeOf(grant),
  effect: grant.effect,
  tier: grant.tier,
  resourceType: grant.resourceType,
  condition: grant.condition === null ? null : { ...grant.condition },
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
