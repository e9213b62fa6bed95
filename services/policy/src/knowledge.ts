import type { DecisionKnowledge } from './decide/index.ts';
import type { GrantKnowledge } from './grants/index.ts';
import type { Lease, Standing } from '@sallyport/subject-feed';

/** What decisions are made from: grants from our own database, standing from identity's log, each under its lease. */
export const combinedKnowledge = (
  grants: GrantKnowledge,
  standing: Standing,
  standingLease: Lease,
): DecisionKnowledge => ({
  look: (orgId, { monotonicMs, wallMs }) => {
    const view = standing.view(orgId);
    const index = grants.organization(orgId);
    return {
      index,
      standing: view,
      standingMs: view?.stale === true ? 0 : standingLease.remainingMsAt(monotonicMs, wallMs),
      grantsMs: grants.forMsAt(orgId, index, monotonicMs, wallMs),
    };
  },
  ensure: async (orgId) => {
    await grants.ensure(orgId);
  },
});
