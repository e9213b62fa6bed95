/**
 * What-if: a proposal is applied to a copy of the index, and the two are compared. Reads only; what it says holds for
 * the revision it names.
 */
import { createHash } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import type { Principal } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { Standing } from '@sallyport/subject-feed';

import { holderOf, populationOf, type Acts, type GrantKnowledge, type Population } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { differenceSteps, type Difference, type DifferenceCounts, type DifferenceEntry } from './difference.ts';
import { inTurns } from '../turns/index.ts';
import { lockOutSteps, type LockOut } from './lock-outs.ts';
import type { Pair } from './places.ts';
import { policyAfterSteps, type ProposedChange } from './hypothetical.ts';
import { blockedBy, type Blocked } from './propose.ts';

export interface WhatIfDependencies {
  readonly clock: Clock;
  readonly standing: Standing;
  readonly knowledge: Pick<GrantKnowledge, 'organization' | 'forMs'>;
}

/** Where a page begins, and what it is a page of. */
export interface PageStart {
  /** Grants revision and standing position. */
  readonly revision: string;
  /** Of the proposal. */
  readonly digest: string;
  readonly from: number;
  /** ms since 1970: later pages look from the same moment on. */
  readonly nowMs: number;
}

export interface WhatIf {
  readonly revision: string;
  readonly counts: DifferenceCounts;
  readonly blocked: readonly Blocked[];
  readonly lockOuts: readonly LockOut[];
  readonly entries: readonly DifferenceEntry[];
  /** Null: these are all. */
  readonly next: PageStart | null;
}

/** The index as it may be used now. @throws UNAVAILABLE when what is known is too old */
export const currentIndex = (
  { knowledge }: Pick<WhatIfDependencies, 'knowledge'>,
  orgId: string,
): OrganizationIndex => {
  const index = knowledge.organization(orgId);
  if (index === undefined || knowledge.forMs(orgId) < 1)
    throw new AppError('UNAVAILABLE', 'What is known of grants is too old. Try again in a moment.');
  return index;
};

const digestOf = (changes: readonly ProposedChange[]): string =>
  createHash('sha256').update(JSON.stringify(changes)).digest('base64url').slice(0, 22);

const expired = (): AppError =>
  new AppError(
    'EXPIRED_CURSOR',
    'Grants or memberships have changed meanwhile, or this is another proposal: begin anew.',
  );

/** Entries on one page beginning with `start`; counts, refusals and lock-outs are of the whole. */
export interface WhatIfOrder {
  readonly changes: readonly ProposedChange[];
  readonly limit: number;
  readonly start: PageStart | null;
}

type Caller = Acts & Pick<Principal, 'orgId'>;

/** What the rules refuse, to whoever proposes it. */
const refusals = (
  { before, after, population, nowMs }: Pair & { readonly population: Population },
  caller: Caller,
  changes: readonly ProposedChange[],
): readonly Blocked[] => blockedBy({ before, actor: holderOf(population, caller), population, nowMs }, after, changes);

/** Two policies compared; others have the event loop in between. */
export const compareInTurns = async (
  pair: Pair,
  population: Population,
  clock: Clock,
): Promise<{ readonly difference: Difference; readonly lockOuts: readonly LockOut[] }> => {
  const difference = await inTurns(differenceSteps(pair, population), clock);
  return { difference, lockOuts: await inTurns(lockOutSteps(pair, difference, population), clock) };
};

/**
 * Who gains and loses what if these changes were made, without making them. Others have the event loop in between.
 *
 * @throws NOT_FOUND, CONFLICT when there is no such policy (see hypothetical.ts), EXPIRED_CURSOR, UNAVAILABLE
 */
export const whatIf = async (
  dependencies: WhatIfDependencies,
  caller: Caller,
  { changes, limit, start }: WhatIfOrder,
): Promise<WhatIf> => {
  const { clock, standing } = dependencies;
  const { orgId } = caller;
  const before = currentIndex(dependencies, orgId);
  const revision = `s${String(standing.position(orgId))}.g${String(before.revision)}`;
  const digest = digestOf(changes);
  if (start !== null && (start.revision !== revision || start.digest !== digest)) throw expired();
  const { from, nowMs } = start ?? { from: 0, nowMs: clock.now().getTime() };
  const population = populationOf(standing, orgId);
  const pair = { before, after: await inTurns(policyAfterSteps(before, changes), clock), nowMs };
  const { difference, lockOuts } = await compareInTurns(pair, population, clock);
  const { counts } = difference;
  const entries = difference.page(from, limit);
  const end = from + entries.length;
  return {
    revision,
    counts,
    blocked: refusals({ ...pair, population }, caller, changes),
    lockOuts,
    entries,
    next: end >= counts.entries ? null : { revision, digest, from: end, nowMs },
  };
};
