import type { AuditContext, AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import type { DomainProof } from './challenge.ts';
import {
  findClaim,
  lockClaim,
  releaseDomains,
  takeDomain,
  updateClaim,
  type ClaimKey,
  type DomainClaim,
} from './store.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** A proof that is gone counts for so long still: a mistake in a zone file signs nobody out of their company. */
export const GRACE_MS = 7 * DAY_MS;

/** What vouches for a domain besides an operator. */
export const BY_DNS = 'dns';

/**
 * What a look at DNS makes of a claim. An operator's word stands whatever DNS says; a proof by DNS is given up when it
 * has been missing for seven days.
 */
export const judged = (claim: DomainClaim, proof: DomainProof, now: Date): DomainClaim => {
  if (proof === 'PROVEN') {
    const verified = claim.verifiedAt === null ? { verifiedAt: now, verifiedBy: BY_DNS } : {};
    return { ...claim, ...verified, checkedAt: now, problem: null, failingSince: null };
  }
  const isByDns = claim.verifiedBy === BY_DNS;
  const failingSince = isByDns ? (claim.failingSince ?? now) : null;
  const isOver = failingSince !== null && now.getTime() - failingSince.getTime() >= GRACE_MS;
  const seen = { ...claim, checkedAt: now, problem: proof, failingSince };
  return isOver ? { ...seen, verifiedAt: null, verifiedBy: null, failingSince: null } : seen;
};

const actionOf = (before: DomainClaim, after: DomainClaim): string | null => {
  if (before.verifiedAt === null && after.verifiedAt !== null) return 'connection.domain-verified';
  if (before.verifiedAt !== null && after.verifiedAt === null) return 'connection.domain-unverified';
  if (before.failingSince === null && after.failingSince !== null) return 'connection.domain-proof-missing';
  return before.failingSince !== null && after.failingSince === null ? 'connection.domain-proof-restored' : null;
};

/** Writes what a look at DNS found. @throws CONFLICT when the domain is proven for another organisation */
const settle = async (tx: AuditedTx, looked: DomainClaim, proof: DomainProof, now: Date): Promise<DomainClaim> => {
  const before = await lockClaim(tx, looked);
  if (before === null) throw new AppError('NOT_FOUND', 'The connection does not list this domain.');
  if (before.challenge !== looked.challenge)
    throw new AppError('CONFLICT', 'The domain has been listed anew meanwhile. Try again.');
  const after = judged(before, proof, now);
  if (after.verifiedAt !== null && !(await takeDomain(tx, after.orgId, after.domain, now)))
    throw new AppError('CONFLICT', 'This domain is proven for another organisation.');
  await updateClaim(tx, after);
  if (after.verifiedAt === null) await releaseDomains(tx, after.orgId);
  const action = actionOf(before, after);
  if (action === null) tx.unchanged();
  else {
    const { domain, problem } = after;
    const giveUpAt = after.failingSince === null ? null : new Date(after.failingSince.getTime() + GRACE_MS);
    tx.record({
      action,
      target: { type: 'connection', id: after.connectionId },
      after: { domain, by: BY_DNS, problem, ...(giveUpAt === null ? {} : { giveUpAt: giveUpAt.toISOString() }) },
    });
  }
  return after;
};

/**
 * Looks for the DNS record of a claimed domain, and takes the domain for the organisation when it is there.
 *
 * DNS is asked before the transaction; the challenge is that of the claim as it is when the answer is written, so a
 * claim that was removed and made anew in between is not proven by the record of the old one.
 * @throws NOT_FOUND; CONFLICT when the domain is proven for another organisation
 */
export const checkDomain = async (
  context: Pick<IdentityContext, 'audit' | 'clock' | 'db' | 'challengeLookup'>,
  key: ClaimKey,
  who: { readonly audit: AuditContext; readonly decide: () => Promise<GrantedDecision | null> },
): Promise<DomainClaim> => {
  const claim = await context.db.read(key.orgId, async (tx) => await findClaim(tx, key));
  if (claim === null) throw new AppError('NOT_FOUND', 'The connection does not list this domain.');
  const proof = await context.challengeLookup(key.domain, claim.challenge);
  // Name servers may take longer than a decision lasts.
  const decision = await who.decide();
  const { value } = await context.audit.mutate(who.audit, async (tx) => {
    if (decision !== null) tx.fence(decision);
    return await settle(tx, claim, proof, context.clock.now());
  });
  return value;
};
