/**
 * Exactly who gains and loses what between two policies: the difference of what every subject may do at every place.
 * Only subjects whose grants, or whose groups' grants, are not the very same are looked at, and places that no grant
 * tells apart are compared once for all.
 */
import type { Population } from '../grants/index.ts';
import type { Cell, OrganizationIndex, SubjectCells, SubjectType } from '../model/index.ts';
import { OverlayMap } from './overlay.ts';
import { Places, type Pair, type PlacesChange, type Spot } from './places.ts';
import type { AccessChange } from './access.ts';

/** Somebody for whom something changes. */
export interface ChangedSubject {
  readonly type: 'user' | 'service_account';
  readonly id: string;
  /** Shared by everybody who holds the same. */
  readonly changes: readonly PlacesChange[];
}

/** One line of the answer: one subject at one place. */
export interface DifferenceEntry {
  readonly subject: { readonly type: 'user' | 'service_account'; readonly id: string };
  readonly spot: Spot;
  readonly change: AccessChange;
}

export interface DifferenceCounts {
  /** Active subjects for whom anything changes. */
  readonly subjects: number;
  /** Subjects that hold changed grants and are not active: they gain and lose nothing. */
  readonly inactive: number;
  /** One for each subject and place: how long {@link Difference.entries} is. */
  readonly entries: number;
  /** One for each subject, place and action. */
  readonly gains: number;
  readonly losses: number;
  readonly conditional: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What two policies differ in; expanded only as far as it is looked at. */
export class Difference {
  readonly subjects: readonly ChangedSubject[];
  readonly counts: DifferenceCounts;

  constructor(subjects: readonly ChangedSubject[], counts: DifferenceCounts) {
    this.subjects = subjects;
    this.counts = counts;
  }

  /** Entries in a fixed order, from the given one on; those before it cost nothing. */
  *entries(from = 0): Generator<DifferenceEntry> {
    let skip = from;
    for (const { type, id, changes } of this.subjects)
      for (const { spots, change } of changes) {
        if (skip >= spots.length) {
          skip -= spots.length;
          continue;
        }
        for (const spot of spots.slice(skip)) yield { subject: { type, id }, spot, change };
        skip = 0;
      }
  }

  /** At most so many entries, from the given one on. */
  page(from: number, limit: number): readonly DifferenceEntry[] {
    const found: DifferenceEntry[] = [];
    for (const entry of this.entries(from)) {
      if (found.length === limit) break;
      found.push(entry);
    }
    return found;
  }
}

const TYPES = ['user', 'service_account'] as const;

const scopesDiffer = (before: OrganizationIndex, after: OrganizationIndex): boolean =>
  !(before.projects === after.projects && before.environments === after.environments) &&
  (before.projects.size !== after.projects.size ||
    before.environments.size !== after.environments.size ||
    [...before.projects.keys()].some((id) => !after.projects.has(id)) ||
    [...before.environments].some(([id, { tier, projectId }]) => {
      const other = after.environments.get(id);
      return other?.tier !== tier || other.projectId !== projectId;
    }));

/** Keys whose values are not the very same. */
export const touchedKeys = (
  before: ReadonlyMap<string, SubjectCells>,
  after: ReadonlyMap<string, SubjectCells>,
): Iterable<string> => {
  if (before === after) return [];
  if (after instanceof OverlayMap && after.base === before) return after.changed.keys();
  const touched = new Set<string>();
  for (const [id, cells] of before) if (after.get(id) !== cells) touched.add(id);
  for (const id of after.keys()) if (!before.has(id)) touched.add(id);
  return touched;
};

/** Texts that are the same for cells that decide the same: grants without a limit count by what they give together. */
class Signatures {
  readonly #texts = new WeakMap<SubjectCells, string>();
  readonly #numbers = new WeakMap<object, number>();
  #next = 0;

  of(cells: readonly SubjectCells[]): string {
    return cells.map((each) => this.#text(each)).join(' ');
  }

  #text(cells: SubjectCells): string {
    const known = this.#texts.get(cells);
    if (known !== undefined) return known;
    let text = cells.organization === undefined ? '' : this.#cell(cells.organization);
    for (const [id, cell] of cells.projects) text += `p${JSON.stringify(id)}${this.#cell(cell)}`;
    for (const [id, cell] of cells.environments) text += `e${JSON.stringify(id)}${this.#cell(cell)}`;
    this.#texts.set(cells, text);
    return text;
  }

  #cell({ allow, deny, limited }: Cell): string {
    return `${String(this.#number(allow))}-${String(this.#number(deny))}[${limited.map((each) => this.#number(each)).join()}]`;
  }

  #number(thing: object): number {
    let number = this.#numbers.get(thing);
    if (number === undefined) this.#numbers.set(thing, (number = this.#next += 1));
    return number;
  }
}

/** The cells of a subject and of the groups it is in. */
export const cellsOf = (
  index: OrganizationIndex,
  {
    type,
    id,
    groupIds,
  }: { readonly type: 'user' | 'service_account'; readonly id: string; readonly groupIds: readonly string[] },
): readonly SubjectCells[] => {
  const own = index.subjects[type].get(id);
  const found = own === undefined ? [] : [own];
  for (const groupId of groupIds) {
    const cells = index.subjects.group.get(groupId);
    if (cells !== undefined) found.push(cells);
  }
  return found;
};

/** Everybody who may be affected: who holds a touched grant, and the members of groups that do. */
export const touchedSubjects = (
  before: OrganizationIndex,
  after: OrganizationIndex,
  population: Population,
): ReadonlySet<string> => {
  // A place that comes, goes or moves is one for everybody who holds anything.
  const isEverybody = scopesDiffer(before, after);
  const keys = (type: SubjectType): Iterable<string> => {
    const [was, is] = [before.subjects[type], after.subjects[type]];
    return isEverybody ? [...was.keys(), ...is.keys()] : touchedKeys(was, is);
  };
  const found = new Set<string>();
  for (const type of TYPES) for (const id of keys(type)) found.add(id);
  for (const groupId of keys('group')) for (const id of population.members(groupId)) found.add(id);
  return found;
};

const countInto = (counts: Mutable<DifferenceCounts>, changes: readonly PlacesChange[]): void => {
  if (changes.length === 0) return;
  counts.subjects += 1;
  for (const { spots, change } of changes) {
    counts.entries += spots.length;
    counts.gains += spots.length * change.gains.length;
    counts.losses += spots.length * change.losses.length;
    counts.conditional += spots.length * change.conditional.length;
  }
};

/** Compared between two looks at the clock. */
const SUBJECTS_PER_STEP = 64;

/** {@link difference} in steps: whoever runs it may do something else in between. */
export function* differenceSteps(pair: Pair, population: Population): Generator<undefined, Difference> {
  const places = new Places(pair);
  const signatures = new Signatures();
  const known = new Map<string, readonly PlacesChange[]>();
  const counts = { subjects: 0, inactive: 0, entries: 0, gains: 0, losses: 0, conditional: 0 };
  const changed: ChangedSubject[] = [];
  let step = 0;
  for (const id of touchedSubjects(pair.before, pair.after, population)) {
    if ((step += 1) % SUBJECTS_PER_STEP === 0) yield;
    const found = population.find(id);
    if (found?.active !== true) {
      counts.inactive += 1;
      continue;
    }
    const subject = { type: found.type, id, groupIds: found.groupIds };
    const [before, after] = [cellsOf(pair.before, subject), cellsOf(pair.after, subject)];
    const key = `${signatures.of(before)}/${signatures.of(after)}`;
    let changes = known.get(key);
    if (changes === undefined) known.set(key, (changes = places.changes(before, after)));
    countInto(counts, changes);
    if (changes.length > 0) changed.push({ type: found.type, id, changes });
  }
  return new Difference(changed, counts);
}

/**
 * Exactly who gains and loses which action at which place when `after` takes the place of `before`. What depends on time
 * or a condition is told apart and named with its grants. Counts active subjects only; who is in which group is the
 * same before and after.
 *
 * @param nowMs from when on, ms since 1970: what is over by then is not counted
 */
export const difference = (
  before: OrganizationIndex,
  after: OrganizationIndex,
  population: Population,
  nowMs: number,
): Difference => {
  const steps = differenceSteps({ before, after, nowMs }, population);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
};
