import { PATCH_URN, USER_URN, ENTERPRISE_URN, GROUP_URN } from '../../support/http.ts';
import {
  MUTABILITY,
  patchGroup,
  patchUser,
  PATH,
  postRaw,
  postUser,
  SYNTAX,
  VALUE,
  type Attack,
  type Attacks,
} from './attack.ts';

const INTERNALS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '__proto__.polluted',
  'constructor.prototype.polluted',
  'toString.polluted',
];

const rawPatch = (path: string, operation: string, name: string, words: readonly string[]): Attack =>
  postRaw(name, `{"schemas":["${PATCH_URN}"],"Operations":[${operation}]}`, words, { path, method: 'PATCH' });

/** Through paths, keys of values, filters and own keys of JSON. */
export const pollution: Attacks = (scene) => {
  const path = `/Users/${scene.own.userId}`;
  return [
    ...INTERNALS.map((name) =>
      patchUser(scene, `pollution by the path ${name}`, { op: 'add', path: name, value: 'x' }, PATH),
    ),
    ...INTERNALS.map((name) =>
      rawPatch(path, `{"op":"replace","value":{"${name}":"x"}}`, `pollution by the pathless key ${name}`, [
        'invalidSyntax',
        'invalidPath',
      ]),
    ),
    ...['name', 'emails[type eq "work"]', `${ENTERPRISE_URN}:manager`, ENTERPRISE_URN].flatMap((place) => [
      patchUser(scene, `pollution behind ${place}`, { op: 'add', path: `${place}.__proto__`, value: 'x' }, PATH),
      patchUser(
        scene,
        `pollution further behind ${place}`,
        { op: 'add', path: `${place}.constructor.prototype.x`, value: 'x' },
        PATH,
      ),
    ]),
    rawPatch(
      path,
      '{"op":"add","path":"name","value":{"__proto__":{"polluted":true}}}',
      'pollution by a key of a value',
      SYNTAX,
    ),
    rawPatch(
      path,
      '{"op":"add","path":"name","value":{"constructor":{"prototype":{}}}}',
      'pollution by constructor',
      SYNTAX,
    ),
    rawPatch(
      path,
      '{"op":"add","path":"emails","value":[{"value":"a@x","__proto__":{"x":1}}]}',
      'pollution by an element',
      SYNTAX,
    ),
    rawPatch(path, '{"op":"add","path":"emails","value":[{"value":"a@x","toString":"x"}]}', 'a part named toString', [
      ...VALUE,
      ...SYNTAX,
    ]),
    patchUser(
      scene,
      'pollution by a value filter',
      { op: 'replace', path: 'emails[__proto__ eq "x"].value', value: 'x' },
      ['invalidFilter', 'invalidPath'],
    ),
    patchUser(
      scene,
      'pollution by a value filter on constructor',
      { op: 'remove', path: 'emails[constructor.name eq "Object"]' },
      ['invalidFilter', 'invalidPath'],
    ),
    postRaw('an own key __proto__ in a create', '{"userName":"x","__proto__":{"active":true}}', SYNTAX),
    postRaw('an escaped own key __proto__', '{"userName":"x","\\u005f_proto__":{"active":true}}', SYNTAX),
    postRaw('constructor in an extension', `{"userName":"x","${ENTERPRISE_URN}":{"constructor":{}}}`, SYNTAX),
    postRaw('toString in a create', '{"userName":"x","toString":"x"}', SYNTAX),
    rawPatch(
      `/Groups/${scene.own.groupId}`,
      '{"op":"add","path":"members","value":[{"value":"x","__proto__":{}}]}',
      'pollution by a member',
      SYNTAX,
    ),
    patchGroup(scene, 'pollution by a path of a group', { op: 'add', path: '__proto__.polluted', value: 'x' }, PATH),
    patchGroup(scene, 'pollution by a filter of members', { op: 'remove', path: 'members[__proto__ eq "x"]' }, [
      'invalidFilter',
      'invalidPath',
    ]),
  ];
};

const FORBIDDEN = [
  'orgId',
  'org_id',
  'tenantId',
  'connectionId',
  'epoch',
  'status',
  'kind',
  'breakGlass',
  'adminHold',
  'isAdmin',
  'roleIds',
  'permissions',
  'passwordHash',
  'mfa',
  'totpSecret',
  'sessions',
];

/** Identity, tenancy, role, credential and MFA attributes: in no schema, so nowhere to be written. */
export const massAssignment: Attacks = (scene) => [
  ...FORBIDDEN.map((name) => postUser(`a create with ${name}`, { [name]: 'x' }, SYNTAX)),
  ...FORBIDDEN.map((name) => patchUser(scene, `a PATCH of ${name}`, { op: 'add', path: name, value: 'x' }, PATH)),
  ...FORBIDDEN.slice(0, 8).map((name) =>
    patchUser(scene, `a pathless PATCH of ${name}`, { op: 'replace', value: { displayName: 'x', [name]: 'x' } }, [
      'invalidPath',
      'invalidSyntax',
    ]),
  ),
  ...['id', 'meta', 'meta.version', 'meta.created', 'meta.location'].map((path) =>
    patchUser(
      scene,
      `a PATCH of ${path}`,
      { op: 'replace', path, value: path === 'meta' ? { version: 'x' } : 'x' },
      MUTABILITY,
    ),
  ),
  patchUser(
    scene,
    'a PATCH of groups',
    { op: 'add', path: 'groups', value: [{ value: scene.near.groupId }] },
    MUTABILITY,
  ),
  patchUser(
    scene,
    'a pathless PATCH of groups',
    { op: 'add', value: { groups: [{ value: scene.near.groupId }] } },
    MUTABILITY,
  ),
  patchUser(
    scene,
    'a PATCH of groups[…]',
    { op: 'remove', path: `groups[value eq "${scene.own.groupId}"]` },
    MUTABILITY,
  ),
  patchUser(scene, 'a PATCH of the password', { op: 'replace', path: 'password', value: 'hunter2hunter2' }, MUTABILITY),
  patchGroup(scene, 'a PATCH of the roles of a group', { op: 'add', path: 'roles', value: [{ value: 'owner' }] }, PATH),
  patchGroup(
    scene,
    'a PATCH of the id of a group',
    { op: 'replace', path: 'id', value: scene.far.groupId },
    MUTABILITY,
  ),
];

const NO_BOOLEANS: readonly unknown[] = [
  0,
  1,
  '',
  'no',
  'yes',
  'inactive',
  '0',
  ' true',
  null,
  {},
  [],
  [true],
  { value: false },
];

/** What is no boolean is never read as "still active". */
export const typeConfusion: Attacks = (scene) => [
  ...NO_BOOLEANS.flatMap((value) => {
    const text = JSON.stringify(value);
    return [
      patchUser(scene, `active ${text} by path`, { op: 'replace', path: 'active', value }, VALUE),
      patchUser(scene, `active ${text} without a path`, { op: 'Replace', value: { active: value } }, VALUE),
      postUser(`a create with active ${text}`, { active: value }, VALUE),
      {
        ...postUser(`a PUT with active ${text}`, { active: value }, VALUE),
        method: 'PUT',
        path: `/Users/${scene.own.userId}`,
      },
    ];
  }),
  patchUser(scene, 'removal of active', { op: 'remove', path: 'active' }, [...VALUE, ...MUTABILITY]),
  patchUser(scene, 'primary as a number', { op: 'add', path: 'emails', value: [{ value: 'a@x', primary: 1 }] }, VALUE),
  ...[5, 5.5, true, {}, ['x'], 1e300].flatMap((value) => [
    postUser(`a title that is ${JSON.stringify(value)}`, { title: value }, VALUE),
    postUser(`a user name that is ${JSON.stringify(value)}`, { userName: value }, VALUE),
    postUser(`an external id that is ${JSON.stringify(value)}`, { externalId: value }, VALUE),
  ]),
  postUser('an address that is a text', { emails: ['a@x'] }, VALUE),
  postUser('a name that is a text', { name: 'Ada' }, VALUE),
  postUser('a name that is a list', { name: [{ givenName: 'Ada' }] }, VALUE),
  postUser('an extension that is a text', { [ENTERPRISE_URN]: 'x' }, [...SYNTAX, ...VALUE]),
  ...['[]', '"x"', '1', 'null', 'true'].flatMap((raw) => [
    postRaw(`a create that is ${raw}`, raw, SYNTAX),
    postRaw(`a PATCH that is ${raw}`, raw, SYNTAX, { method: 'PATCH', path: `/Users/${scene.own.userId}` }),
  ]),
];

/** The same attribute under two names, or under a name of another schema. */
export const aliases: Attacks = (scene) => [
  postUser('active under two spellings', { active: true, Active: false }, SYNTAX),
  postUser('userName under two spellings', { UserName: 'other@example.com' }, SYNTAX),
  postUser('userName under its URN, too', { [`${USER_URN}:userName`]: 'other@example.com' }, SYNTAX),
  postUser(
    'the extension under two spellings',
    { [ENTERPRISE_URN]: { division: 'a' }, [ENTERPRISE_URN.toUpperCase()]: { division: 'b' } },
    SYNTAX,
  ),
  postUser('one part under two spellings', { name: { givenName: 'a', GivenName: 'b' } }, VALUE),
  postUser('an extension attribute outside its object', { [`${ENTERPRISE_URN}:division`]: 'x' }, SYNTAX),
  patchUser(
    scene,
    'a core attribute under the extension',
    { op: 'replace', path: `${ENTERPRISE_URN}:active`, value: true },
    PATH,
  ),
  patchUser(scene, 'an attribute of a group on a user', { op: 'add', path: `${GROUP_URN}:members`, value: [] }, PATH),
  patchUser(scene, 'an operation with two paths', { op: 'replace', path: 'title', Path: 'active', value: 'x' }, SYNTAX),
  patchUser(
    scene,
    'an operation with two values',
    { op: 'replace', path: 'active', value: true, Value: false },
    SYNTAX,
  ),
];
