import type { JsonObject } from '@sallyport/audit';

import type { SeparationRule } from '../model/index.ts';

/** A separation rule as it is stored. */
export interface StoredSeparationRule extends SeparationRule {
  readonly description: string;
  readonly createdAt: Date;
  /** Subject id. */
  readonly createdBy: string;
}

/** An organisation has at most so many. */
export const MAX_RULES = 100;

/** What the audit log says about a separation rule. */
export const describeRule = ({ name, description, roleKeys }: StoredSeparationRule): JsonObject => ({
  name,
  description,
  roles: [...roleKeys],
});
