import type { JsonObject } from '@sallyport/audit';

import { canonicalText, type Condition } from '../conditions/index.ts';
import type { Effect, SubjectType, Tier } from '../model/index.ts';

/** A role given to (or, with effect deny, taken from) a subject, within a scope, for a time. */
export interface Grant {
  readonly grantId: string;
  readonly subjectType: SubjectType;
  readonly subjectId: string;
  readonly roleKey: string;
  /** Both null: the whole organisation. */
  readonly projectId: string | null;
  readonly environmentId: string | null;
  readonly effect: Effect;
  /** Only in environments of this tier; null: everywhere within the scope. */
  readonly tier: Tier | null;
  /** Only what acts on this type; null: all the role permits. */
  readonly resourceType: string | null;
  /** Null: always. */
  readonly condition: Condition | null;
  /** 'mapping': made by mapping a group of the identity provider, and taken back the same way. */
  readonly source: 'direct' | 'mapping';
  /** Inclusive. */
  readonly validFrom: Date | null;
  /** Exclusive. */
  readonly validUntil: Date | null;
  readonly createdAt: Date;
  /** Subject id of who gave it, or the name of a service. */
  readonly createdBy: string;
  /** The epoch the subject was in when it was given; 0 for groups. */
  readonly subjectEpoch: bigint;
  /** The revision at which it came. */
  readonly revision: bigint;
}

export type NewGrant = Omit<Grant, 'revision'>;

/** Which grants a list shows. */
export interface GrantPage {
  readonly after?: string;
  readonly limit: number;
  readonly source?: Grant['source'];
  readonly projectId?: string;
  readonly environmentId?: string;
  readonly subjectId?: string;
}

/** What the audit log says about a grant. */
export const describeGrant = (grant: NewGrant): JsonObject => ({
  subjectType: grant.subjectType,
  subjectId: grant.subjectId,
  role: grant.roleKey,
  projectId: grant.projectId,
  environmentId: grant.environmentId,
  effect: grant.effect,
  tier: grant.tier,
  resourceType: grant.resourceType,
  // The very text it is compared by; a condition names properties and values, never a person's data of ours.
  condition: grant.condition === null ? null : canonicalText(grant.condition),
  source: grant.source,
  validFrom: grant.validFrom?.toISOString() ?? null,
  validUntil: grant.validUntil?.toISOString() ?? null,
});
