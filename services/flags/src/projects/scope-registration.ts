import type { Tier } from './environment.ts';

/** What policy is told about a project or an environment: the resulting state, never a difference. */
export type ScopeRegistration =
  | { readonly kind: 'project'; readonly projectId: string; readonly key: string; readonly deleted: boolean }
  | {
      readonly kind: 'environment';
      readonly projectId: string;
      readonly environmentId: string;
      readonly key: string;
      readonly tier: Tier;
      readonly deleted: boolean;
    };

/** Policy's registry of scopes. Idempotent: of two registrations of one scope the higher sequence counts. */
export interface ScopeRegistry {
  /** Resolves once policy has stored it. @throws UNAVAILABLE and others when it has not */
  put(orgId: string, sequence: bigint, registration: ScopeRegistration): Promise<void>;
}
