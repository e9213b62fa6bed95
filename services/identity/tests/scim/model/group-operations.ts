import fc from 'fast-check';

import type { Intent } from './intent.ts';
import { opWord, type Operation } from './user-operations.ts';
import { CORE_GROUP, type Json } from './vocabulary.ts';

type Arb<T> = fc.Arbitrary<T>;

/** An operation on a group names its members by slot; who that is, is known only when it is played. */
export type GroupOperation = (idOf: (slot: number) => string) => Operation;

type Member = (id: string) => Json;

/** The ways directories write a member. */
const member: Arb<Member> = fc.constantFrom<Member>(
  (value) => ({ value }),
  (value) => ({ $ref: null, value }),
  (value) => ({ value, display: 'somebody' }),
  (value) => ({ value, type: 'User', display: 'somebody' }),
  (value) => ({ Value: value, $ref: `https://elsewhere/Users/${value}` }),
);

const membersPath = fc.constantFrom('members', 'Members', `${CORE_GROUP}:members`);

const listed = (slot: Arb<number>): Arb<GroupOperation> =>
  fc
    .tuple(
      fc.constantFrom('add' as const, 'replace' as const, 'remove' as const),
      fc.array(slot, { minLength: 1, maxLength: 4 }),
      member,
      fc.boolean(),
      membersPath,
    )
    .chain(([op, slots, write, isPathless, path]) =>
      opWord(op).map((opText): GroupOperation => (idOf) => {
        const ids = slots.map(idOf);
        const value = ids.map(write);
        const intents: Intent[] = [{ do: 'members', op, ids }];
        return {
          intents,
          wire: isPathless && op !== 'remove' ? { op: opText, value: { members: value } } : { op: opText, path, value },
        };
      }),
    );

const filtered = (slot: Arb<number>): Arb<GroupOperation> =>
  fc.tuple(opWord('remove'), slot, fc.boolean()).map(([op, at, isUpper]): GroupOperation => (idOf) => ({
    intents: [{ do: 'members', op: 'remove', ids: [idOf(at)] }],
    wire: { op, path: `${isUpper ? 'MEMBERS' : 'members'}[value ${isUpper ? 'EQ' : 'eq'} "${idOf(at)}"]` },
  }));

const everybody: Arb<GroupOperation> = fc
  .constantFrom<Json>(
    { op: 'remove', path: 'members' },
    { op: 'replace', path: 'members', value: [] },
    { op: 'Replace', value: { members: [] } },
  )
  .map((wire): GroupOperation => () => ({ intents: [{ do: 'members', op: 'replace', ids: [] }], wire }));

const renaming = (displayName: Arb<string>): Arb<GroupOperation> =>
  fc.tuple(opWord('replace'), displayName, fc.nat({ max: 2 })).map(([op, value, style]): GroupOperation => () => ({
    intents: [{ do: 'set', place: ['displayName'], value }],
    wire:
      [
        { op, path: 'displayName', value },
        { op, value: { id: 'repeated by Okta', displayName: value } },
        { op, value: { [`${CORE_GROUP}:displayname`]: value } },
      ][style] ?? null,
  }));

const external = (externalId: Arb<string>): Arb<GroupOperation> =>
  fc.tuple(opWord('add'), fc.option(externalId, { nil: null })).map(([op, value]): GroupOperation => () => ({
    intents: [value === null ? { do: 'unset', place: ['externalId'] } : { do: 'set', place: ['externalId'], value }],
    wire: { op, path: 'externalId', value },
  }));

/** Operations a group may see that mean something. */
export const groupOperation = (
  slot: Arb<number>,
  displayName: Arb<string>,
  externalId: Arb<string>,
): Arb<GroupOperation> =>
  fc.oneof(
    { weight: 6, arbitrary: listed(slot) },
    { weight: 3, arbitrary: filtered(slot) },
    { weight: 1, arbitrary: everybody },
    { weight: 2, arbitrary: renaming(displayName) },
    { weight: 1, arbitrary: external(externalId) },
  );
