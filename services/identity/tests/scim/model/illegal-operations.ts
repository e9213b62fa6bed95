import fc from 'fast-check';

import type { Operation } from './user-operations.ts';
import { CORE_USER, ENTERPRISE, type Json } from './vocabulary.ts';

const refused = (wire: Json, ...words: string[]): Operation => ({ intents: [{ do: 'refuse', words }], wire });
const replace = (path: string, value: Json): Json => ({ op: 'replace', path, value });

const POLLUTING = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '__proto__.x',
  'constructor.prototype.x',
];
/** Of identity, tenancy, role and credential: in no schema, so nowhere to be written. */
const MASS = [
  'orgId',
  'org_id',
  'tenant',
  'epoch',
  'breakGlass',
  'isAdmin',
  'connectionId',
  'status',
  'kind',
  'permissions',
  'mfa',
];

const forBoth: readonly Operation[] = [
  // Okta repeats the id beside what it changes; alone it changes nothing.
  refused({ op: 'replace', value: { id: 'sent on every change' } }, 'invalidSyntax'),
  refused(null, 'invalidSyntax'),
  refused('replace', 'invalidSyntax'),
  refused({}, 'invalidSyntax'),
  refused({ op: 'move', path: 'displayName', value: 'x' }, 'invalidSyntax'),
  refused({ op: 5, path: 'displayName', value: 'x' }, 'invalidSyntax'),
  refused({ path: 'displayName', value: 'x' }, 'invalidSyntax'),
  refused({ op: 'replace', path: 'displayName' }, 'invalidSyntax', 'invalidValue'),
  refused({ op: 'replace', path: 'displayName', value: 'x', force: true }, 'invalidSyntax'),
  refused({ op: 'replace' }, 'invalidSyntax', 'invalidValue', 'noTarget'),
  refused({ op: 'replace', value: 'x' }, 'invalidSyntax', 'invalidValue', 'noTarget'),
  refused({ op: 'replace', value: {} }, 'invalidSyntax', 'invalidValue', 'noTarget'),
  refused({ op: 'remove' }, 'noTarget'),
  refused({ op: 'remove', value: { displayName: 'x' } }, 'noTarget'),
  refused({ op: 'replace', path: '', value: 'x' }, 'invalidPath', 'invalidSyntax'),
  refused({ op: 'replace', path: 7, value: 'x' }, 'invalidPath', 'invalidSyntax'),
  refused(replace('nope', 'x'), 'invalidPath'),
  refused(replace('display Name', 'x'), 'invalidPath'),
  refused(replace('displayName.x', 'x'), 'invalidPath'),
  refused(replace('displayName[value eq "x"]', 'x'), 'invalidPath', 'invalidFilter'),
  refused(replace('urn:nobody:User:title', 'x'), 'invalidPath'),
  refused(replace('id', 'x'), 'mutability'),
  refused(replace('meta', { version: 'x' }), 'mutability'),
  refused(replace('meta.created', '2000-01-01T00:00:00Z'), 'mutability'),
  refused(replace('displayName', 5), 'invalidValue'),
  refused(replace('displayName', true), 'invalidValue'),
  refused(replace('displayName', ['x']), 'invalidValue'),
  refused(replace('displayName', { value: 'x' }), 'invalidValue'),
  refused(replace('displayName', 'x'.repeat(1_025)), 'invalidValue'),
  refused(replace('externalId', 5), 'invalidValue'),
  ...[...POLLUTING, ...MASS].map((name) => refused(replace(name, 'x'), 'invalidPath')),
  ...[...POLLUTING, ...MASS]
    .filter((name) => name !== '__proto__')
    .map((name) => refused({ op: 'add', value: { [name]: 'x' } }, 'invalidPath', 'invalidSyntax')),
];

const BAD_ACTIVE: readonly Json[] = [0, 1, 'no', 'inactive', '', null, {}, [], [false], 'Fals'];

const forUsers: readonly Operation[] = [
  ...BAD_ACTIVE.map((value) => refused(replace('active', value), 'invalidValue')),
  ...BAD_ACTIVE.map((value) => refused({ op: 'Replace', value: { active: value } }, 'invalidValue')),
  refused({ op: 'remove', path: 'active' }, 'invalidValue', 'mutability'),
  refused({ op: 'remove', path: 'userName' }, 'mutability'),
  refused(replace('userName', ''), 'invalidValue', 'mutability'),
  refused(replace('userName', null), 'invalidValue', 'mutability'),
  refused({ op: 'replace', value: { userName: null } }, 'invalidValue', 'mutability'),
  refused(replace('groups', [{ value: 'x' }]), 'mutability'),
  refused({ op: 'add', value: { groups: [{ value: 'x' }] } }, 'mutability'),
  refused({ op: 'remove', path: 'groups' }, 'mutability'),
  refused(replace(`${ENTERPRISE}:nope`, 'x'), 'invalidPath'),
  refused(replace(`${CORE_USER}:employeeNumber`, 'x'), 'invalidPath'),
  refused(replace(`${ENTERPRISE}:manager.displayName`, 'x'), 'mutability'),
  refused(replace(ENTERPRISE, 'x'), 'invalidValue', 'invalidSyntax'),
  refused(replace('name', 'x'), 'invalidValue'),
  refused(replace('name', { nope: 'x' }), 'invalidValue', 'invalidPath', 'invalidSyntax'),
  refused(replace('name.nope', 'x'), 'invalidPath'),
  refused(replace('emails', ['a@x']), 'invalidValue'),
  refused(replace('emails', 'a@x'), 'invalidValue'),
  refused(replace('emails', [{ value: 5 }]), 'invalidValue'),
  refused(replace('emails', [{ value: 'a@x', nope: 1 }]), 'invalidValue', 'invalidSyntax', 'invalidPath'),
  refused(replace('emails', [{ value: 'a@x', primary: 'yes' }]), 'invalidValue'),
  refused(
    replace('emails', [
      { value: 'a@x', primary: true },
      { value: 'b@x', primary: true },
    ]),
    'invalidValue',
  ),
  refused({ op: 'remove', path: 'emails', value: [] }, 'invalidValue', 'invalidSyntax', 'noTarget'),
  refused(replace('emails[type eq "nobody has this"].value', 'a@x'), 'noTarget'),
  refused(replace('emails[type eq "nobody has this"]', { value: 'a@x' }), 'noTarget'),
  refused(replace('emails[nope eq "work"].value', 'a@x'), 'invalidFilter', 'invalidPath'),
  refused(replace('emails[type eq].value', 'a@x'), 'invalidFilter', 'invalidPath'),
  refused(replace('emails[type eq "work".value', 'a@x'), 'invalidFilter', 'invalidPath'),
  refused(replace('emails[].value', 'a@x'), 'invalidFilter', 'invalidPath'),
  refused(replace('emails[__proto__ eq "x"].value', 'a@x'), 'invalidFilter', 'invalidPath'),
  refused(replace('emails[type eq "work"].__proto__', 'a@x'), 'invalidPath'),
  refused(replace('emails[type eq "work"].nope', 'a@x'), 'invalidPath'),
];

const forGroups: readonly Operation[] = [
  refused({ op: 'remove', path: 'displayName' }, 'mutability'),
  refused(replace('displayName', ''), 'invalidValue', 'mutability'),
  refused(replace('members', 'x'), 'invalidValue'),
  refused(replace('members', ['x']), 'invalidValue'),
  refused(replace('members', [{}]), 'invalidValue'),
  refused(replace('members', [{ value: 5 }]), 'invalidValue'),
  refused(replace('members', [{ value: '' }]), 'invalidValue'),
  refused({ op: 'add', path: 'members', value: [{ value: 'nonsense' }] }, 'invalidValue'),
  refused({ op: 'add', path: 'members', value: [{ value: '00000000-0000-7000-8000-000000000000' }] }, 'invalidValue'),
  refused({ op: 'remove', path: 'members', value: [] }, 'invalidValue', 'invalidSyntax', 'noTarget'),
  refused({ op: 'remove', path: 'members[nope eq "x"]' }, 'invalidFilter', 'invalidPath'),
  refused({ op: 'replace', path: 'userName', value: 'x' }, 'invalidPath'),
];

export const illegalUserOperation: fc.Arbitrary<Operation> = fc.constantFrom(...forBoth, ...forUsers);
export const illegalGroupOperation: fc.Arbitrary<Operation> = fc.constantFrom(...forBoth, ...forGroups);
