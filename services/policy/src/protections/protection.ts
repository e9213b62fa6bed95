/** Where something takes effect. Both null: in the whole organisation. */
export interface Reach {
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

export const ORGANIZATION_REACH: Reach = Object.freeze({ projectId: null, environmentId: null });

/** A change that only makes the rules stricter: it reaches into no scope. */
export const NOTHING_BUT_RULES = null;

/** A scope in which roles are given and taken by more than one person. */
export interface Protection extends Reach {
  readonly protectionId: string;
  /** By others than who proposes; 0: lifted. */
  readonly requiredApprovals: number;
  /** Changes with it. */
  readonly version: number;
  readonly createdAt: Date;
  readonly changedAt: Date;
  /** Subject id. */
  readonly changedBy: string;
}

/** True when one lies within the other, either way round. */
export const reachesInto = (one: Reach, other: Reach): boolean => {
  if (one.projectId === null || other.projectId === null) return true;
  if (one.projectId !== other.projectId) return false;
  return one.environmentId === null || other.environmentId === null || one.environmentId === other.environmentId;
};
