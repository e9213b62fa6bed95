import { z } from 'zod';

import {
  type FlagConfiguration,
  type FlagDefinition,
  type FlagState,
  type FlagType,
  flagTypeSchema,
  stateSchema,
  tagsSchema,
  variantsSchema,
} from '../flags/index.ts';
import { type Rule, rulesSchema } from '../targeting/index.ts';
import { keySchema, nameSchema } from '../vocabulary/index.ts';

const onFlag = { flag: keySchema };
const environments = z
  .array(keySchema)
  .max(50)
  .refine((keys) => new Set(keys).size === keys.length, { message: 'An environment appears once.' });
const defaultVariant = nameSchema.nullable();

const editable = {
  variants: variantsSchema.optional(),
  description: z.string().max(2_000).optional(),
  tags: tagsSchema.optional(),
  owner: z.uuid().nullable().optional(),
  clientVisible: z.boolean().optional(),
};

export const createFlagSchema = z.strictObject({
  kind: z.literal('create-flag'),
  ...onFlag,
  type: flagTypeSchema,
  ...editable,
  variants: variantsSchema,
  /** Left out: every environment of the project. */
  environments: environments.optional(),
  defaultVariant: defaultVariant.optional(),
});

export const addFlagSchema = z.strictObject({
  kind: z.literal('add-flag'),
  ...onFlag,
  environments: environments.min(1),
  defaultVariant: defaultVariant.optional(),
});

export const editFlagSchema = z.strictObject({ kind: z.literal('edit-flag'), ...onFlag, ...editable });

/**
 * One thing a caller wants changed, in keys. There is deliberately no field with which a caller could skip a review,
 * publish at once or name an approver.
 */
export const operationInputSchema = z.discriminatedUnion('kind', [
  createFlagSchema,
  addFlagSchema,
  editFlagSchema,
  z.strictObject({ kind: z.literal('archive-flag'), ...onFlag }),
  z.strictObject({ kind: z.literal('restore-flag'), ...onFlag }),
  z.strictObject({ kind: z.literal('delete-flag'), ...onFlag }),
  z.strictObject({ kind: z.literal('set-state'), ...onFlag, environment: keySchema, state: stateSchema }),
  z.strictObject({
    kind: z.literal('set-targeting'),
    ...onFlag,
    environment: keySchema,
    rules: rulesSchema.optional(),
    defaultVariant: defaultVariant.optional(),
  }),
]);

export type OperationInput = z.output<typeof operationInputSchema>;
export type OperationKind = OperationInput['kind'];

/** The permission an operation needs in every environment it touches. */
export const PERMISSION_OF: Readonly<Record<OperationKind, string>> = Object.freeze({
  'create-flag': 'flag:create',
  'add-flag': 'flag:create',
  'edit-flag': 'flag:edit',
  'archive-flag': 'flag:delete',
  'restore-flag': 'flag:delete',
  'delete-flag': 'flag:delete',
  'set-state': 'flag:toggle',
  'set-targeting': 'flag:target',
});

interface Named {
  readonly flagId: string;
  readonly flagKey: string;
}

export interface InitialConfiguration {
  readonly environmentId: string;
  readonly configuration: FlagConfiguration;
}

/** One operation as it is stored, hashed, reviewed and applied: by id, with every value spelt out. */
export type Operation = Named &
  (
    | {
        readonly kind: 'create-flag';
        readonly type: FlagType;
        readonly definition: FlagDefinition;
        readonly environments: readonly InitialConfiguration[];
      }
    | { readonly kind: 'add-flag'; readonly environments: readonly InitialConfiguration[] }
    | { readonly kind: 'edit-flag'; readonly definition: FlagDefinition }
    | { readonly kind: 'archive-flag' | 'restore-flag' | 'delete-flag' }
    | { readonly kind: 'set-state'; readonly environmentId: string; readonly state: FlagState }
    | {
        readonly kind: 'set-targeting';
        readonly environmentId: string;
        readonly rules: readonly Rule[];
        readonly defaultVariant: string | null;
      }
  );
