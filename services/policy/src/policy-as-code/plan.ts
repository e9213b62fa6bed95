/**
 * What would have to change for the policy to be as a file says: operations in a fixed order, bound by a hash to the
 * revision they were made for.
 */
import { createHash } from 'node:crypto';

import { AppError, isAppError } from '@sallyport/errors';

import { canonicalText } from '../conditions/index.ts';
import { assertGrantable, type Population } from '../grants/index.ts';
import { findRole, type GrantRow, type OrganizationIndex, type RoleDefinition } from '../model/index.ts';
import { MAX_ROLES, MAX_RULES, describeRole, type StoredSeparationRule } from '../roles/index.ts';
import type { ProposedChange } from '../what-if/index.ts';
import {
  identityOf,
  refuseFile,
  type FileProblem,
  type WantedGrant,
  type WantedPolicy,
  type WantedRule,
} from './policy.ts';

export type Operation =
  | { readonly kind: 'remove-rule'; readonly rule: StoredSeparationRule }
  | { readonly kind: 'put-role'; readonly role: RoleDefinition; readonly before: RoleDefinition | null }
  | { readonly kind: 'remove-grant'; readonly row: GrantRow; readonly isMapping: boolean }
  | { readonly kind: 'add-grant'; readonly grant: WantedGrant; readonly replaces: GrantRow | null }
  | { readonly kind: 'remove-role'; readonly role: RoleDefinition }
  | { readonly kind: 'add-rule'; readonly rule: WantedRule };

/** What is there now. */
export interface PresentPolicy {
  readonly index: OrganizationIndex;
  readonly mappingIds: ReadonlySet<string>;
  readonly rules: readonly StoredSeparationRule[];
  readonly population: Population;
  readonly hasGroup: (groupId: string) => boolean;
  readonly nowMs: number;
}

export interface Plan {
  /** Of the grants, which it was made for. */
  readonly revision: bigint;
  readonly operations: readonly Operation[];
  /** Of revision and operations: what is applied is what was looked at. */
  readonly hash: string;
}

/** A file changes at most so much at once: every step of it is checked, written and recorded in one transaction. */
export const MAX_OPERATIONS = 2_000;

const isOver = (row: Pick<GrantRow, 'validUntilMs'>, nowMs: number): boolean =>
  row.validUntilMs !== null && row.validUntilMs <= nowMs;

const isSame = (row: GrantRow, isMapping: boolean, wanted: WantedGrant): boolean =>
  row.validFromMs === wanted.row.validFromMs &&
  row.validUntilMs === wanted.row.validUntilMs &&
  (wanted.source === null || isMapping === (wanted.source === 'mapping'));

type GrantOperations = readonly Extract<Operation, { kind: 'remove-grant' | 'add-grant' }>[];

/** What the file gives, by what makes grants the same. */
const wantedByIdentity = (wanted: WantedPolicy, problems: FileProblem[]): Map<string, WantedGrant> => {
  const found = new Map<string, WantedGrant>();
  for (const grant of wanted.grants) {
    const identity = identityOf(grant.row);
    if (found.has(identity))
      problems.push({ line: grant.line, code: 'TWICE', detail: 'the same is given twice in this file' });
    found.set(identity, grant);
  }
  return found;
};

/** Whether a grant the file has no line for stays all the same. */
const staysUnnamed = ({ nowMs }: PresentPolicy, wanted: WantedPolicy): ((row: GrantRow) => boolean) => {
  const roleKeys = new Set(wanted.roles.map(({ role }) => role.key));
  const isLeaving = ({ roleKey }: GrantRow): boolean => findRole(roleKey) === undefined && !roleKeys.has(roleKey);
  // What is over gives nobody anything: it is in nobody's way unless its role goes, or the same comes anew.
  return (row) => !wanted.covers(row) || (isOver(row, nowMs) && !isLeaving(row));
};

const grantOperations = (present: PresentPolicy, wanted: WantedPolicy, problems: FileProblem[]): GrantOperations => {
  const { index, mappingIds, nowMs } = present;
  const missing = wantedByIdentity(wanted, problems);
  const stays = staysUnnamed(present, wanted);
  const removals: Extract<Operation, { kind: 'remove-grant' }>[] = [];
  const additions: Extract<Operation, { kind: 'add-grant' }>[] = [];
  for (const { row } of index.grants) {
    const identity = identityOf(row);
    const found = missing.get(identity);
    const isMapping = mappingIds.has(row.grantId);
    missing.delete(identity);
    if (found === undefined ? stays(row) : isSame(row, isMapping, found)) continue;
    removals.push({ kind: 'remove-grant', row, isMapping });
    if (found === undefined) continue;
    const source = found.source ?? (isMapping ? 'mapping' : 'direct');
    additions.push({ kind: 'add-grant', replaces: row, grant: { ...found, source } });
  }
  for (const grant of missing.values())
    if (!isOver(grant.row, nowMs)) additions.push({ kind: 'add-grant', grant, replaces: null });
  return [...removals, ...additions];
};

const isSameRole = (one: RoleDefinition, other: RoleDefinition | undefined): boolean =>
  other !== undefined && JSON.stringify(describeRole(one)) === JSON.stringify(describeRole(other));

const folded = (text: string): string => text.normalize('NFKC').toLowerCase();

const roleOperations = (
  { index }: PresentPolicy,
  wanted: WantedPolicy,
  problems: FileProblem[],
): readonly Extract<Operation, { kind: 'put-role' | 'remove-role' }>[] => {
  const own = [...index.roles.values()].filter(({ key }) => findRole(key) === undefined);
  const builtIn = [...index.roles.values()].filter(({ key }) => findRole(key) !== undefined);
  const keys = new Set(builtIn.map(({ key }) => key));
  const names = new Set(builtIn.map(({ name }) => folded(name)));
  for (const { role, line } of wanted.roles) {
    if (keys.has(role.key) || names.has(folded(role.name)))
      problems.push({ line, code: 'TAKEN', detail: `there are two roles of the key ${role.key} or of its name` });
    keys.add(role.key);
    names.add(folded(role.name));
  }
  if (wanted.roles.length > MAX_ROLES) problems.push({ line: 1, code: 'TOO_MANY', detail: 'too many roles' });
  const puts = wanted.roles
    .filter(({ role }) => !isSameRole(role, index.roles.get(role.key)))
    .map(({ role }) => ({ kind: 'put-role' as const, role, before: index.roles.get(role.key) ?? null }));
  const gone = own.filter(({ key }) => !wanted.roles.some(({ role }) => role.key === key));
  return [...puts, ...gone.map((role) => ({ kind: 'remove-role' as const, role }))];
};

const ruleText = ({ name, description, roleKeys }: Pick<WantedRule, 'name' | 'description' | 'roleKeys'>): string =>
  JSON.stringify([name, description, [...roleKeys].sort()]);

const ruleOperations = (
  { index, rules }: PresentPolicy,
  wanted: WantedPolicy,
  problems: FileProblem[],
): readonly Extract<Operation, { kind: 'add-rule' | 'remove-rule' }>[] => {
  const builtIn = [...index.roles.keys()].filter((key) => findRole(key) !== undefined);
  const keys = new Set([...builtIn, ...wanted.roles.map(({ role }) => role.key)]);
  if (wanted.rules === null) {
    const broken = rules.find(({ roleKeys }) => roleKeys.some((key) => !keys.has(key)));
    const detail = `the separation rule ${broken?.name ?? ''} names a role that would go`;
    if (broken !== undefined) problems.push({ line: 1, code: 'ROLE_IN_USE', detail });
    return [];
  }
  const names = new Set<string>();
  for (const { line, name, roleKeys } of wanted.rules) {
    const isUnknown = roleKeys.some((key) => !keys.has(key));
    if (new Set(roleKeys).size < roleKeys.length)
      problems.push({ line, code: 'TWICE', detail: `${name}: every role once` });
    else if (isUnknown)
      problems.push({ line, code: 'UNKNOWN_ROLE', detail: `${name}: at least two roles that are there` });
    if (names.has(name.toLowerCase())) problems.push({ line, code: 'TWICE', detail: `two rules are named ${name}` });
    names.add(name.toLowerCase());
  }
  if (wanted.rules.length > MAX_RULES) problems.push({ line: 1, code: 'TOO_MANY', detail: 'too many rules' });
  const there = new Set(rules.map(ruleText));
  const asked = new Set(wanted.rules.map(ruleText));
  return [
    ...rules.filter((rule) => !asked.has(ruleText(rule))).map((rule) => ({ kind: 'remove-rule' as const, rule })),
    ...wanted.rules.filter((rule) => !there.has(ruleText(rule))).map((rule) => ({ kind: 'add-rule' as const, rule })),
  ];
};

const isThere = (
  { population, hasGroup }: PresentPolicy,
  { subjectType, subjectId }: GrantRow | WantedGrant['row'],
): boolean => {
  if (subjectType === 'group') return hasGroup(subjectId);
  const found = population.find(subjectId);
  // Who was removed may be there again some day; what they are given now would end at once.
  return found?.type === subjectType && (found.removedEpoch === undefined || found.removedEpoch !== found.epoch);
};

/** A mapping gives a group a role at a scope, without any limit. */
const isMappable = ({
  subjectType,
  effect,
  tier,
  resourceType,
  condition,
  validFromMs,
  validUntilMs,
}: WantedGrant['row']): boolean =>
  subjectType === 'group' &&
  effect === 'allow' &&
  [tier, resourceType, condition].every((each) => each === undefined) &&
  validFromMs === null &&
  validUntilMs === null;

const isPeriod = ({ validFromMs, validUntilMs }: WantedGrant['row']): boolean =>
  validFromMs === null || validUntilMs === null || validFromMs < validUntilMs;

/** What is wrong with a grant that would come; null: nothing. */
const problemOf = (
  present: PresentPolicy,
  roles: OrganizationIndex['roles'],
  { row, source }: WantedGrant,
): string | null => {
  if (!isThere(present, row)) return 'there is no such subject';
  if (!isPeriod(row)) return 'it ends before it begins';
  if (source === 'mapping' && !isMappable(row)) return 'a mapping gives a group a role, and nothing else';
  try {
    assertGrantable({ ...present.index, roles }, row.roleKey, row);
    return null;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return error.message;
  }
};

/** The roles there will be, by key. */
const rolesAfter = (
  { roles }: OrganizationIndex,
  operations: readonly Operation[],
): ReadonlyMap<string, RoleDefinition> => {
  const after = new Map(roles);
  for (const operation of operations) {
    if (operation.kind === 'put-role') after.set(operation.role.key, operation.role);
    else if (operation.kind === 'remove-role') after.delete(operation.role.key);
  }
  return after;
};

/** A role that is still given at a level it can no longer be granted at. */
const levelProblems = (present: PresentPolicy, operations: readonly Operation[]): readonly FileProblem[] => {
  const revised = new Map(operations.flatMap((each) => (each.kind === 'put-role' ? [[each.role.key, each.role]] : [])));
  if (revised.size === 0) return [];
  const gone = new Set(operations.flatMap((each) => (each.kind === 'remove-grant' ? [each.row.grantId] : [])));
  const stranded = present.index.grants.find(({ row }) => {
    const role = revised.get(row.roleKey);
    const level = row.environmentId !== null ? 'environment' : row.projectId !== null ? 'project' : 'organization';
    return role !== undefined && !gone.has(row.grantId) && !role.levels.includes(level);
  });
  return stranded === undefined
    ? []
    : [{ line: 1, code: 'WRONG_LEVEL', detail: `${stranded.row.roleKey} is granted at a level that would go` }];
};

const digest = (revision: bigint, orgId: string, operations: readonly Operation[]): string => {
  const text = operations.map((operation) =>
    operation.kind === 'add-grant'
      ? [
          operation.kind,
          identityOf(operation.grant.row),
          operation.grant.row.validFromMs,
          operation.grant.row.validUntilMs,
          operation.grant.source,
        ]
      : operation.kind === 'remove-grant'
        ? [operation.kind, operation.row.grantId]
        : operation.kind === 'put-role' || operation.kind === 'remove-role'
          ? [operation.kind, describeRole(operation.role)]
          : [operation.kind, ruleText(operation.rule)],
  );
  return createHash('sha256')
    .update(canonicalJson([orgId, String(revision), text]))
    .digest('base64url');
};

// Arrays, texts and what describeRole makes, whose keys are in a fixed order.
const canonicalJson = (value: unknown): string => JSON.stringify(value);

/**
 * The difference between what is there and what a file says.
 *
 * @throws INVALID_REQUEST naming the lines, TOO_MANY
 */
export const planPolicy = (present: PresentPolicy, wanted: WantedPolicy): Plan => {
  const problems: FileProblem[] = [];
  const roles = roleOperations(present, wanted, problems);
  const rules = ruleOperations(present, wanted, problems);
  const grants = grantOperations(present, wanted, problems);
  const of = (kind: Operation['kind']): readonly Operation[] =>
    [...rules, ...roles, ...grants].filter((each) => each.kind === kind);
  // What goes first makes room: a role may come under the name of one that goes.
  const kinds = ['remove-rule', 'remove-grant', 'remove-role', 'put-role', 'add-grant', 'add-rule'] as const;
  const operations = kinds.flatMap(of);
  const known = rolesAfter(present.index, roles);
  for (const operation of grants) {
    if (operation.kind !== 'add-grant') continue;
    const detail = problemOf(present, known, operation.grant);
    if (detail !== null) problems.push({ line: operation.grant.line, code: 'NOT_A_GRANT', detail });
  }
  problems.push(...levelProblems(present, operations));
  if (problems.length > 0) throw refuseFile(problems.sort((one, other) => one.line - other.line));
  if (operations.length > MAX_OPERATIONS)
    throw new AppError(
      'TOO_MANY',
      `At most ${String(MAX_OPERATIONS)} changes at once; these are ${String(operations.length)}.`,
    );
  const { revision, orgId } = present.index;
  return { revision, operations, hash: digest(revision, orgId, operations) };
};

/** The operations as changes of rows; ids of grants that come are what `idOf` says. */
export const toChanges = (operations: readonly Operation[], idOf: (at: number) => string): readonly ProposedChange[] =>
  operations.flatMap((operation, at): ProposedChange[] => {
    switch (operation.kind) {
      case 'put-role':
        return [{ kind: 'put-role', role: operation.role }];
      case 'remove-role':
        return [{ kind: 'remove-role', key: operation.role.key }];
      case 'remove-grant':
        return [{ kind: 'remove', grantId: operation.row.grantId }];
      case 'add-grant':
        return [{ kind: 'add', row: { ...operation.grant.row, grantId: idOf(at) } }];
      case 'add-rule':
      case 'remove-rule':
      default:
        // Separation rules are no rows that decide.
        return [];
    }
  });

/** For people: one line. */
export const describeRow = (row: Omit<GrantRow, 'grantId' | 'subjectEpoch'>, index: OrganizationIndex): string => {
  const project = row.projectId === null ? undefined : index.projects.get(row.projectId);
  const environment = row.environmentId === null ? undefined : index.environments.get(row.environmentId);
  const where = [project?.key, environment?.key].filter((each) => each !== undefined).join('/');
  const until = row.validUntilMs === null ? '' : ` until ${new Date(row.validUntilMs).toISOString()}`;
  const narrowed = [row.tier, row.resourceType, row.condition === undefined ? undefined : canonicalText(row.condition)]
    .filter((each) => each !== undefined)
    .map((each) => ` [${each}]`)
    .join('');
  const effect = row.effect === 'deny' ? 'not ' : '';
  return `${row.subjectType}:${row.subjectId} ${effect}${row.roleKey} in ${where === '' ? 'the organisation' : where}${narrowed}${until}`;
};
