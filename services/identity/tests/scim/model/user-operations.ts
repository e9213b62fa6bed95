import fc from 'fast-check';

import type { Intent, Place, Test } from './intent.ts';
import {
  ADDRESS_PARTS,
  CORE_USER,
  ENTERPRISE,
  ENTERPRISE_TEXTS,
  LISTS,
  NAME_PARTS,
  TEXTS,
  type Doc,
  type Json,
  type ListName,
} from './vocabulary.ts';

/** One operation of a PATCH: what it means, and one of the ways directories write it. */
export interface Operation {
  readonly intents: readonly Intent[];
  readonly wire: Json;
}

type Arb<T> = fc.Arbitrary<T>;

const WORDS = ['Ada', 'Grace', 'x', 'Dr', 'ä ö', "O'Neil; --", 'a"b\\c', 'True', '100%', '😀'] as const;
export const word: Arb<string> = fc.constantFrom(...WORDS);
const upper = (text: string): string => text.toUpperCase();
const inAnyCase = (text: string): Arb<string> => fc.constantFrom(text, text, text.toLowerCase(), upper(text));
export const opWord = (op: 'add' | 'replace' | 'remove'): Arb<string> =>
  fc.constantFrom(op, op.charAt(0).toUpperCase() + op.slice(1), op.toUpperCase());
// A replace that selects nothing refuses everything around it: rarer.
const listOp = fc.constantFrom<'add' | 'replace' | 'remove'>('add', 'add', 'add', 'add', 'remove', 'remove', 'replace');
const setOp = fc.constantFrom('add' as const, 'replace' as const);

/** The spellings of a place as a path: `a.b`, with the schema in front, in any case. */
const pathOf = (place: Place): Arb<string> => {
  const [first, ...rest] = place;
  if (first === ENTERPRISE) return inAnyCase(rest.join('.')).map((tail) => `${ENTERPRISE}:${tail}`);
  const plain = place.join('.');
  return fc.oneof(
    inAnyCase(plain),
    fc.constant(`${CORE_USER}:${plain}`),
    fc.constant(`${CORE_USER.toLowerCase()}:${plain}`),
  );
};

/** The spellings of one key and value in a pathless operation: dotted, nested, with the schema in front. */
const entryOf = (place: Place, value: Json): Arb<Doc> => {
  const nested = ([key = '', ...rest]: readonly string[]): Doc => ({ [key]: rest.length === 0 ? value : nested(rest) });
  return fc.oneof(
    pathOf(place).map((key) => ({ [key]: value })),
    fc.constant(nested(place)),
  );
};

const place: Arb<Place> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TEXTS).map((name): Place => [name]) },
  { weight: 3, arbitrary: fc.constantFrom(...NAME_PARTS).map((part): Place => ['name', part]) },
  { weight: 3, arbitrary: fc.constantFrom(...ENTERPRISE_TEXTS).map((name): Place => [ENTERPRISE, name]) },
  { weight: 1, arbitrary: fc.constant<Place>(['externalId']) },
  { weight: 1, arbitrary: fc.constant<Place>([ENTERPRISE, 'manager', 'value']) },
);

/** A value for a place; null and "" mean unassigned (RFC 7643 §2.5). */
const assignment: Arb<{ intent: Intent; place: Place; value: Json }> = fc
  .tuple(place, fc.oneof({ weight: 5, arbitrary: word }, { weight: 1, arbitrary: fc.constantFrom('', null) }))
  .map(([at, value]) => ({
    place: at,
    value,
    intent: value === '' || value === null ? { do: 'unset', place: at } : { do: 'set', place: at, value },
  }));

const byPath: Arb<Operation> = assignment.chain(({ intent, place: at, value }) =>
  fc.tuple(setOp.chain(opWord), pathOf(at)).map(([op, path]) => ({ intents: [intent], wire: { op, path, value } })),
);

/** Keys of one pathless value; a place that is named twice is another matter. */
const pathless: Arb<Operation> = fc
  .tuple(
    setOp.chain(opWord),
    fc
      .array(
        assignment.chain(({ intent, place: at, value }) =>
          entryOf(at, value).map((entry) => ({ intent, entry, place: at.join() })),
        ),
        { minLength: 1, maxLength: 4 },
      )
      .map((entries) =>
        entries.filter(
          ({ entry, place }, at) =>
            entries.findIndex(
              (e) =>
                e.place === place || Object.keys(e.entry)[0]?.toLowerCase() === Object.keys(entry)[0]?.toLowerCase(),
            ) === at,
        ),
      ),
    fc.boolean(),
  )
  .map(([op, entries, withId]) => ({
    intents: entries.map(({ intent }) => intent),
    // Okta repeats the id; it is neither applied nor refused.
    wire: { op, value: Object.assign({}, ...entries.map(({ entry }) => entry), withId ? { id: 'other' } : {}) as Doc },
  }));

const removal: Arb<Operation> = place.chain((at) =>
  fc
    .tuple(opWord('remove'), pathOf(at))
    .map(([op, path]) => ({ intents: [{ do: 'unset', place: at }], wire: { op, path } })),
);

const nameWhole: Arb<Operation> = fc
  .tuple(
    setOp.chain(opWord),
    fc.dictionary(fc.constantFrom(...NAME_PARTS), fc.oneof(word, fc.constant(null)), { minKeys: 1 }),
  )
  .map(([op, parts]) => ({
    intents: Object.entries(parts).map(([part, value]): Intent =>
      value === null ? { do: 'unset', place: ['name', part] } : { do: 'set', place: ['name', part], value },
    ),
    wire: { op, path: 'name', value: { ...parts } },
  }));

/** Entra: a bare id, or "" to clear. */
const manager: Arb<Operation> = fc
  .tuple(setOp.chain(opWord), fc.constantFrom('m1', 'm2', '', null), fc.boolean())
  .map(([op, id, isPathless]) => {
    const path = `${ENTERPRISE}:manager`;
    return {
      intents: [{ do: 'manager', id: id === '' || id === null ? undefined : id }],
      wire: isPathless ? { op, value: { [path]: id } } : { op, path, value: id },
    };
  });

/** Every way to say yes and no that means it (RFC 7643 §2.3.2, Entra). */
const active: Arb<Operation> = fc.boolean().chain((on) =>
  fc
    .tuple(
      setOp.chain(opWord),
      on ? fc.constantFrom(true, 'True', 'true', 'TRUE') : fc.constantFrom(false, 'False', 'false', 'FALSE'),
      pathOf(['active']),
      fc.boolean(),
    )
    .map(([op, value, path, isPathless]) => ({
      intents: [{ do: 'set', place: ['active'], value: on }],
      wire: isPathless ? { op, value: { [path]: value } } : { op, path, value },
    })),
);

const TYPES = ['work', 'home', 'other'] as const;
const VALUES = ['v1@x', 'v2@x', 'v3@x'] as const;

export const elementOf = (list: ListName): Arb<Doc> =>
  (list === 'addresses'
    ? fc.record(
        {
          locality: word,
          country: fc.constantFrom('NO', 'DE'),
          type: fc.constantFrom(...TYPES),
          primary: fc.constantFrom(true, false, false),
        },
        { requiredKeys: ['locality'] },
      )
    : fc.record(
        {
          value: fc.constantFrom(...VALUES),
          type: fc.constantFrom(...TYPES),
          display: word,
          primary: fc.constantFrom(true, false, false),
        },
        { requiredKeys: ['value'] },
      )
  ).map((element): Doc => ({ ...element }));

const atMostOnePrimary = (elements: readonly Doc[]): boolean =>
  elements.filter((element) => element['primary'] === true).length < 2;

export const elementsOf = (list: ListName, minLength = 0): Arb<Doc[]> =>
  fc.array(elementOf(list), { minLength, maxLength: 3 }).filter(atMostOnePrimary);

const listName: Arb<ListName> = fc.constantFrom(...LISTS);

/** Booleans of an element may come as words too (Entra). */
const spoken = (elements: readonly Doc[], asWords: boolean): Doc[] =>
  elements.map((element) =>
    asWords && typeof element['primary'] === 'boolean'
      ? { ...element, primary: element['primary'] ? 'True' : 'False' }
      : element,
  );

const wholeList: Arb<Operation> = listName.chain((list) =>
  fc
    .tuple(setOp, elementsOf(list), fc.boolean(), fc.boolean(), fc.boolean())
    .chain(([op, elements, isPathless, asWords, isBare]) => {
      const all = spoken(elements, asWords);
      const value: Json = isBare && all[0] !== undefined && all.length === 1 ? all[0] : all;
      return fc.tuple(opWord(op), pathOf([list])).map(([opText, path]) => ({
        intents: [{ do: op === 'add' ? 'list-add' : 'list-put', list, elements }],
        wire: isPathless ? { op: opText, value: { [path]: value } } : { op: opText, path, value },
      }));
    }),
);

const listRemoval: Arb<Operation> = listName.chain((list) =>
  fc
    .tuple(opWord('remove'), pathOf([list]), fc.option(elementsOf(list, 1), { nil: undefined }))
    .map(([op, path, given]) =>
      given === undefined
        ? { intents: [{ do: 'list-put', list, elements: [] }], wire: { op, path } }
        : { intents: [{ do: 'list-take', list, elements: given }], wire: { op, path, value: given } },
    ),
);

const testOf = (list: ListName): Arb<Test> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...TYPES).map((type): Test => ['type', type]) },
    { weight: 1, arbitrary: fc.boolean().map((primary): Test => ['primary', primary]) },
    {
      weight: 2,
      arbitrary:
        list === 'addresses'
          ? fc.constantFrom('NO', 'DE').map((country): Test => ['country', country])
          : fc.constantFrom(...VALUES).map((value): Test => ['value', value]),
    },
  );

const testsOf = (list: ListName): Arb<Test[]> =>
  fc.uniqueArray(testOf(list), { minLength: 1, maxLength: 2, selector: ([part]) => part });

const renderTests = (tests: readonly Test[]): string =>
  tests.map(([part, value]) => `${part} eq ${JSON.stringify(value)}`).join(' and ');

const somePart = (list: ListName): Arb<string> =>
  list === 'addresses' ? fc.constantFrom(...ADDRESS_PARTS) : fc.constantFrom('value', 'value', 'display', 'type');

const filteredPart: Arb<Operation> = listName.chain((list) =>
  fc.tuple(listOp, testsOf(list), somePart(list), word).chain(([op, tests, part, value]) =>
    fc.tuple(opWord(op), inAnyCase(list), fc.boolean()).map(([opText, name, dotted]) => {
      const path = `${name}[${renderTests(tests)}].${part}`;
      const intent: Intent = { do: 'where', op, list, tests, part, value: op === 'remove' ? undefined : value };
      if (op === 'remove') return { intents: [intent], wire: { op: opText, path } };
      const wire = dotted ? { op: opText, value: { [path]: value } } : { op: opText, path, value };
      return { intents: [intent], wire };
    }),
  ),
);

const filteredWhole: Arb<Operation> = listName.chain((list) =>
  fc.tuple(listOp, testsOf(list), elementOf(list)).chain(([op, tests, element]) =>
    opWord(op).map((opText) => {
      const path = `${list}[${renderTests(tests)}]`;
      const intent: Intent = {
        do: 'where',
        op,
        list,
        tests,
        part: undefined,
        value: op === 'remove' ? undefined : element,
      };
      return {
        intents: [intent],
        wire: op === 'remove' ? { op: opText, path } : { op: opText, path, value: element },
      };
    }),
  ),
);

const filteredPrimary: Arb<Operation> = listName.chain((list) =>
  fc.tuple(setOp, testsOf(list), fc.boolean()).map(([op, tests, on]) => ({
    intents: [{ do: 'where', op, list, tests, part: 'primary', value: on }],
    wire: { op, path: `${list}[${renderTests(tests)}].primary`, value: on },
  })),
);

/** Operations a user may see that mean something. */
export const userOperation = (userName: Arb<string>): Arb<Operation> =>
  fc.oneof(
    { weight: 4, arbitrary: byPath },
    { weight: 4, arbitrary: pathless },
    { weight: 2, arbitrary: removal },
    { weight: 1, arbitrary: nameWhole },
    { weight: 2, arbitrary: manager },
    { weight: 3, arbitrary: active },
    { weight: 3, arbitrary: wholeList },
    { weight: 2, arbitrary: listRemoval },
    { weight: 4, arbitrary: filteredPart },
    { weight: 2, arbitrary: filteredWhole },
    { weight: 1, arbitrary: filteredPrimary },
    {
      weight: 1,
      arbitrary: fc.tuple(setOp.chain(opWord), userName, fc.boolean()).map(([op, value, isPathless]): Operation => ({
        intents: [{ do: 'set', place: ['userName'], value }],
        wire: isPathless ? { op, value: { userName: value } } : { op, path: 'userName', value },
      })),
    },
  );
