import { createHash } from 'node:crypto';

import { canonicalText } from '../conditions/index.ts';
import type { Steps } from '../turns/index.ts';
import type { Cell, CompiledGrant, OrganizationIndex, SubjectCells } from './compile.ts';
import { BUILT_IN_ROLES } from './roles.ts';
import { SUBJECT_TYPES } from './rows.ts';

const describeGrant = ({ row, permits, condition }: CompiledGrant): unknown => [
  row,
  [...permits],
  condition === null ? null : canonicalText(condition.condition),
];

const describeCell = (cell: Cell | undefined): unknown =>
  cell === undefined
    ? null
    : [[...cell.allow], [...cell.deny], cell.lasting.map(describeGrant), cell.limited.map(describeGrant)];

const sorted = <V>(map: ReadonlyMap<string, V>, describe: (value: V) => unknown): unknown =>
  [...map].sort(([left], [right]) => (left < right ? -1 : 1)).map(([key, value]) => [key, describe(value)]);

const describeSubject = ({ organization, projects, environments, oldestEpoch }: SubjectCells): unknown => [
  describeCell(organization),
  sorted(projects, describeCell),
  sorted(environments, describeCell),
  String(oldestEpoch),
];

/** SHA-256 over everything that decides: two indexes with the same digest decide the same. Order of maps is no part. */
export const indexDigest = (index: OrganizationIndex): string => {
  const description = [
    index.orgId,
    index.slug,
    String(index.revision),
    index.engine,
    SUBJECT_TYPES.map((type) => sorted(index.subjects[type], describeSubject)),
    sorted(index.projects, (row) => row),
    sorted(index.environments, (row) => row),
    index.grants.map(describeGrant),
    sorted(index.roles, (role) => role),
    index.separations,
  ];
  return createHash('sha256').update(JSON.stringify(description)).digest('hex');
};

const describeRest = (index: OrganizationIndex): unknown => [
  index.orgId,
  index.slug,
  String(index.revision),
  index.engine,
  sorted(index.projects, (row) => row),
  sorted(index.environments, (row) => row),
  sorted(index.roles, (role) => role),
  index.separations,
];

const isSame = <T>(left: T, right: T, describe: (each: T) => unknown): boolean =>
  left === right || JSON.stringify(describe(left)) === JSON.stringify(describe(right));

/** Whether two indexes have the same {@link indexDigest}, in steps: the indexes may be large. */
export function* isSameSteps(left: OrganizationIndex, right: OrganizationIndex): Steps<boolean> {
  if (!isSame(left, right, describeRest) || left.grants.length !== right.grants.length) return false;
  for (const [at, grant] of left.grants.entries()) {
    yield;
    if (!isSame<CompiledGrant | undefined>(grant, right.grants[at], (each) => each && describeGrant(each)))
      return false;
  }
  for (const type of SUBJECT_TYPES) {
    const others = right.subjects[type];
    if (left.subjects[type].size !== others.size) return false;
    for (const [subjectId, cells] of left.subjects[type]) {
      yield;
      const other = others.get(subjectId);
      if (other === undefined || !isSame(cells, other, describeSubject)) return false;
    }
  }
  return true;
}

const BASE_BYTES = 2_048;
const GRANT_BYTES = 420;
const SUBJECT_BYTES = 300;
const SCOPE_BYTES = 250;
const CHARACTER_BYTES = 6;
/** With the sets its grants share. */
const ROLE_BYTES = 2_500;

/**
 * What an index is taken to need in memory, by what it holds: its grants, subjects, scopes and the texts of conditions.
 * An estimate: the bound it serves is one of order, not of bytes.
 */
export const indexBytes = (index: OrganizationIndex): number => {
  let bytes = BASE_BYTES + index.grants.length * GRANT_BYTES;
  for (const type of SUBJECT_TYPES) bytes += index.subjects[type].size * SUBJECT_BYTES;
  bytes += (index.projects.size + index.environments.size) * SCOPE_BYTES;
  bytes += Math.max(0, index.roles.size - BUILT_IN_ROLES.length) * ROLE_BYTES;
  for (const { condition } of index.grants)
    if (condition !== null) bytes += canonicalText(condition.condition).length * CHARACTER_BYTES;
  return bytes;
};
