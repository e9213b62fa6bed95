import type { Decision, Reason } from '../decide/index.ts';
import type { Effect, ScopeLevel, SubjectType, Tier } from '../model/index.ts';
import type { Miss, SufficientRole } from './nearest-miss.ts';

/** Why, more closely than the reason of a decision: what a NO_GRANT missed by. */
export type Cause = Reason | Miss;

/** The grant that decided or came nearest, and how it reaches the subject. */
export interface GrantPath {
  readonly grantId: string;
  readonly effect: Effect;
  readonly role: string;
  /** Who was given it: the subject itself, or a group it is in. */
  readonly heldBy: { readonly type: SubjectType; readonly id: string };
  readonly level: ScopeLevel;
  readonly projectId: string | null;
  readonly environmentId: string | null;
  readonly tier: Tier | null;
  readonly resourceType: string | null;
  readonly validFromMs: number | null;
  readonly validUntilMs: number | null;
}

export interface Explanation {
  readonly decision: Decision;
  readonly cause: Cause;
  readonly grant: GrantPath | null;
  /** For CONDITION_NOT_MET: properties of what was not met, without values. */
  readonly unmetProperties: readonly string[];
  /** For a denial that a role could lift. */
  readonly sufficientRoles: readonly SufficientRole[];
  /** For administrators: names grants, groups and what conditions expect. Never what the request said. */
  readonly adminText: string;
  /** For the subject: no id of anything, nothing of what rules expect. */
  readonly subjectText: string;
}
