import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { DIALECTS } from '../profiles/index.ts';
import { applyPatch, applyPatchInTurns, type SetValue } from './apply-patch.ts';
import { complex, text, type ResourceDefinition } from './attribute.ts';
import { isArray, isObject, sameJson, type Document, type JsonValue } from './json.ts';
import { normalisePatch } from './normalise-patch.ts';
import { PATCH_SCHEMA } from './patch-request.ts';
import type { DocumentStep } from './patch-step.ts';
import { patchDocument } from './scim-patch.ts';
import { ENTERPRISE_USER_SCHEMA as ENTERPRISE, USER } from './user-schema.ts';

const stepsOf = (operations: readonly unknown[], resource: ResourceDefinition = USER): DocumentStep[] =>
  normalisePatch(resource, { schemas: [PATCH_SCHEMA], Operations: operations }, DIALECTS.auto).filter(
    (step) => step.kind !== 'members',
  );

const patched = (before: Document, ...operations: readonly unknown[]): Document =>
  applyPatch(USER, before, stepsOf(operations));

const refuses = (code: string, before: Document, ...operations: readonly unknown[]): void => {
  assert.throws(
    () => patched(before, ...operations),
    (error) => isAppError(error) && error.code === code,
    `${code} for ${JSON.stringify(operations)}`,
  );
};

const user: Document = {
  userName: 'b@example.com',
  active: true,
  title: 'Dr',
  name: { givenName: 'B', familyName: 'J' },
  emails: [
    { value: 'w@example.com', type: 'work', primary: true },
    { value: 'h@example.com', type: 'home' },
    { value: 'o@example.com', type: 'other', display: 'Other' },
  ],
  [ENTERPRISE]: { department: 'R', manager: { value: 'm1', $ref: '../Users/m1' } },
};

describe('post-condition of every PATCH step', () => {
  const broken: readonly [string, SetValue][] = [
    ['does nothing', () => undefined],
    [
      'writes another value',
      (document, place, _value, ids) => {
        patchDocument(document, place, 'other', ids);
      },
    ],
    [
      'writes to another place',
      (document, _place, value, ids) => {
        patchDocument(document, ['nickName'], value, ids);
      },
    ],
    [
      'adds a second attribute in another case',
      (document, place, value) => {
        document[place[0].toUpperCase()] = value ?? null;
      },
    ],
  ];

  for (const [what, setValue] of broken)
    it(`is INTERNAL, never a success, when the library ${what} (fault injected)`, () => {
      for (const operation of [
        { op: 'replace', path: 'active', value: 'False' },
        { op: 'replace', path: 'title', value: 'x' },
        { op: 'remove', path: 'title' },
        { op: 'add', path: 'emails', value: [{ value: 'n@example.com' }] },
        { op: 'remove', path: 'emails[type eq "work"]' },
        { op: 'replace', path: `${ENTERPRISE}:manager`, value: 'm2' },
      ])
        assert.throws(
          () => applyPatch(USER, user, stepsOf([operation]), setValue),
          (error) => isAppError(error) && error.code === 'INTERNAL',
          JSON.stringify(operation),
        );
    });
});

describe('value paths with the whole filter language (RFC 7644 §3.4.2.2, §3.5.2)', () => {
  const values = (document: Document): unknown[] =>
    ((document['emails'] as readonly Document[] | undefined) ?? []).map((email) => email['value']);
  const work = 'w@example.com';
  const home = 'h@example.com';
  const other = 'o@example.com';

  it('removes exactly what the filter selects', () => {
    const cases: [string, string[]][] = [
      ['type ne "work"', [work]],
      ['type eq "home" or type eq "other"', [work]],
      ['not (type eq "home") and value co "@"', [home]],
      ['value sw "H@"', [work, other]],
      ['value ew ".com" and not (primary eq true)', [work]],
      ['display pr', [work, home]],
      ['not (display pr)', [other]],
      ['primary eq false', [work]],
      ['(type eq "work" or type eq "home") and value co "w@"', [home, other]],
      ['value gt "o"', [home]],
    ];
    for (const [filter, left] of cases)
      assert.deepEqual(values(patched(user, { op: 'remove', path: `emails[${filter}]` })), left, filter);
  });

  it('replaces a part of everything the filter selects', () => {
    const after = patched(user, { op: 'replace', path: 'emails[not (type eq "work")].display', value: 'x' });
    assert.deepEqual(
      (after['emails'] as readonly Document[]).map((email) => email['display']),
      [undefined, 'x', 'x'],
    );
  });

  it('is noTarget for a replace, and for an add whose filter describes no element', () => {
    refuses('NO_TARGET', user, { op: 'replace', path: 'emails[type eq "fax"].value', value: 'x' });
    for (const filter of [
      'type ne "work" and type eq "fax"',
      'type eq "a" or type eq "b"',
      'type sw "z"',
      'not (value pr)',
    ])
      refuses('NO_TARGET', user, { op: 'add', path: `emails[${filter}].value`, value: 'x' });
    assert.deepEqual(values(patched(user, { op: 'add', path: 'emails[type eq "fax"].value', value: 'x' })).at(-1), 'x');
  });

  it('is bounded, as a path and as a request', () => {
    const wide = Array.from({ length: 21 }, () => 'type pr').join(' or ');
    refuses('INVALID_FILTER', user, { op: 'remove', path: `emails[${wide}]` });
    const path = `emails[${Array.from({ length: 20 }, () => 'type pr').join(' or ')}].display`;
    refuses('TOO_MANY', user, ...Array.from({ length: 101 }, () => ({ op: 'remove', path })));
  });
});

describe('PATCH of complex attributes', () => {
  it('leaves parts that are not named, drops the object with its last part (RFC 7644 §3.5.2.3, RFC 7643 §2.5)', () => {
    assert.deepEqual(patched(user, { op: 'replace', path: 'name', value: { givenName: 'X' } })['name'], {
      givenName: 'X',
      familyName: 'J',
    });
    assert.deepEqual(patched(user, { op: 'replace', path: 'name', value: { givenName: null } })['name'], {
      familyName: 'J',
    });
    const gone = patched(user, { op: 'remove', path: 'name.givenName' }, { op: 'remove', path: 'name.familyName' });
    assert.equal('name' in gone, false);
    for (const operation of [
      { op: 'replace', path: 'name', value: null },
      { op: 'remove', path: 'name' },
    ])
      assert.equal('name' in patched(user, operation), false);
    for (const operation of [
      { op: 'remove', path: ENTERPRISE },
      { op: 'replace', path: ENTERPRISE, value: null },
    ])
      assert.equal(ENTERPRISE in patched(user, operation), false, 'and with it its URN in schemas');
  });

  it('lets nothing that described the old manager describe the new one', () => {
    const path = `${ENTERPRISE}:manager`;
    const managerOf = (operation: object): unknown => (patched(user, operation)[ENTERPRISE] as Document)['manager'];
    for (const operation of [
      { op: 'replace', path, value: 'm2' },
      { op: 'replace', path, value: { value: 'm2' } },
      { op: 'add', path: `${path}.value`, value: 'm2' },
      { op: 'replace', value: { [ENTERPRISE]: { manager: { value: 'm2' } } } },
    ])
      assert.deepEqual(managerOf(operation), { value: 'm2' }, JSON.stringify(operation));
    assert.deepEqual(managerOf({ op: 'replace', path, value: { $ref: '../Users/m2', value: 'm2' } }), {
      value: 'm2',
      $ref: '../Users/m2',
    });
    assert.deepEqual(
      managerOf({ op: 'replace', path, value: 'm1' }),
      { value: 'm1', $ref: '../Users/m1' },
      'no change',
    );
    for (const value of ['', null, { value: '' }, { value: null }])
      assert.equal(managerOf({ op: 'replace', path, value }), undefined, JSON.stringify(value));
    assert.equal(managerOf({ op: 'remove', path: `${path}.value` }), undefined);
  });

  it('refuses what would be ignored: only read-only parts, only an id, nothing at all', () => {
    refuses('MUTABILITY', user, { op: 'replace', path: `${ENTERPRISE}:manager`, value: { displayName: 'x' } });
    refuses('INVALID_SYNTAX', user, { op: 'replace', value: { id: 'x' } });
    refuses('INVALID_SYNTAX', user, { op: 'replace', value: { schemas: ['urn:example:nope'] } });
    refuses('INVALID_VALUE', user, { op: 'add', path: 'emails', value: [{ type: 'work' }] });
    refuses('INVALID_VALUE', user, { op: 'add', path: 'emails', value: {} });
    refuses('INVALID_VALUE', user, { op: 'replace', path: ENTERPRISE, value: {} });
  });
});

describe('a place named twice in one operation', () => {
  it('is refused: whichever counted, the other would be lost', () => {
    const twice = [
      { active: false, Active: true },
      { active: false, 'urn:ietf:params:scim:schemas:core:2.0:User:active': true },
      { name: { givenName: 'a' }, 'name.givenName': 'b' },
      { name: null, 'name.givenName': 'b' },
      { name: { givenName: 'a', GIVENNAME: 'b' } },
      { emails: [], Emails: [{ value: 'x' }] },
      { emails: [], 'emails[type eq "work"].value': 'x' },
      { [ENTERPRISE]: { department: 'a' }, [`${ENTERPRISE}:department`]: 'b' },
      { [ENTERPRISE]: { manager: 'a' }, [`${ENTERPRISE}:manager.value`]: 'b' },
    ];
    for (const value of twice) refuses('INVALID_SYNTAX', user, { op: 'replace', value });
    assert.equal(
      patched(user, { op: 'replace', path: 'title', value: 'a' }, { op: 'replace', path: 'title', value: 'b' })[
        'title'
      ],
      'b',
      'two operations are two operations',
    );
  });
});

describe('immutable attributes (RFC 7644 §3.5.2.1)', () => {
  const badge: ResourceDefinition = {
    ...USER,
    core: {
      ...USER.core,
      attributes: [
        text('userName', 'name', { required: true }),
        text('badge', 'Once and for all.', { mutability: 'immutable' }),
        complex('birth', 'Where and when.', [text('place', 'Place.', { mutability: 'immutable' })]),
      ],
    },
  };
  const apply = (before: Document, ...operations: unknown[]): Document =>
    applyPatch(badge, before, stepsOf(operations, badge));

  it('get a value when they have none, and keep it', () => {
    assert.equal(apply({ userName: 'a' }, { op: 'add', path: 'badge', value: '1' })['badge'], '1');
    const before = { userName: 'a', badge: '1', birth: { place: 'x' } };
    assert.deepEqual(apply(before, { op: 'add', path: 'badge', value: '1' }), before);
    for (const operation of [
      { op: 'add', path: 'badge', value: '2' },
      { op: 'replace', path: 'badge', value: '2' },
      { op: 'remove', path: 'badge' },
      { op: 'replace', path: 'badge', value: null },
      { op: 'replace', path: 'birth.place', value: 'y' },
      { op: 'remove', path: 'birth' },
    ])
      assert.throws(
        () => apply(before, operation),
        (error) => isAppError(error) && error.code === 'MUTABILITY',
        JSON.stringify(operation),
      );
  });
});

// One vocabulary of operations whose effect on the document is known.
const value = fc.constantFrom('a', 'b', 'c');
const type = fc.constantFrom('work', 'home');
const element = fc.record({ value, type, primary: fc.boolean() }, { requiredKeys: ['value'] });
const listName = fc.constantFrom('emails', 'phoneNumbers', 'roles');
const operation = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('title', 'nickName', 'name.givenName', `${ENTERPRISE}:department`),
      fc.constantFrom('add', 'replace'),
      value,
    )
    .map(([path, op, text]) => ({ op, path, value: text })),
  fc.constantFrom('title', 'name', 'emails', ENTERPRISE).map((path) => ({ op: 'remove', path })),
  fc.boolean().map((on) => ({ op: 'replace', path: 'active', value: on })),
  fc.tuple(listName, element).map(([path, one]) => ({ op: 'add', path, value: [one] })),
  fc.tuple(listName, type).map(([list, kind]) => ({ op: 'remove', path: `${list}[type eq "${kind}"]` })),
  fc
    .tuple(listName, type, value)
    .map(([list, kind, text]) => ({ op: 'add', path: `${list}[type eq "${kind}"].value`, value: text })),
);

const namesOf = (document: JsonValue): string[] => {
  if (isArray(document)) return document.flatMap(namesOf);
  return isObject(document) ? Object.entries(document).flatMap(([key, item]) => [key, ...namesOf(item)]) : [];
};

const allNames = new Set(
  [...USER.core.attributes, ...USER.extensions.flatMap(({ attributes }) => attributes)]
    .flatMap(({ name, subAttributes = [] }) => [name, ...subAttributes.map((sub) => sub.name)])
    .concat('externalId', ...USER.extensions.map(({ id }) => id)),
);

describe('PATCH: properties', () => {
  const run = (property: fc.IProperty<unknown>): void => {
    fc.assert(property, { numRuns: 1_000 });
  };
  const sequence = fc.array(operation, { minLength: 1, maxLength: 8 });

  it('leaves its input as it is, at most one primary, and no name that is not in the schema', () => {
    run(
      fc.property(sequence, (operations) => {
        const kept = structuredClone(user);
        const after = patched(user, ...operations);
        assert.deepEqual(user, kept);
        for (const name of namesOf(after)) assert.ok(allNames.has(name), name);
        for (const list of Object.values(after).filter(isArray))
          assert.ok(list.filter((one) => isObject(one) && one['primary'] === true).length <= 1);
      }) as fc.IProperty<unknown>,
    );
  });

  it('is the same whether done at once, one after the other, or in turns', async () => {
    await fc.assert(
      fc.asyncProperty(sequence, async (operations) => {
        const after = patched(user, ...operations);
        assert.deepEqual(
          operations.reduce<Document>((document, one) => patched(document, one), user),
          after,
        );
        assert.deepEqual(await applyPatchInTurns(USER, user, stepsOf(operations)), after);
      }),
      { numRuns: 300 },
    );
  });

  it('done twice is done once: one operation is idempotent', () => {
    run(
      fc.property(sequence, operation, (operations, last) => {
        const once = patched(user, ...operations, last);
        assert.deepEqual(patched(once, last), once);
      }) as fc.IProperty<unknown>,
    );
  });

  it('commutes where two operations are about different attributes', () => {
    const attribute = ({ path }: { path: string }): string =>
      path.startsWith(ENTERPRISE) ? ENTERPRISE : (path.split(/[.[]/)[0] ?? '');
    run(
      fc.property(operation, operation, (first, second) => {
        fc.pre(attribute(first) !== attribute(second));
        assert.ok(sameJson(patched(user, first, second), patched(user, second, first)));
      }) as fc.IProperty<unknown>,
    );
  });

  it('a remove takes back an add', () => {
    run(
      fc.property(listName, fc.constantFrom('x', 'y'), type, (path, fresh, kind) => {
        const added = patched(user, { op: 'add', path, value: [{ value: fresh, type: kind }] });
        for (const removal of [
          { op: 'remove', path: `${path}[value eq "${fresh}" and type eq "${kind}"]` },
          { op: 'Remove', path, value: [{ value: fresh, type: kind }] },
        ])
          assert.deepEqual(patched(added, removal), user);
      }) as fc.IProperty<unknown>,
    );
  });
});
