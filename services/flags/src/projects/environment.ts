import { z } from 'zod';

/** Decides which permissions of a role apply; fixed when the environment is made. */
export const tierSchema = z.enum(['non-production', 'production']);
export type Tier = z.output<typeof tierSchema>;

export interface Project {
  readonly projectId: string;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly createdAt: Date;
}

export interface Environment {
  readonly environmentId: string;
  readonly projectId: string;
  readonly key: string;
  readonly name: string;
  readonly tier: Tier;
  readonly protected: boolean;
  /** Approvals by others that a change needs here; 0 unless protected. */
  readonly requiredApprovals: number;
  /** Raised with every change of the approval rule. */
  readonly ruleVersion: number;
  /** Raised with every applied change. */
  readonly version: bigint;
  readonly createdAt: Date;
}

/** True when a change here waits for approvals; else it is applied at once, by the same routine. */
export const demandsReview = (environment: Pick<Environment, 'protected' | 'requiredApprovals'>): boolean =>
  environment.protected && environment.requiredApprovals > 0;
