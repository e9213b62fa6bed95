import type { DecisionKnowledge } from './decide/index.ts';
import type { GrantKnowledge } from './grants/index.ts';
import type { Lease, Standing } from '@sallyport/subject-feed';

/** What decisions are made from: grants from our own database, standing from identity's log, each under its lease. */
export const combinedKnowledge = (
  grants: GrantKnowledge,
  standing: Standing,
  standingLease: Lease,
): DecisionKnowledge => ({
  standingForMs: (orgId) => (standing.isStale(orgId) ? 0 : standingLease.remainingMs()),
  grantsForMs: (orgId) => grants.forMs(orgId),
  standingPosition: (orgId) => standing.position(orgId),
  subject: (orgId, subjectId) => standing.find(orgId, subjectId),
  organization: (orgId) => grants.organization(orgId),
  ensure: async (orgId) => {
    await grants.ensure(orgId);
  },
});
