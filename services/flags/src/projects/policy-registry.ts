import type { Peers } from '../edge/index.ts';
import type { ScopeRegistry } from './scope-registration.ts';

/** Policy's ScopeService as the registry the outbox is delivered to. */
export const policyRegistry = ({ putScope }: Pick<Peers, 'putScope'>): ScopeRegistry => ({
  put: async (orgId, sequence, registration) => {
    const { projectId, key, deleted } = registration;
    const scope = { orgId, sequence, projectId, key, deleted };
    if (registration.kind === 'project') await putScope(scope);
    else {
      const { environmentId, tier } = registration;
      await putScope({ ...scope, environment: { environmentId, tier } });
    }
  },
});
