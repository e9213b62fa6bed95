import { AppError } from '@sallyport/errors';

import type { Dialect } from '../profiles/index.ts';
import type { ResolvedFilter } from './filter/index.ts';
import type { JsonValue } from './json.ts';
import { MAX_GROUP_MEMBERS, readMemberIds, type MemberStep } from './members.ts';
import type { Op } from './patch-request.ts';
import type { Target } from './path.ts';

export const MAX_MEMBER_CHANGES = 10_000;

const invalidValue = (why: string): AppError =>
  new AppError('INVALID_VALUE', `members ${why}.`, { fields: [{ pointer: '/members', code: 'INVALID_VALUE' }] });

type Selected = ReadonlySet<string> | 'everybody';

const NOBODY: ReadonlySet<string> = new Set();

const both = (left: Selected, right: Selected): Selected => {
  if (left === 'everybody') return right;
  return right === 'everybody' ? left : new Set([...left].filter((id) => right.has(id)));
};

const either = (left: Selected, right: Selected): Selected =>
  left === 'everybody' || right === 'everybody' ? 'everybody' : new Set([...left, ...right]);

/** Whom one comparison selects; undefined when that cannot be known. */
const comparedBy = ({
  target,
  operator,
  operand,
}: Extract<ResolvedFilter, { kind: 'compare' }>): Selected | undefined => {
  if (operator !== 'eq' || operand.kind !== 'text') return undefined;
  if (target.attribute.name === 'value') return new Set([operand.value]);
  if (target.attribute.name !== 'type') return undefined;
  // Every member is a user.
  return operand.value.toLowerCase() === 'user' ? 'everybody' : NOBODY;
};

/**
 * Whom a filter selects, known without a look at the members: the list of a large group is never read to change it.
 *
 * @throws INVALID_FILTER for a filter that would need one
 */
const selectedBy = (filter: ResolvedFilter): Selected => {
  if (filter.kind === 'and') return filter.operands.map(selectedBy).reduce(both);
  if (filter.kind === 'or') return filter.operands.map(selectedBy).reduce(either);
  const selected = filter.kind === 'compare' ? comparedBy(filter) : undefined;
  if (selected === undefined)
    throw new AppError('INVALID_FILTER', 'Members are selected by value eq "…", with "or" between several.');
  return selected;
};

const filteredMember = (
  op: Op,
  sub: Target['sub'],
  elements: ResolvedFilter,
  value: JsonValue | undefined,
): MemberStep => {
  if (op !== 'remove' || sub !== undefined || (value !== undefined && value !== null))
    throw new AppError('INVALID_PATH', 'A filter on members can only remove.');
  const ids = selectedBy(elements);
  return ids === 'everybody' ? { kind: 'clear' } : { kind: 'remove', ids: [...ids] };
};

const listedMembers = (op: Op, value: JsonValue | undefined, { removeWithValue }: Dialect): MemberStep => {
  if (op === 'remove' && value === undefined) return { kind: 'clear' };
  if (op === 'remove' && !removeWithValue)
    throw new AppError('INVALID_SYNTAX', 'remove takes no value: say which member in the path.');
  const ids = readMemberIds(value ?? null, op === 'replace' ? MAX_GROUP_MEMBERS : MAX_MEMBER_CHANGES);
  // Entra's Remove with a value means those members; a value that names nobody must never mean everybody.
  if (op === 'remove' && ids.length === 0) throw invalidValue('names nobody to remove');
  return { kind: op, ids };
};

/** Reads the changes of members of one request, within what is left of its budget. */
export class MemberSteps {
  readonly #dialect: Dialect;
  #budget = MAX_MEMBER_CHANGES;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** @throws INVALID_SYNTAX, INVALID_PATH, INVALID_FILTER, INVALID_VALUE, TOO_MANY */
  read(op: Op, target: Target, value: JsonValue | undefined): MemberStep {
    if (target.elements === undefined && target.sub !== undefined)
      throw new AppError('INVALID_PATH', 'Members are changed as a whole, not in part.');
    const step =
      target.elements === undefined
        ? listedMembers(op, value, this.#dialect)
        : filteredMember(op, target.sub, target.elements, value);
    // A replaced list has a limit of its own.
    if (step.kind === 'add' || step.kind === 'remove') this.#budget -= step.ids.length;
    if (this.#budget < 0)
      throw new AppError('TOO_MANY', `A request changes at most ${String(MAX_MEMBER_CHANGES)} members.`);
    return step;
  }
}
