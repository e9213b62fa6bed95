/**
 * Which roles nobody may hold together, and who does. Auditor excludes whatever writes, by what roles permit and so for
 * an organisation's own roles too; an organisation's separation rules name others. Pure.
 */
import { AppError } from '@sallyport/errors';

import { AUDITOR, isWritingRole, type GrantRow, type OrganizationIndex, type SubjectType } from '../model/index.ts';
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

interface Holding {
  readonly subjectType: SubjectType;
  readonly subjectId: string;
  readonly roleKeys: Set<string>;
}

/** The roles that are in any rule; few organisations have other rules than the one about Auditor. */
const relevantRoles = (index: OrganizationIndex): ReadonlySet<string> => {
  const relevant = new Set(index.separations.flatMap(({ roleKeys }) => roleKeys));
  if (!index.grants.some(({ row }) => row.roleKey === AUDITOR)) return relevant;
  relevant.add(AUDITOR);
  for (const role of index.roles.values()) if (isWritingRole(role)) relevant.add(role.key);
  return relevant;
};

/** Who holds which of these roles, now or later: subjects, the groups themselves, and their members. */
const holdingsOf = (index: OrganizationIndex, population: Population, nowMs: number): Iterable<Holding> => {
  const relevant = relevantRoles(index);
  const holdings = new Map<string, Holding>();
  const note = (subjectType: SubjectType, subjectId: string, roleKey: string): void => {
    // A type has no space in it.
    const key = `${subjectType} ${subjectId}`;
    const found = holdings.get(key) ?? { subjectType, subjectId, roleKeys: new Set() };
    holdings.set(key, found);
    found.roleKeys.add(roleKey);
  };
  if (relevant.size === 0) return [];
  for (const { row } of index.grants) {
    if (row.effect !== 'allow' || !relevant.has(row.roleKey) || isOver(row, nowMs)) continue;
    note(row.subjectType, row.subjectId, row.roleKey);
    if (row.subjectType !== 'group') continue;
    for (const memberId of population.members(row.subjectId)) {
      const member = population.find(memberId);
      if (member !== undefined) note(member.type, memberId, row.roleKey);
    }
  }
  return holdings.values();
};

const auditorConflict = ({ roles }: OrganizationIndex, held: ReadonlySet<string>): readonly string[] => {
  if (!held.has(AUDITOR)) return [];
  const writing = [...held].filter((key) => {
    const role = roles.get(key);
    return role !== undefined && isWritingRole(role);
  });
  return writing.length === 0 ? [] : [AUDITOR, ...writing];
};

/** Everybody who holds what excludes each other, by subject and rule. */
export const violationsOf = (index: OrganizationIndex, population: Population, nowMs: number): readonly Violation[] => {
  const violations: Violation[] = [];
  for (const { subjectType, subjectId, roleKeys: held } of holdingsOf(index, population, nowMs)) {
    const found = [
      { ...AUDITOR_RULE, roleKeys: auditorConflict(index, held) },
      ...index.separations.map((rule) => ({ ...rule, roleKeys: rule.roleKeys.filter((key) => held.has(key)) })),
    ];
    for (const { ruleId, name, roleKeys } of found)
      if (roleKeys.length > 1)
        violations.push({ ruleId, ruleName: name, subjectType, subjectId, roleKeys: [...roleKeys].sort() });
  }
  return violations;
};

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
