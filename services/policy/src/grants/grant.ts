import type { Effect, SubjectType } from '../model/index.ts';

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
export const describeGrant = (grant: NewGrant): Record<string, string | null> => ({
  subjectType: grant.subjectType,
  subjectId: grant.subjectId,
  role: grant.roleKey,
  projectId: grant.projectId,
  environmentId: grant.environmentId,
  effect: grant.effect,
  source: grant.source,
  validFrom: grant.validFrom?.toISOString() ?? null,
  validUntil: grant.validUntil?.toISOString() ?? null,
});
