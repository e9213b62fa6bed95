/**
 * What a subject may do at one place, as far as grants say: always, never, or within times and on conditions; and how
 * that differs between two policies. Pure bits and sets: nothing is decided for any one moment.
 */
import { canonicalText } from '../conditions/index.ts';
import {
  PERMISSION_NAMES,
  bitOf,
  hasBit,
  type Cell,
  type CompiledGrant,
  type PermissionSet,
  type Place,
} from '../model/index.ts';

/** The cells that have a say at a place, and which place it is; null: there is no such place in this policy. */
export interface Say {
  readonly place: Place;
  readonly cells: readonly Cell[];
}

/** What changes only within a time or on a condition, or was so before. */
export interface ConditionalChange {
  readonly action: string;
  /** `both`: allowed in cases it was not, and not in others it was. */
  readonly change: 'gains' | 'loses' | 'both';
  /** The grants with a time or a condition that decide it, before and after. */
  readonly grantIds: readonly string[];
}

/** What one subject gains and loses at one place. */
export interface AccessChange {
  /** Denied before whatever the moment, allowed from now on whatever the moment. */
  readonly gains: readonly string[];
  /** The other way round. */
  readonly losses: readonly string[];
  readonly conditional: readonly ConditionalChange[];
}

/** Grants that decide one permission: open says that one without any limit allows. */
interface Limited {
  readonly isOpen: boolean;
  readonly allows: ReadonlySet<string>;
  readonly denies: ReadonlySet<string>;
  readonly grants: readonly CompiledGrant[];
}

type Access = 'always' | 'never' | Limited;

const isAhead = ({ row }: CompiledGrant, nowMs: number): boolean =>
  row.validUntilMs === null || row.validUntilMs > nowMs;

/** From now on without a limit: what had to begin has begun. */
const isOpenNow = ({ row, condition }: CompiledGrant, nowMs: number): boolean =>
  condition === null && row.validUntilMs === null && (row.validFromMs === null || row.validFromMs <= nowMs);

/** Two limits with the same text are met in the same cases from now on. */
const limitOf = ({ row, condition }: CompiledGrant, nowMs: number): string => {
  const from = row.validFromMs === null || row.validFromMs <= nowMs ? '' : String(row.validFromMs);
  const text = condition === null ? '' : canonicalText(condition.condition);
  return `${from}/${row.validUntilMs === null ? '' : String(row.validUntilMs)}/${text}`;
};

const accessAt = (say: Say | null, permission: number, nowMs: number): Access => {
  if (say === null) return 'never';
  const bit = bitOf(permission, say.place);
  if (say.cells.some(({ deny }) => hasBit(deny, bit))) return 'never';
  let isOpen = say.cells.some(({ allow }) => hasBit(allow, bit));
  const limited = say.cells
    .flatMap((cell) => cell.limited)
    .filter((grant) => hasBit(grant.permits, bit) && isAhead(grant, nowMs));
  for (const grant of limited.filter((each) => isOpenNow(each, nowMs))) {
    if (grant.row.effect === 'deny') return 'never';
    isOpen = true;
  }
  const counted = limited.filter(({ row }) => row.effect === 'deny' || !isOpen);
  const limits = (effect: 'allow' | 'deny'): ReadonlySet<string> =>
    new Set(counted.filter(({ row }) => row.effect === effect).map((grant) => limitOf(grant, nowMs)));
  const [allows, denies] = [limits('allow'), limits('deny')];
  if (!isOpen && allows.size === 0) return 'never';
  return denies.size === 0 && isOpen ? 'always' : { isOpen, allows, denies, grants: counted };
};

/** True when the permission is had at every moment from now on, on no condition. */
export const isAlwaysAllowed = (say: Say | null, permission: number, nowMs: number): boolean =>
  accessAt(say, permission, nowMs) === 'always';

const isSubset = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  [...one].every((each) => other.has(each));

/** True when whatever `one` allows, `other` allows too, as far as their limits tell. */
const isWithin = (one: Access, other: Access): boolean => {
  if (one === 'never' || other === 'always') return true;
  if (one === 'always' || other === 'never') return false;
  return (other.isOpen || (!one.isOpen && isSubset(one.allows, other.allows))) && isSubset(other.denies, one.denies);
};

const grantsOf = (access: Access): readonly string[] =>
  typeof access === 'string' ? [] : access.grants.map(({ row }) => row.grantId);

/** Whether anything has a time or a condition: mostly nothing has. */
const isLimited = (say: Say | null): boolean => say?.cells.some(({ limited }) => limited.length > 0) === true;

/** The words of what is allowed at the place, without times and conditions. */
const lastingAt = (say: Say | null): PermissionSet => {
  const allowed: PermissionSet = new Uint32Array(Math.ceil(PERMISSION_NAMES.length / 32));
  if (say === null) return allowed;
  const first = bitOf(0, say.place).word;
  for (let word = 0; word < allowed.length; word += 1) {
    let allow = 0;
    let deny = 0;
    for (const cell of say.cells) {
      allow |= cell.allow[first + word] ?? 0;
      deny |= cell.deny[first + word] ?? 0;
    }
    allowed[word] = allow & ~deny;
  }
  return allowed;
};

/** The permissions whose bits are in one and not in the other. */
const namesOf = (one: PermissionSet, without: PermissionSet): readonly string[] => {
  const names: string[] = [];
  for (let word = 0; word < one.length; word += 1) {
    let bits = (one[word] ?? 0) & ~(without[word] ?? 0);
    while (bits !== 0) {
      const at = 31 - Math.clz32(bits & -bits);
      names.push(PERMISSION_NAMES[word * 32 + at] ?? '');
      bits &= bits - 1;
    }
  }
  return names;
};

const NO_CONDITIONALS: readonly ConditionalChange[] = Object.freeze([]);

const compareLasting = (before: Say | null, after: Say | null): AccessChange | null => {
  const [was, is] = [lastingAt(before), lastingAt(after)];
  const [gains, losses] = [namesOf(is, was), namesOf(was, is)];
  return gains.length + losses.length === 0 ? null : { gains, losses, conditional: NO_CONDITIONALS };
};

/** How one permission changes, and by which grants; null: not at all. */
const compareOne = (was: Access, is: Access): Omit<ConditionalChange, 'action'> | null => {
  const [isNoLess, isNoMore] = [isWithin(was, is), isWithin(is, was)];
  if (isNoLess && isNoMore) return null;
  const change = isNoLess ? 'gains' : isNoMore ? 'loses' : 'both';
  return { change, grantIds: [...new Set([...grantsOf(was), ...grantsOf(is)])] };
};

/**
 * What changes for a subject at a place from `nowMs` on (ms since 1970); null: nothing. A change is `conditional` when
 * before or after it holds only within a time or on a condition: then it is told by the grants, not by the moment.
 */
export const compareAccess = (before: Say | null, after: Say | null, nowMs: number): AccessChange | null => {
  if (!isLimited(before) && !isLimited(after)) return compareLasting(before, after);
  const gains: string[] = [];
  const losses: string[] = [];
  const conditional: ConditionalChange[] = [];
  for (const [permission, action] of PERMISSION_NAMES.entries()) {
    const [was, is] = [accessAt(before, permission, nowMs), accessAt(after, permission, nowMs)];
    const compared = compareOne(was, is);
    if (compared === null) continue;
    if (typeof was === 'object' || typeof is === 'object') conditional.push({ action, ...compared });
    else (compared.change === 'gains' ? gains : losses).push(action);
  }
  return gains.length + losses.length + conditional.length === 0 ? null : { gains, losses, conditional };
};
