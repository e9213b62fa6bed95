import { z } from 'zod';

import { configurationSchema, definitionSchema, type Flag, flagTypeSchema } from '../flags/index.ts';
import type { Environment } from '../projects/index.ts';
import type { ApprovalCount, Change } from './change.ts';

/** A flag as the API shows it: the environments are those the caller may read, by key. */
export const flagView = z.object({
  id: z.string(),
  key: z.string(),
  type: flagTypeSchema,
  version: z.number(),
  ...definitionSchema.shape,
  environments: z.record(z.string(), z.object({ version: z.number(), ...configurationSchema.shape })),
  createdAt: z.string(),
});
export type FlagView = z.output<typeof flagView>;

const subjectView = z.object({ type: z.enum(['user', 'service_account']), id: z.string() });

/** A change request as the API shows it. `content` is exactly what `hash` is the SHA-256 of, as RFC 8785 JSON. */
export const changeView = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  state: z.enum(['in_review', 'approved', 'stale', 'applied', 'rejected', 'cancelled']),
  revision: z.number(),
  hash: z.string(),
  author: subjectView,
  revisionAuthor: subjectView,
  /** Touched environments that demand approvals, and how many of them there are. */
  approvals: z.array(z.object({ environment: z.string(), required: z.number(), counted: z.number() })),
  environments: z.array(z.string()),
  reviews: z.array(
    z.object({
      reviewer: subjectView,
      verdict: z.enum(['approve', 'reject', 'request_changes']),
      environments: z.array(z.string()),
      comment: z.string(),
      createdAt: z.string(),
    }),
  ),
  content: z.looseObject({}),
  createdAt: z.string(),
  updatedAt: z.string(),
  appliedAt: z.string().nullable(),
  appliedBy: z.string().nullable(),
});
export type ChangeView = z.output<typeof changeView>;

/** Shows a flag with these of its environments. */
export const viewFlag = (flag: Flag, environments: readonly Environment[]): FlagView => ({
  id: flag.flagId,
  key: flag.key,
  type: flag.type,
  version: flag.version,
  ...flag.definition,
  environments: Object.fromEntries(
    environments.flatMap(({ environmentId, key }) => {
      const current = flag.environments.get(environmentId);
      return current === undefined ? [] : [[key, { version: current.version, ...current.configuration }]];
    }),
  ),
  createdAt: flag.createdAt.toISOString(),
});

export interface ChangeDetails {
  readonly change: Change;
  readonly counts: readonly ApprovalCount[];
  /** Of the project. */
  readonly environments: readonly Environment[];
}

export const viewChange = ({ change, counts, environments }: ChangeDetails): ChangeView => {
  const keyOf = (id: string): string => environments.find(({ environmentId }) => environmentId === id)?.key ?? id;
  return {
    id: change.changeId,
    title: change.title,
    description: change.description,
    state: change.state,
    revision: change.revision,
    hash: change.hash,
    author: change.author,
    revisionAuthor: change.revisionAuthor,
    approvals: counts.map(({ environmentId, required, counted }) => ({
      environment: keyOf(environmentId),
      required,
      counted,
    })),
    environments: change.content.environments.map(({ key }) => key),
    reviews: change.reviews.map(({ reviewer, verdict, environments: ids, comment, createdAt }) => ({
      reviewer,
      verdict,
      environments: ids.map(keyOf),
      comment,
      createdAt: createdAt.toISOString(),
    })),
    content: { ...change.content },
    createdAt: change.createdAt.toISOString(),
    updatedAt: change.updatedAt.toISOString(),
    appliedAt: change.appliedAt?.toISOString() ?? null,
    appliedBy: change.appliedBy,
  };
};
