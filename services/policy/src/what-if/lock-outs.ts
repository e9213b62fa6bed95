import type { Population } from '../grants/index.ts';
import { permissionNumber } from '../model/index.ts';
import { isAlwaysAllowed } from './access.ts';
import { cellsOf, type Difference } from './difference.ts';
import { sayOf, type Pair, type Spot } from './places.ts';

/** A place whose grants nobody could change any more, though somebody could. */
export interface LockOut {
  readonly spot: Spot;
  /** Who could, and cannot any more. */
  readonly subjectIds: readonly string[];
}

const ADMINISTRATION = 'grant:manage';
const MAX_LOCK_OUTS = 100;
const CANDIDATES_PER_STEP = 256;

/** Everybody who might hold anything in the policy that comes. */
function* candidates({ after }: Pair, population: Population): Generator<string> {
  yield* after.subjects.user.keys();
  yield* after.subjects.service_account.keys();
  for (const groupId of after.subjects.group.keys()) yield* population.members(groupId);
}

const isAdministered = function* (pair: Pair, population: Population, spot: Spot): Generator<undefined, boolean> {
  const permission = permissionNumber(ADMINISTRATION);
  let step = 0;
  for (const id of candidates(pair, population)) {
    if ((step += 1) % CANDIDATES_PER_STEP === 0) yield;
    const found = population.find(id);
    if (found?.active !== true) continue;
    const say = sayOf(pair.after, cellsOf(pair.after, { ...found, id }), spot);
    if (isAlwaysAllowed(say, permission, pair.nowMs)) return true;
  }
  return false;
};

/**
 * The places where somebody could change grants for good and nobody can any more, in steps; at most 100. Places that are
 * themselves gone are none.
 */
export function* lockOutSteps(
  pair: Pair,
  { subjects }: Difference,
  population: Population,
): Generator<undefined, readonly LockOut[]> {
  const lost = new Map<Spot, string[]>();
  for (const { id, changes } of subjects)
    for (const { change, spots } of changes) {
      if (!change.losses.includes(ADMINISTRATION)) continue;
      for (const spot of spots) {
        const losers = lost.get(spot);
        if (losers !== undefined) losers.push(id);
        else if (lost.size < MAX_LOCK_OUTS) lost.set(spot, [id]);
      }
    }
  const found: LockOut[] = [];
  for (const [spot, subjectIds] of lost) {
    const isThere = sayOf(pair.after, [], spot) !== null;
    if (isThere && !(yield* isAdministered(pair, population, spot))) found.push({ spot, subjectIds });
  }
  return found;
}
