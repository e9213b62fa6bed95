import fc from 'fast-check';

import { ENTERPRISE_URN, USER_URN } from '../support/http.ts';

/** Few letters, so that random filters find somebody; some that fold, some that are special to SQL. */
const LETTERS = ['a', 'A', 'b', 'ß', 'É', 'é', 'Ｂ', 'ı', 'İ', '%', '_', '\\', "'", ' ', '😀', '\u{10FFFF}', '\uFFFD'];

export const word = fc
  .array(fc.constantFrom(...LETTERS), { minLength: 1, maxLength: 4 })
  .map((letters) => letters.join(''));

const types = fc.constantFrom('work', 'Work', 'home', 'other');

const element = fc.record(
  { value: word, type: types, display: word, primary: fc.boolean() },
  { requiredKeys: ['value'], noNullPrototype: true },
);

/** At most one primary. */
const list = fc.array(element, { maxLength: 3 }).map((elements) => {
  const first = elements.findIndex(({ primary }) => primary === true);
  return elements.map((item, index) => (index > first && first !== -1 ? { ...item, primary: false } : item));
});

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });

/** Attributes of a user, beside the name and the external id. */
export const attributes = fc.record(
  {
    name: optional(fc.record({ familyName: word, givenName: word }, { requiredKeys: [], noNullPrototype: true })),
    displayName: optional(word),
    nickName: optional(word),
    profileUrl: optional(word),
    active: optional(fc.boolean()),
    emails: optional(list),
    phoneNumbers: optional(list),
    photos: optional(list),
    [ENTERPRISE_URN]: optional(
      fc.record(
        { department: word, manager: fc.record({ value: word }, { noNullPrototype: true }) },
        { requiredKeys: [], noNullPrototype: true },
      ),
    ),
  },
  { noNullPrototype: true },
);

const TEXTS = [
  'userName',
  'externalId',
  'displayName',
  'nickName',
  'profileUrl',
  'name.familyName',
  `${USER_URN}:name.givenName`,
  'emails.value',
  'emails',
  'emails.type',
  'emails.display',
  'phoneNumbers.value',
  'photos.value',
  'groups.display',
  'groups.type',
  `${ENTERPRISE_URN}:department`,
  `${ENTERPRISE_URN}:manager.value`,
  'schemas',
  'meta.resourceType',
  'meta.location',
  'meta.version',
] as const;

const OBJECTS = ['name', 'meta', 'emails', 'phoneNumbers', 'groups', `${ENTERPRISE_URN}:manager`] as const;

const operator = fc.constantFrom('eq', 'eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le');
const quoted = (text: string): string => JSON.stringify(text);

/** What random comparisons compare with: random words, and values that are there. */
export interface Known {
  readonly texts: readonly string[];
  readonly instants: readonly string[];
  readonly ids: readonly string[];
}

const elementFilter = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> => {
  const part = fc.constantFrom('value', 'type', 'display');
  const leaf = fc.oneof(
    fc.tuple(part, operator, fc.oneof(texts, types)).map(([name, op, text]) => `${name} ${op} ${quoted(text)}`),
    fc.tuple(fc.constantFrom('eq', 'ne'), fc.boolean()).map(([op, value]) => `primary ${op} ${String(value)}`),
    fc.constantFrom('display pr', 'primary pr', 'type eq null', 'type ne null'),
  );
  return fc.oneof(
    leaf,
    fc.tuple(leaf, fc.constantFrom('and', 'or'), leaf).map((parts) => parts.join(' ')),
    leaf.map((text) => `not (${text})`),
  );
};

const instantFilter = ({ instants }: Known): fc.Arbitrary<string> => {
  const spelled = fc
    .constantFrom(...instants)
    .chain((text) =>
      fc.constantFrom(text, text.replace('Z', '000Z'), text.replace('Z', '001Z'), text.replace(/\.\d+Z/, 'Z')),
    );
  const compared = fc.constantFrom('eq', 'ne', 'gt', 'ge', 'lt', 'le');
  return fc
    .tuple(fc.constantFrom('meta.created', 'meta.lastModified'), compared, spelled)
    .map(([name, op, text]) => `${name} ${op} ${quoted(text)}`);
};

/** Any filter on users that has a meaning. */
export const userFilter = (known: Known): fc.Arbitrary<string> => {
  const texts = fc.oneof(word, fc.constant(''), fc.constantFrom(...known.texts));
  const lists = fc.constantFrom('emails', 'phoneNumbers', 'photos');
  const leaf = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom(...TEXTS), operator, texts)
        .map(([name, op, text]) => `${name} ${op} ${quoted(text)}`),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom(...TEXTS, ...OBJECTS)
        .chain((name) => fc.constantFrom(`${name} pr`, `${name} eq null`, `${name} ne null`)),
    },
    { weight: 2, arbitrary: fc.tuple(lists, elementFilter(texts)).map(([name, filter]) => `${name}[${filter}]`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(lists, elementFilter(texts), operator, texts)
        .map(([name, filter, op, text]) => `${name}[${filter}].value ${op} ${quoted(text)}`),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'active eq true',
        'active ne true',
        'active eq "False"',
        'emails.primary eq false',
        'emails.primary ne false',
      ),
    },
    { weight: 1, arbitrary: instantFilter(known) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom('id', 'groups.value', 'groups', 'groups.$ref', 'meta.location'),
          operator,
          fc.constantFrom(...known.ids),
        )
        .map(([name, op, id]) => `${name} ${op} ${quoted(id)}`),
    },
  );
  return fc.letrec<{ filter: string }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      leaf,
      tie('filter').map((filter) => `not (${filter})`),
      fc
        .tuple(tie('filter'), fc.constantFrom('and', 'or'), tie('filter'))
        .map(([left, word, right]) => `(${left}) ${word} (${right})`),
    ),
  })).filter;
};
