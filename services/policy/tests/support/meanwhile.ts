import type { Administrator } from '../../src/grants/index.ts';
import type { Organization } from './world.ts';

/** For how long a decision is good, and since when. */
export interface Validity {
  readonly validForMs: number;
  readonly decidedAtMonotonicMs: number;
}

/** An administrator who is allowed what they ask for by this decision, after `meanwhile` has happened. */
export const administratorAfter = (
  { orgId }: Organization,
  subjectId: string,
  validity: Validity,
  meanwhile: () => Promise<unknown> = async () => await Promise.resolve(),
): Administrator => ({
  principal: {
    orgId,
    orgSlug: 'acme',
    subjectId,
    type: 'user',
    epoch: 1n,
    credentialType: 'api_token',
    credentialId: 'token',
    scopes: [],
    authenticatedAt: new Date(0),
    expiresAt: new Date(8_640_000_000_000),
    displayName: 'Somebody',
  },
  context: {
    require: async () => {
      await meanwhile();
      return { allowed: true, reason: 'GRANTED', explanation: '', policyRevision: '', ...validity };
    },
    auditContext: () => ({
      orgId,
      actor: { type: 'user', id: subjectId, via: 'api_token:token' },
      requestId: 'request',
    }),
  },
});
