import { setImmediate } from 'node:timers/promises';

import type { AuditedTx } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';

import type { Group, MembershipStep } from './group.ts';
import { MemberLedger, type MembershipChange } from './member-ledger.ts';
import {
  countMembers,
  findEligible,
  findMembersAmong,
  insertMembers,
  removeAllMembers,
  removeMembers,
  walkMemberIds,
} from './member-store.ts';

/** Members of one statement: what is sent, planned and read in one turn of the event loop. */
export const MEMBERS_AT_ONCE = 5_000;

/** The items a few thousand at a time; other requests get their turn in between. */
async function* inParts(ids: readonly string[]): AsyncGenerator<readonly string[]> {
  for (let from = 0; from < ids.length; from += MEMBERS_AT_ONCE) {
    if (from > 0) await setImmediate();
    yield ids.slice(from, from + MEMBERS_AT_ONCE);
  }
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

interface Changing {
  readonly tx: AuditedTx;
  readonly group: Group;
  readonly at: Date;
  readonly ledger: MemberLedger;
  /** How many members there must be; known once a step has said who all of them are. */
  total: number | undefined;
}

const note = (changing: Changing, ids: readonly string[], isIn: boolean): void => {
  changing.ledger.note(ids, isIn);
  if (changing.total !== undefined) changing.total += isIn ? ids.length : -ids.length;
};

const add = async (changing: Changing, ids: readonly string[]): Promise<void> => {
  const { tx, group, at } = changing;
  for await (const part of inParts(ids)) {
    // In one round trip: who is nobody fails both, and the first answer says why.
    const checked = requireEligible(tx, group, part);
    const inserted = insertMembers(tx, group, part.filter(isId), at);
    inserted.catch(() => undefined);
    await checked;
    note(changing, await inserted, true);
  }
};

const remove = async (changing: Changing, ids: readonly string[]): Promise<void> => {
  for await (const part of inParts(ids)) note(changing, await removeMembers(changing.tx, changing.group, part), false);
};

const clear = async (changing: Changing): Promise<void> => {
  for await (const page of removeAllMembers(changing.tx, changing.group, MEMBERS_AT_ONCE)) note(changing, page, false);
  changing.total = 0;
};

/** The difference is found by walking who is in: what is written is only what changes. */
const replace = async (changing: Changing, ids: readonly string[]): Promise<void> => {
  const missing = new Set(ids);
  const superfluous: string[] = [];
  let there = 0;
  for await (const page of walkMemberIds(changing.tx, changing.group, MEMBERS_AT_ONCE)) {
    there += page.length;
    for (const id of page) if (!missing.delete(id)) superfluous.push(id);
  }
  changing.total = there;
  await remove(changing, superfluous);
  await add(changing, [...missing]);
};

const applyStep = async (changing: Changing, step: MembershipStep): Promise<void> => {
  if (step.kind === 'clear') await clear(changing);
  else if (step.kind === 'remove') await remove(changing, step.ids);
  else if (step.kind === 'replace') await replace(changing, step.ids);
  else await add(changing, step.ids);
};

/** Everybody a step named, and whether they must be in; the last word about somebody counts. */
const expectations = (steps: readonly MembershipStep[]): MembershipChange => {
  const named = new Map<string, boolean>();
  for (const step of steps) if (step.kind !== 'clear') for (const id of step.ids) named.set(id, step.kind !== 'remove');
  const added: string[] = [];
  const removed: string[] = [];
  for (const [id, isIn] of named) (isIn ? added : removed).push(id);
  return { added, removed: removed.filter(isId) };
};

const countAmong = async (tx: AuditedTx, group: Group, ids: readonly string[]): Promise<number> => {
  let count = 0;
  for await (const part of inParts(ids)) count += (await findMembersAmong(tx, group, part)).size;
  return count;
};

/**
 * Reads the effect back. After a step that said who all members are: there are as many as there must be, all who came
 * are in and all who went are out (who stayed was seen under the group's lock). Otherwise everybody named is looked up.
 */
const verify = async (
  { tx, group, total }: Changing,
  steps: readonly MembershipStep[],
  change: MembershipChange,
): Promise<void> => {
  const { added, removed } = total === undefined ? expectations(steps) : change;
  const [found, left, count] = await Promise.all([
    countAmong(tx, group, added),
    countAmong(tx, group, removed),
    total === undefined ? undefined : countMembers(tx, group),
  ]);
  if (found !== added.length || left > 0 || count !== total)
    throw new AppError('INTERNAL', 'A change of members did not take effect.');
};

export interface ChangedMembers extends MembershipChange {
  /** Reads the effect back. @throws INTERNAL when it is not what was asked for: nothing may be committed then */
  verify(): Promise<void>;
}

/**
 * Applies membership steps to a locked group as rows added and rows removed: no list of members is ever loaded, changed
 * and stored, so concurrent changes lose nothing, and a change costs what it changes, whatever the size of the group.
 * Long lists are worked through in parts within the one transaction. The effect is to be read back with `verify` before
 * it may commit.
 *
 * @throws INVALID_VALUE when somebody to be added is not a user of the group's connection; nothing is changed then
 */
export const changeMembers = async (
  tx: AuditedTx,
  group: Group,
  steps: readonly MembershipStep[],
  at: Date,
): Promise<ChangedMembers> => {
  const changing: Changing = { tx, group, at, ledger: new MemberLedger(), total: undefined };
  for (const step of steps) await applyStep(changing, step);
  const change = changing.ledger.change();
  await setImmediate();
  return { ...change, verify: () => verify(changing, steps, change) };
};
