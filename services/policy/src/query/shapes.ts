import { z } from 'zod';

import { LISTED_TYPES, SUBJECT_KINDS } from '../lists/index.ts';

const name = z.string().min(1).max(256);
/** An id of ours; anything else is nowhere. */
const id = z.uuid().transform((text) => text.toLowerCase());

const MAX_PROPERTIES = 64;
const properties = z
  .record(z.string().max(64), z.unknown())
  .refine((given) => Object.keys(given).length <= MAX_PROPERTIES, `at most ${String(MAX_PROPERTIES)} properties`);

/** Absent: whoever asks. */
const subject = z.object({ type: z.enum(SUBJECT_KINDS), id: name, properties: properties.optional() });

const scope = { projectId: id.optional(), environmentId: id.optional() };

const asked = {
  /** For conditions only. */
  resource: z
    .object({
      type: z.string().max(256).default(''),
      id: z.string().max(256).default(''),
      properties: properties.optional(),
    })
    .optional(),
  context: properties.optional(),
  atLeastAsFresh: z.string().max(400).optional(),
};

const MAX_LIMIT = 1_000;
const paging = { limit: z.int().min(1).max(MAX_LIMIT).default(100), cursor: z.string().max(1_024).optional() };

export const actionsQuestion = z.object({ subject: subject.optional(), ...scope, ...asked, ...paging });
export type ActionsBody = z.output<typeof actionsQuestion>;

export const resourcesQuestion = z.object({
  subject: subject.optional(),
  action: name,
  types: z.array(z.enum(LISTED_TYPES)).min(1).optional(),
  projectId: id.optional(),
  ...asked,
  ...paging,
});
export type ResourcesBody = z.output<typeof resourcesQuestion>;

export const subjectsQuestion = z.object({
  action: name,
  types: z.array(z.enum(SUBJECT_KINDS)).min(1).optional(),
  subjectProperties: properties.optional(),
  ...scope,
  ...asked,
  ...paging,
});
export type SubjectsBody = z.output<typeof subjectsQuestion>;

export const explainQuestion = z.object({
  subject: subject.optional(),
  action: name,
  ...scope,
  ...asked,
  /** Absent: `subject` for one's own questions, `administrator` for those about others. */
  audience: z.enum(['subject', 'administrator']).optional(),
});
export type ExplainBody = z.output<typeof explainQuestion>;

const listOf = <S extends z.ZodType>(item: S) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable(),
    revision: z.string(),
    complete: z.boolean(),
    total: z.number(),
    asOf: z.string(),
  });

export const actionsAnswer = listOf(z.object({ action: z.string() }));
export const resourcesAnswer = listOf(
  z.object({
    type: z.enum(LISTED_TYPES),
    id: z.string(),
    key: z.string(),
    projectId: z.string().nullable(),
    tier: z.enum(['non-production', 'production']).nullable(),
  }),
);
export const subjectsAnswer = listOf(z.object({ type: z.enum(SUBJECT_KINDS), id: z.string() }));

const level = z.enum(['organization', 'project', 'environment']);
const place = { level, projectId: z.string().nullable(), environmentId: z.string().nullable() };

/** What only administrators are told: the grant, what its condition looks at, and what would do. */
const details = z.object({
  grant: z
    .object({
      id: z.string(),
      effect: z.enum(['allow', 'deny']),
      role: z.string(),
      heldBy: z.object({ type: z.enum(['user', 'group', 'service_account']), id: z.string() }),
      ...place,
      tier: z.enum(['non-production', 'production']).nullable(),
      resourceType: z.string().nullable(),
      validFrom: z.string().nullable(),
      validUntil: z.string().nullable(),
    })
    .nullable(),
  unmetProperties: z.array(z.string()),
  sufficientRoles: z.array(z.object({ role: z.string(), ...place })),
});

export const explainAnswer = z.object({
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  cause: z.string(),
  text: z.string(),
  policyRevision: z.string(),
  validForMs: z.number(),
  /** Null for the subject. */
  details: details.nullable(),
});
