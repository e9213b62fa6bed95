import fc from 'fast-check';

import { elementsOf, word } from './user-operations.ts';
import {
  CORE_GROUP,
  CORE_USER,
  ENTERPRISE,
  ENTERPRISE_TEXTS,
  LISTS,
  NAME_PARTS,
  TEXTS,
  type Doc,
  type Json,
} from './vocabulary.ts';

type Arb<T> = fc.Arbitrary<T>;

/** The body of a POST or PUT: what it means, and one way to write it. */
export interface Resource {
  /** Writable attributes, canonical; of a group without members. */
  readonly doc: Doc;
  readonly wire: Json;
  /** Words of the refusal, when the body must be refused. */
  readonly refused: readonly string[] | undefined;
}

const ENTRA_GROUP = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';

const parts = (names: readonly string[]): Arb<Doc | undefined> =>
  fc.option(fc.dictionary(fc.constantFrom(...names), word, { minKeys: 1, maxKeys: 3 }), { nil: undefined });

const lists: Arb<Doc> = fc
  .tuple(
    ...LISTS.map((list) =>
      fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: elementsOf(list) }),
    ),
  )
  .map((all): Doc =>
    Object.fromEntries(
      LISTS.flatMap((list, at): [string, Json][] => {
        const elements = all[at] ?? [];
        return elements.length === 0 ? [] : [[list, [...elements]]];
      }),
    ),
  );

const optional = (name: string, value: Json | undefined): Doc => (value === undefined ? {} : { [name]: value });

const userDoc = (userName: Arb<string>, externalId: Arb<string>): Arb<Doc> =>
  fc
    .tuple(
      userName,
      fc.option(externalId, { nil: undefined }),
      fc.option(fc.boolean(), { nil: undefined }),
      fc.dictionary(fc.constantFrom(...TEXTS), word, { maxKeys: 4 }),
      parts(NAME_PARTS),
      parts(ENTERPRISE_TEXTS),
      fc.option(fc.constantFrom('m1', 'm2'), { nil: undefined }),
      lists,
    )
    .map(([name, external, active, texts, nameParts, enterprise, manager, all]) => {
      const extension = { ...enterprise, ...(manager === undefined ? {} : { manager: { value: manager } }) };
      return {
        userName: name,
        ...optional('externalId', external),
        ...optional('active', active),
        ...texts,
        ...optional('name', nameParts),
        ...optional(ENTERPRISE, Object.keys(extension).length === 0 ? undefined : extension),
        ...all,
      };
    });

const inAnyCase = (doc: Doc, kind: number): Doc =>
  Object.fromEntries(
    Object.entries(doc).map(([key, value]) => [
      key.startsWith('urn:') || kind === 0 ? key : kind === 1 ? key.toLowerCase() : key.toUpperCase(),
      value,
    ]),
  );

/** What directories send along and a server has to overlook (Okta, RFC 7644 §3.5.1). */
const OVERLOOKED: readonly Doc[] = [
  {},
  { groups: [], password: '1mz050nq' },
  {
    id: 'mine',
    meta: { resourceType: 'User', version: 'W/"99"', created: '2000-01-01T00:00:00Z' },
    groups: [{ value: 'x' }],
  },
  // Of people who are out already.
  { ims: null },
  { photos: [] },
  { nickName: '' },
];

const userWire = (doc: Doc): Arb<Json> =>
  fc
    .tuple(fc.constantFrom(...OVERLOOKED), fc.nat({ max: 2 }), fc.boolean(), fc.boolean())
    .map(([extra, kind, withSchemas, asWord]) => {
      const { active } = doc;
      const said: Doc = asWord && typeof active === 'boolean' ? { ...doc, active: active ? 'True' : 'False' } : doc;
      const schemas = withSchemas ? { schemas: [CORE_USER, ...(ENTERPRISE in doc ? [ENTERPRISE] : [])] } : {};
      const unclaimed = Object.fromEntries(Object.entries(extra).filter(([key]) => !(key in doc)));
      return { ...schemas, ...inAnyCase(said, kind), ...unclaimed };
    });

/** [what is wrong, words]: put over a body that is right. */
const ILLEGAL_USERS: readonly (readonly [Doc, readonly string[]])[] = [
  [{ userName: '' }, ['invalidValue']],
  [{ userName: null }, ['invalidValue']],
  [{ userName: 5 }, ['invalidValue']],
  [{ userName: { value: 'x' } }, ['invalidValue']],
  [{ userName: 'x'.repeat(1_025) }, ['invalidValue']],
  [{ active: 'no' }, ['invalidValue']],
  [{ active: 0 }, ['invalidValue']],
  [{ active: null }, ['invalidValue']],
  [{ title: 5 }, ['invalidValue']],
  [{ name: 'x' }, ['invalidValue']],
  [{ name: { nope: 'x' } }, ['invalidValue', 'invalidSyntax']],
  [{ emails: ['a@x'] }, ['invalidValue']],
  [{ emails: 'a@x' }, ['invalidValue']],
  [{ emails: [{ value: 1 }] }, ['invalidValue']],
  [
    {
      emails: [
        { value: 'a@x', primary: true },
        { value: 'b@x', primary: true },
      ],
    },
    ['invalidValue'],
  ],
  [{ [ENTERPRISE]: 'x' }, ['invalidSyntax', 'invalidValue']],
  [{ [ENTERPRISE]: { nope: 'x' } }, ['invalidSyntax', 'invalidValue']],
  [{ schemas: [CORE_USER, 'urn:nobody:knows'] }, ['invalidSyntax', 'invalidValue']],
  [{ schemas: [CORE_GROUP] }, ['invalidSyntax', 'invalidValue']],
  [{ schemas: [] }, ['invalidSyntax', 'invalidValue']],
  [{ schemas: 'x' }, ['invalidSyntax', 'invalidValue']],
  [{ isAdmin: true }, ['invalidSyntax', 'invalidPath']],
  [{ orgId: 'x' }, ['invalidSyntax', 'invalidPath']],
  [{ constructor: { prototype: { polluted: true } } }, ['invalidSyntax']],
  [{ 'name.givenName': 'x' }, ['invalidSyntax', 'invalidPath']],
];

const ILLEGAL_GROUPS: readonly (readonly [Doc, readonly string[]])[] = [
  [{ displayName: '' }, ['invalidValue']],
  [{ displayName: null }, ['invalidValue']],
  [{ displayName: 5 }, ['invalidValue']],
  [{ displayName: 'x'.repeat(1_025) }, ['invalidValue']],
  [{ members: 'x' }, ['invalidValue']],
  [{ members: ['x'] }, ['invalidValue']],
  [{ members: [{ display: 'x' }] }, ['invalidValue']],
  [{ members: [{ value: 'nonsense' }] }, ['invalidValue']],
  [{ members: [{ value: 'x', type: 'Group' }] }, ['invalidValue']],
  [{ schemas: ['urn:nobody:knows', CORE_GROUP] }, ['invalidSyntax', 'invalidValue']],
  [{ schemas: [ENTRA_GROUP] }, ['invalidSyntax', 'invalidValue']],
  [{ userName: 'x' }, ['invalidSyntax', 'invalidPath']],
  [{ toString: 'x' }, ['invalidSyntax']],
];

const spoil = (wire: Json, wrong: Doc): Json => {
  const right = typeof wire === 'object' && wire !== null && !Array.isArray(wire) ? wire : {};
  const names = new Set(Object.keys(wrong).map((name) => name.toLowerCase()));
  return { ...Object.fromEntries(Object.entries(right).filter(([key]) => !names.has(key.toLowerCase()))), ...wrong };
};

/** One in ten is wrong in exactly one way. */
const withSpoiled = (
  right: Arb<{ doc: Doc; wire: Json }>,
  wrongs: readonly (readonly [Doc, readonly string[]])[],
): Arb<Resource> =>
  fc
    .tuple(right, fc.nat({ max: 9 }), fc.constantFrom(...wrongs))
    .map(([{ doc, wire }, dice, [wrong, words]]) =>
      dice === 0 ? { doc, wire: spoil(wire, wrong), refused: words } : { doc, wire, refused: undefined },
    );

export const userResource = (userName: Arb<string>, externalId: Arb<string>): Arb<Resource> =>
  withSpoiled(
    userDoc(userName, externalId).chain((doc) => userWire(doc).map((wire) => ({ doc, wire }))),
    ILLEGAL_USERS,
  );

export const groupResource = (displayName: Arb<string>, externalId: Arb<string>): Arb<Resource> =>
  withSpoiled(
    fc
      .tuple(displayName, fc.option(externalId, { nil: undefined }), fc.nat({ max: 2 }), fc.nat({ max: 2 }))
      .map(([name, external, kind, schemas]) => {
        const doc: Doc = { displayName: name, ...optional('externalId', external) };
        const named = [{}, { schemas: [CORE_GROUP] }, { schemas: [CORE_GROUP, ENTRA_GROUP] }][schemas] ?? {};
        return { doc, wire: { ...named, ...inAnyCase(doc, kind), meta: { resourceType: 'Group' } } };
      }),
    ILLEGAL_GROUPS,
  );
