import fc from 'fast-check';

import { groupFilter, userFilter, type Filter } from './filters.ts';
import { groupOperation, type GroupOperation } from './group-operations.ts';
import { illegalGroupOperation, illegalUserOperation } from './illegal-operations.ts';
import { groupResource, userResource, type Resource } from './resources.ts';
import { userOperation, type Operation } from './user-operations.ts';

export const CONNECTIONS = 3;
/** Slots of a connection that people may be in; beyond them are its neighbours' people. */
export const USER_SLOTS = 5;
export const GROUP_SLOTS = 3;

interface Addressed {
  /** Which connection speaks. */
  readonly by: number;
  readonly slot: number;
}
export type WholeStep = Addressed &
  (
    | { readonly do: 'create-user' | 'put-user'; readonly resource: Resource }
    | { readonly do: 'create-group' | 'put-group'; readonly resource: Resource; readonly members: readonly number[] }
  );
export type PatchStep = Addressed &
  (
    | { readonly do: 'patch-user'; readonly operations: readonly Operation[] }
    | { readonly do: 'patch-group'; readonly operations: readonly GroupOperation[] }
  );
export type DeleteStep = Addressed & { readonly do: 'delete-user' | 'delete-group' };
export type TrespassStep = Addressed & {
  readonly do: 'trespass';
  readonly kind: 'Users' | 'Groups';
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE';
};
export type ListStep = Addressed & { readonly do: 'list'; readonly kind: 'Users' | 'Groups' };
export type FindStep = Addressed & { readonly do: 'find'; readonly kind: 'Users' | 'Groups'; readonly filter: Filter };
/** One request, said by one connection. */
export type Step = WholeStep | PatchStep | DeleteStep | TrespassStep | ListStep | FindStep;

const NAMES = ['ann', 'Ann', 'bob', 'BOB', 'cy', 'dee', 'eve', 'Fay', 'gus'] as const;
const userName = fc.constantFrom(...NAMES).map((name) => `${name}@example.org`);
const groupName = fc.constantFrom('One', 'ONE', 'Two', 'Three', 'Four', 'ünï 4');
const externalId = fc.constantFrom('e1', 'E1', 'e2', 'e3', '4', '5');

const by = fc.nat({ max: CONNECTIONS - 1 });
const userSlot = fc.nat({ max: USER_SLOTS - 1 });
const groupSlot = fc.nat({ max: GROUP_SLOTS - 1 });
// One in some is nobody of this connection.
const memberSlot = fc.oneof({ weight: 12, arbitrary: userSlot }, { weight: 1, arbitrary: fc.constant(USER_SLOTS) });

/** One in eighty operations is one that must be refused, wherever it stands. */
const mostly = <T>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 80, arbitrary: right }, { weight: 1, arbitrary: wrong });

const sized = <T>(operation: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.array(operation, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(operation, { minLength: 4, maxLength: 20, size: 'max' }) },
  );

const user = userResource(userName, externalId);
const group = groupResource(groupName, externalId);
const userOperations = sized(mostly(userOperation(userName), illegalUserOperation));
const groupOperations = sized(
  mostly(
    groupOperation(memberSlot, groupName, externalId),
    illegalGroupOperation.map(
      (operation): GroupOperation =>
        () =>
          operation,
    ),
  ),
);
const members = fc.array(memberSlot, { maxLength: 3 });

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('create-user' as const), by, slot: userSlot, resource: user }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('put-user' as const), by, slot: userSlot, resource: user }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('patch-user' as const), by, slot: userSlot, operations: userOperations }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete-user' as const), by, slot: userSlot }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('create-group' as const), by, slot: groupSlot, resource: group, members }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('put-group' as const), by, slot: groupSlot, resource: group, members }),
  },
  {
    weight: 7,
    arbitrary: fc.record({ do: fc.constant('patch-group' as const), by, slot: groupSlot, operations: groupOperations }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete-group' as const), by, slot: groupSlot }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('trespass' as const),
      by,
      slot: groupSlot,
      kind: fc.constantFrom('Users' as const, 'Groups' as const),
      method: fc.constantFrom('GET' as const, 'PUT' as const, 'PATCH' as const, 'DELETE' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('list' as const),
      by,
      slot: groupSlot,
      kind: fc.constantFrom('Users' as const, 'Groups' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('find' as const),
      by,
      slot: groupSlot,
      kind: fc.constant('Users' as const),
      filter: userFilter,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('find' as const),
      by,
      slot: groupSlot,
      kind: fc.constant('Groups' as const),
      filter: groupFilter,
    }),
  },
);
