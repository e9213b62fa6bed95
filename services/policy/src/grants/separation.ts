/**
 * Which roles nobody may hold together, and who does. Auditor excludes whatever writes, by what roles permit and so for
 * an organisation's own roles too; an organisation's separation rules name others. Pure.
 */
import { AppError } from '@sallyport/errors';

import {
  AUDITOR,
  SUBJECT_TYPES,
  getOrAdd,
  isWritingRole,
  type GrantRow,
  type OrganizationIndex,
  type SubjectType,
} from '../model/index.ts';
import type { Population } from './population.ts';

/** The rule that needs no row. */
export const AUDITOR_RULE = Object.freeze({ ruleId: 'auditor', name: 'Auditor excludes every role that writes' });

/** Somebody who holds what excludes each other, itself or through groups, anywhere in the organisation. */
export interface Violation {
  readonly ruleId: string;
  readonly ruleName: string;
  readonly subjectType: SubjectType;
  readonly subjectId: string;
  /** Those of the rule that it holds (or will), sorted. */
  readonly roleKeys: readonly string[];
}

/** True for a grant whose time is past: it gives nobody anything any more. */
export const isOver = ({ validUntilMs }: Pick<GrantRow, 'validUntilMs'>, nowMs: number): boolean =>
  validUntilMs !== null && validUntilMs <= nowMs;

/** What excludes what: of these parts nobody holds roles of two. */
interface Exclusion {
  readonly ruleId: string;
  readonly name: string;
  readonly parts: readonly (readonly string[])[];
}

/** Few organisations have other rules than the one about Auditor, and none of them matters where nobody is Auditor. */
const exclusionsOf = ({ roles, separations, grants }: OrganizationIndex): readonly Exclusion[] => {
  const rules = separations.map(({ roleKeys, ...rule }) => ({ ...rule, parts: roleKeys.map((key) => [key]) }));
  if (!grants.some(({ row }) => row.roleKey === AUDITOR)) return rules;
  const writing = [...roles.values()].filter(isWritingRole).map(({ key }) => key);
  return [{ ...AUDITOR_RULE, parts: [[AUDITOR], writing] }, ...rules];
};

/** The roles of an exclusion somebody holds, when they are of two parts. */
const conflictIn = ({ parts }: Exclusion, held: ReadonlySet<string>): readonly string[] => {
  const found = parts.map((part) => part.filter((key) => held.has(key))).filter((part) => part.length > 0);
  return found.length > 1 ? found.flat() : [];
};

type ByType<T> = Readonly<Record<SubjectType, T>>;

const byType = <T>(made: () => T): ByType<T> => ({ user: made(), group: made(), service_account: made() });

type Conflict = Omit<Violation, 'subjectType' | 'subjectId'>;

/** Who is given which of the roles that exclude others, now or later. */
class Given {
  readonly #population: Population;
  readonly #exclusions: readonly Exclusion[];
  readonly #roles = byType(() => new Map<string, Set<string>>());
  /** By role. */
  readonly #holders = new Map<string, ByType<Set<string>>>();
  readonly #members = new Map<string, readonly string[]>();

  constructor(index: OrganizationIndex, population: Population, nowMs: number) {
    this.#population = population;
    this.#exclusions = exclusionsOf(index);
    const relevant = new Set(this.#exclusions.flatMap(({ parts }) => parts.flat()));
    if (relevant.size === 0) return;
    for (const { row } of index.grants) {
      const { subjectType, subjectId, roleKey, effect } = row;
      if (effect !== 'allow' || !relevant.has(roleKey) || isOver(row, nowMs)) continue;
      getOrAdd(this.#roles[subjectType], subjectId, () => new Set()).add(roleKey);
      getOrAdd(this.#holders, roleKey, () => byType(() => new Set()))[subjectType].add(subjectId);
    }
  }

  /**
   * Everybody who holds what excludes each other. Who does holds a role of a part that is not the largest one, so only
   * those are looked at: of a group with everybody in it nobody, as long as few hold what excludes what it gives.
   */
  *violations(): Generator<Violation> {
    const candidates = byType(() => new Set<string>());
    for (const { parts } of this.#exclusions) {
      const sizes = parts.map((part) => this.#sizeOf(part));
      const largest = sizes.indexOf(Math.max(...sizes));
      for (const [at, part] of parts.entries()) if (at !== largest) this.#addHolders(part, candidates);
    }
    for (const subjectType of SUBJECT_TYPES)
      for (const subjectId of candidates[subjectType])
        for (const conflict of this.#conflictsOf(subjectType, subjectId)) yield { ...conflict, subjectType, subjectId };
  }

  #membersOf(groupId: string): readonly string[] {
    return getOrAdd(this.#members, groupId, () => this.#population.members(groupId));
  }

  #holdersOf(part: readonly string[], type: SubjectType): ReadonlySet<string> {
    return new Set(part.flatMap((key) => [...(this.#holders.get(key)?.[type] ?? [])]));
  }

  #sizeOf(part: readonly string[]): number {
    let size = this.#holdersOf(part, 'user').size + this.#holdersOf(part, 'service_account').size;
    for (const groupId of this.#holdersOf(part, 'group')) size += 1 + this.#membersOf(groupId).length;
    return size;
  }

  #addHolders(part: readonly string[], candidates: ByType<Set<string>>): void {
    for (const type of SUBJECT_TYPES) for (const id of this.#holdersOf(part, type)) candidates[type].add(id);
    for (const groupId of this.#holdersOf(part, 'group'))
      for (const id of this.#membersOf(groupId)) {
        if (candidates.user.has(id)) continue;
        const type = this.#population.find(id)?.type;
        if (type !== undefined) candidates[type].add(id);
      }
  }

  /** Most people hold what many others do: by the sets it comes from. */
  readonly #known = new Map<string, readonly Conflict[]>();
  readonly #numbers = new Map<ReadonlySet<string>, number>();

  #conflictsOf(type: SubjectType, id: string): readonly Conflict[] {
    const sets: ReadonlySet<string>[] = [];
    let key = '';
    const take = (set: ReadonlySet<string> | undefined): void => {
      if (set === undefined) return;
      sets.push(set);
      key += `${String(this.#numberOf(set))} `;
    };
    take(this.#roles[type].get(id));
    const found = type === 'group' ? undefined : this.#population.find(id);
    if (found?.type === type) for (const groupId of found.groupIds) take(this.#roles.group.get(groupId));
    return getOrAdd(this.#known, key, () => this.#conflictsIn(new Set(sets.flatMap((set) => [...set]))));
  }

  #numberOf(set: ReadonlySet<string>): number {
    const number = this.#numbers.get(set) ?? this.#numbers.size;
    this.#numbers.set(set, number);
    return number;
  }

  #conflictsIn(held: ReadonlySet<string>): readonly Conflict[] {
    return this.#exclusions.flatMap((exclusion) => {
      const roleKeys = [...conflictIn(exclusion, held)].sort();
      return roleKeys.length === 0 ? [] : [{ ruleId: exclusion.ruleId, ruleName: exclusion.name, roleKeys }];
    });
  }
}

/** Everybody who holds what excludes each other, by subject and rule. */
export const violationsOf = (index: OrganizationIndex, population: Population, nowMs: number): readonly Violation[] => [
  ...new Given(index, population, nowMs).violations(),
];

/** What tells one violation from another. */
export const violationKey = ({ ruleId, subjectType, subjectId }: Violation): string =>
  // None of them has a space in it.
  `${subjectType} ${subjectId} ${ruleId}`;

/** The violations that were not there before, or not by all of these roles. */
export const newViolations = (before: readonly Violation[], after: readonly Violation[]): readonly Violation[] => {
  const known = new Map(before.map((violation) => [violationKey(violation), violation.roleKeys]));
  return after.filter((violation) => {
    const already = known.get(violationKey(violation)) ?? [];
    return violation.roleKeys.some((key) => !already.includes(key));
  });
};

/** What a refusal says about a violation. */
export const describeViolation = ({ ruleName, roleKeys }: Violation): string =>
  `${roleKeys.join(' and ')} cannot be held together, also not through a group (${ruleName}).`;

/**
 * No change brings about that somebody holds what excludes each other. Who does already (the identity provider put them
 * into another group since) is listed as a violation and does not stand in the way of other changes. (A later change of
 * membership can still combine roles: what a group gives is visible here, what the identity provider will do is not.)
 */
export const refuseCombination = (
  before: OrganizationIndex,
  after: OrganizationIndex,
  population: Population,
  nowMs: number,
): AppError | null => {
  const added = newViolations(violationsOf(before, population, nowMs), violationsOf(after, population, nowMs));
  const [first] = added;
  if (first === undefined) return null;
  return new AppError('SEPARATION_OF_DUTIES', describeViolation(first), {
    metadata: { rule: first.ruleId, roles: first.roleKeys.join(' '), subjects: String(added.length) },
  });
};
