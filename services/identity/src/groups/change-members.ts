import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';

import type { Group, MembershipStep } from './group.ts';
import {
  countMembers,
  findEligible,
  findMembersAmong,
  insertMembers,
  removeMembers,
  removeOthers,
} from './member-store.ts';

/** Whose membership is another one than before. */
export interface MembershipChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const requireEligible = async (tx: AuditedTx, group: Group, accountIds: readonly string[]): Promise<void> => {
  const eligible = await findEligible(tx, group, accountIds);
  const unknown = accountIds.find((id) => !eligible.has(id));
  // The same words for an id of nobody and for somebody else's: a directory learns nothing of its neighbours.
  if (unknown !== undefined)
    throw new AppError('INVALID_VALUE', `"${unknown.slice(0, 100)}" is not a user of this connection.`, {
      fields: [{ pointer: '/members', code: 'UNKNOWN_MEMBER' }],
    });
};

/** Net effect of a sequence: who was added and removed again is no change. */
class Ledger {
  readonly #before = new Map<string, boolean>();
  readonly #after = new Map<string, boolean>();

  note(ids: readonly string[], isIn: boolean): void {
    for (const id of ids) {
      if (!this.#before.has(id)) this.#before.set(id, !isIn);
      this.#after.set(id, isIn);
    }
  }

  change(): MembershipChange {
    const moved = [...this.#after].filter(([id, isIn]) => this.#before.get(id) !== isIn);
    return {
      added: moved.flatMap(([id, isIn]) => (isIn ? [id] : [])),
      removed: moved.flatMap(([id, isIn]) => (isIn ? [] : [id])),
    };
  }
}

const applyStep = async (
  tx: AuditedTx,
  group: Group,
  { step, at }: { readonly step: MembershipStep; readonly at: Date },
  ledger: Ledger,
): Promise<void> => {
  if (step.kind === 'clear') {
    ledger.note(await removeOthers(tx, group, []), false);
    return;
  }
  if (step.kind === 'remove') {
    ledger.note(await removeMembers(tx, group, step.ids), false);
    return;
  }
  await requireEligible(tx, group, step.ids);
  if (step.kind === 'replace') ledger.note(await removeOthers(tx, group, step.ids), false);
  ledger.note(await insertMembers(tx, group, step.ids, at), true);
};

/** What must hold after the steps for everybody a step named; the last word about somebody counts. */
const expectations = (steps: readonly MembershipStep[]): { readonly named: Map<string, boolean>; exact: boolean } => {
  const named = new Map<string, boolean>();
  let exact = false;
  for (const step of steps) {
    if (step.kind === 'clear' || step.kind === 'replace') {
      for (const id of named.keys()) named.set(id, false);
      exact = true;
    }
    if (step.kind !== 'clear') for (const id of step.ids) named.set(id, step.kind !== 'remove');
  }
  return { named, exact };
};

const verify = async (tx: AuditedTx, group: Group, steps: readonly MembershipStep[]): Promise<void> => {
  const { named, exact } = expectations(steps);
  const present = [...named].flatMap(([id, isIn]) => (isIn ? [id] : []));
  const absent = [...named].flatMap(([id, isIn]) => (isIn ? [] : [id]));
  const found = await findMembersAmong(tx, group, present);
  const left = await findMembersAmong(tx, group, absent.filter(isId));
  const total = exact ? await countMembers(tx, group) : present.length;
  if (found.size !== present.length || left.size > 0 || total !== present.length)
    throw new AppError('INTERNAL', 'A change of members did not take effect.');
};

/**
 * Applies membership steps to a locked group as rows added and rows removed: no list of members is ever loaded, changed
 * and stored, so concurrent changes lose nothing. The effect is read back before the transaction may commit.
 *
 * @throws INVALID_VALUE when somebody to be added is not a user of the group's connection; nothing is changed then
 */
export const changeMembers = async (
  tx: AuditedTx,
  group: Group,
  steps: readonly MembershipStep[],
  at: Date,
): Promise<MembershipChange> => {
  const ledger = new Ledger();
  for (const step of steps) await applyStep(tx, group, { step, at }, ledger);
  await verify(tx, group, steps);
  return ledger.change();
};
