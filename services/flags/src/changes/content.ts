import { AppError } from '@sallyport/errors';

import { BUCKETING_VERSION } from '../targeting/index.ts';
import { canonicalJson, type JsonValue, sha256Hex } from '../vocabulary/index.ts';
import { type Operation, PERMISSION_OF } from './operation.ts';

/** The version of one flag, and of it in the environments the change set touches, that the author looked at. 0: none. */
export interface BaseVersion {
  readonly flagId: string;
  readonly version: number;
  readonly environments: readonly { readonly environmentId: string; readonly version: number }[];
}

/** A touched environment and the version of its approval rule. */
export interface TouchedEnvironment {
  readonly environmentId: string;
  readonly key: string;
  readonly ruleVersion: number;
}

/**
 * Everything an approval is bound to. Title, description and comments are not in here: they may be corrected without
 * asking the reviewers again.
 */
export interface ChangeContent {
  readonly format: 1;
  readonly organization: string;
  readonly project: string;
  /** In the order in which they are applied. */
  readonly changes: readonly Operation[];
  readonly base: readonly BaseVersion[];
  readonly environments: readonly TouchedEnvironment[];
  /** Reserved for a due time; applied by hand while it is null. */
  readonly schedule: null;
  readonly bucketing: string;
}

export type ChangeDraft = Omit<ChangeContent, 'format' | 'schedule' | 'bucketing'>;

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Completes a draft. Base versions and environments are sets: they get one order, so that order never changes a hash. */
export const toContent = (draft: ChangeDraft): ChangeContent => ({
  format: 1,
  organization: draft.organization,
  project: draft.project,
  changes: draft.changes,
  base: draft.base
    .map((base) => ({
      ...base,
      environments: base.environments.toSorted((a, b) => compare(a.environmentId, b.environmentId)),
    }))
    .sort((a, b) => compare(a.flagId, b.flagId)),
  environments: draft.environments.toSorted((a, b) => compare(a.environmentId, b.environmentId)),
  schedule: null,
  bucketing: BUCKETING_VERSION,
});

/** The exact text that is stored, reviewed, hashed and applied (RFC 8785). */
export const contentText = (content: ChangeContent): string => canonicalJson(content as unknown as JsonValue);

/** Lower-case hexadecimal SHA-256 over {@link contentText}: what an approval names. PostgreSQL computes the same. */
export const contentHash = (content: ChangeContent): string => sha256Hex(contentText(content));

/** Reads stored content back. It was validated before it was stored and is immutable since. */
export const parseContent = (text: string): ChangeContent => {
  const content = JSON.parse(text) as ChangeContent;
  if ((content.format as number) !== 1) throw new AppError('INTERNAL', 'The change set has an unknown format.');
  return content;
};

/** A permission a change set needs; without an environment, in the project. */
export interface Requirement {
  readonly permission: string;
  readonly environmentId: string | null;
}

const touchedBy = (operation: Operation, base: readonly BaseVersion[]): readonly string[] => {
  if ('environmentId' in operation) return [operation.environmentId];
  if ('environments' in operation) return operation.environments.map(({ environmentId }) => environmentId);
  // What a flag is matters everywhere it is.
  return base.find(({ flagId }) => flagId === operation.flagId)?.environments.map((e) => e.environmentId) ?? [];
};

/** What whoever makes this change must be allowed, by kind of change, in every environment it touches. */
export const requirementsOf = ({ changes, base }: Pick<ChangeContent, 'changes' | 'base'>): readonly Requirement[] => {
  const requirements = new Map<string, Requirement>();
  for (const operation of changes) {
    const permission = PERMISSION_OF[operation.kind];
    const touched: readonly (string | null)[] = touchedBy(operation, base);
    for (const environmentId of touched.length === 0 ? [null] : touched)
      requirements.set(`${permission} ${environmentId ?? ''}`, { permission, environmentId });
  }
  return [...requirements.values()];
};
