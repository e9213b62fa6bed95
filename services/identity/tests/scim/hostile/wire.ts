import { ENTERPRISE_URN, GROUP_URN, PATCH_URN, USER_URN } from '../../support/http.ts';
import {
  filtered,
  get,
  patchGroup,
  patchUser,
  PATH,
  postRaw,
  postUser,
  SYNTAX,
  TOO_MANY,
  VALUE,
  type Attacks,
} from './attack.ts';

const USER = '{"userName":"wire@example.com"}';
const typed = (contentType: string) => ({ headers: { 'content-type': contentType }, status: 415 });
const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

/** What arrives is not what it says it is. */
export const encodings: Attacks = () => [
  ...[
    'text/plain',
    'text/html',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/json-patch+json',
    'application/scim+json; charset=utf-16',
    'application/json; charset=iso-8859-1',
    'x',
  ].map((type) => postRaw(`a body as ${type}`, USER, [], typed(type))),
  postRaw('a compressed body', USER, [], { headers: { 'content-encoding': 'gzip' }, status: 415 }),
  postRaw('bytes that are no UTF-8', bytes('{"userName":"', [0xff, 0xfe], '@example.com"}'), SYNTAX),
  postRaw('an overlong encoding', bytes('{"userName":"', [0xc0, 0xaf], '@example.com"}'), SYNTAX),
  postRaw('half a character', bytes('{"userName":"', [0xf0, 0x9f], '"}'), SYNTAX),
  postRaw('UTF-16', Buffer.from(USER, 'utf16le'), SYNTAX),
  postRaw('a lone surrogate', '{"userName":"\\ud800@example.com"}', SYNTAX),
  postRaw('a lone surrogate in a key', '{"userName":"x","\\udc00":1}', SYNTAX),
  postRaw('U+0000', '{"userName":"a\\u0000b@example.com"}', SYNTAX),
  postRaw('U+0000 in an element', '{"userName":"x","emails":[{"value":"a\\u0000@x"}]}', SYNTAX),
  ...[
    '',
    '{',
    '{"userName":',
    '{"userName":"x"} {}',
    "{'userName':'x'}",
    '{"userName":NaN}',
    '{userName:"x"}',
    '<user/>',
    '{"a":1,}',
    '\u0000',
  ].map((raw) => postRaw(`JSON that is ${JSON.stringify(raw)}`, raw, SYNTAX)),
  postRaw('one key twice', '{"userName":"a@example.com","userName":"b@example.com"}', SYNTAX),
  postRaw(
    'one key twice, deep inside',
    '{"userName":"a@example.com","name":{"givenName":"a","givenName":"b"}}',
    SYNTAX,
  ),
  postRaw('a number beyond all numbers', '{"userName":"x@example.com","title":1e999}', [...SYNTAX, ...VALUE]),
];

const nested = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);

/** Too deep, too wide, too long. */
export const bombs: Attacks = (scene) => [
  postRaw('objects 100 deep', `{"userName":"x","name":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`, SYNTAX),
  postRaw('lists 100,000 deep', nested('[', ']', 100_000), SYNTAX),
  postRaw('lists 500,000 deep that do not end', '['.repeat(500_000), SYNTAX),
  postRaw('more than a mebibyte', `{"userName":"${'x'.repeat(1024 * 1024)}"}`, [], { status: 413 }),
  postRaw('a group of more than 16 MiB', `{"displayName":"${'x'.repeat(16 * 1024 * 1024)}"}`, [], {
    status: 413,
    path: '/Groups',
  }),
  postUser(
    '20,000 unknown keys',
    Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`k${String(at)}`, 1])),
    SYNTAX,
  ),
  postUser('a text of 1,025 characters', { title: 'x'.repeat(1_025) }, VALUE),
  postUser('a user name of 1,025 characters', { userName: 'x'.repeat(1_025) }, VALUE),
  postUser(
    '5,000 addresses',
    { emails: Array.from({ length: 5_000 }, (_, at) => ({ value: `${String(at)}@x` })) },
    TOO_MANY,
  ),
  patchUser(
    scene,
    '1,001 operations',
    Array.from({ length: 1_001 }, () => ({ op: 'add', path: 'title', value: 'x' })),
    TOO_MANY,
  ),
  patchUser(scene, 'no operations', [], SYNTAX),
  patchUser(scene, 'a path of 100,000 characters', { op: 'add', path: 'a.'.repeat(50_000), value: 'x' }, PATH),
  patchUser(
    scene,
    'brackets in brackets',
    { op: 'remove', path: `emails${'['.repeat(5_000)}type eq "x"${']'.repeat(5_000)}` },
    [...PATH, 'invalidFilter'],
  ),
  patchUser(
    scene,
    'a bomb inside a value filter',
    { op: 'remove', path: `emails[${'('.repeat(450)}type eq "x"${')'.repeat(450)}]` },
    [...PATH, 'invalidFilter'],
  ),
  patchGroup(
    scene,
    '10,001 members added',
    { op: 'add', path: 'members', value: Array.from({ length: 10_001 }, (_, at) => ({ value: String(at) })) },
    TOO_MANY,
  ),
  patchGroup(
    scene,
    '10,001 members removed one by one',
    [{ op: 'remove', path: 'members', value: Array.from({ length: 10_001 }, (_, at) => ({ value: String(at) })) }],
    TOO_MANY,
  ),
];

/** Filters are parsed within bounds, or not at all. */
export const filterBombs: Attacks = () => [
  filtered('10,000 parentheses', `${'('.repeat(3_000)}userName eq "x"${')'.repeat(3_000)}`),
  filtered('parentheses that do not close', '('.repeat(4_000)),
  filtered('negations in negations', `${'not ('.repeat(1_000)}userName eq "x"${')'.repeat(1_000)}`),
  filtered('201 comparisons', Array.from({ length: 201 }, () => 'id eq "x"').join(' and ')),
  filtered('700 comparisons', Array.from({ length: 600 }, () => 'id eq ""').join(' or ')),
  filtered('more than 8 KiB', `userName eq "${'x'.repeat(8 * 1024)}"`),
  filtered('brackets in brackets', 'emails[emails[emails[value eq "x"]]]'),
  filtered('a text that does not end', `userName eq "${'\\'.repeat(4_001)}`),
  filtered('no filter', ''),
  filtered('spaces', ' '.repeat(4_000)),
  filtered('an unknown attribute', 'nope eq "x"'),
  filtered('an unknown operator', 'userName like "%"'),
  filtered('a prototype name', '__proto__ eq "x"'),
  filtered('a prototype name behind a dot', 'name.constructor eq "x"'),
  filtered('SQL', "userName eq 'x' OR 1=1; DROP TABLE account; --"),
  filtered('SQL behind a filter', 'userName eq "x"; SELECT pg_sleep(10)'),
  filtered('a path of JSON', 'profile->>title eq "x"'),
  filtered('a column', 'org_id eq "x"'),
  filtered('a comparison of order with a boolean', 'active gt true'),
  filtered('a password', 'password eq "1mz050nq"'),
  filtered('U+0000', 'userName eq "\\u0000"'),
  filtered('a lone surrogate', 'userName eq "\\ud800"'),
  filtered('other quotes', "userName eq 'own@example.com'"),
  filtered('a bad escape', String.raw`userName eq "\x41"`),
];

/** Addresses, pages, conditions and methods. */
export const addresses: Attacks = (scene) => [
  ...[
    "' OR '1'='1",
    '..%2fGroups',
    '%2e%2e',
    '0',
    '-1',
    '1',
    'me',
    'null',
    `${scene.own.userId}'`,
    `${scene.own.userId}%20`,
    'x'.repeat(2_000),
  ].map((id) =>
    get(
      `the id ${id.slice(0, 50)}`,
      `/Users/${id.startsWith('%') || id.includes('%2') ? id : encodeURIComponent(id)}`,
      [],
      404,
    ),
  ),
  get('the id %00', '/Users/%00', SYNTAX),
  get('count in words', '/Users?count=many', [...SYNTAX, 'invalidCount', ...VALUE]),
  get('count as a float', '/Users?count=1.5', [...SYNTAX, 'invalidCount', ...VALUE]),
  get('count beyond all numbers', `/Users?count=${'9'.repeat(400)}`, [...SYNTAX, 'invalidCount', ...VALUE]),
  get('startIndex in words', '/Users?startIndex=first', [...SYNTAX, ...VALUE]),
  get('startIndex beyond all numbers', `/Users?startIndex=${'9'.repeat(400)}`, [...SYNTAX, ...VALUE]),
  get('startIndex with SQL', `/Users?startIndex=${encodeURIComponent('1; SELECT 1')}`, [...SYNTAX, ...VALUE]),
  get('attributes and excludedAttributes', '/Users?attributes=userName&excludedAttributes=name', [...SYNTAX, ...VALUE]),
  get('a filter twice', '/Users?filter=id%20eq%20%22x%22&filter=id%20pr', [...SYNTAX, 'invalidFilter', ...VALUE]),
  get('an address of nothing', '/Nothing', [], 404),
  get('an address above', '/../api/identity/v1/accounts', [], 404),
  { name: 'PUT to a list', method: 'PUT', path: '/Users', body: {}, status: 405, words: [] },
  { name: 'DELETE of a list', method: 'DELETE', path: '/Groups', status: 405, words: [] },
  { name: 'PATCH of a list', method: 'PATCH', path: '/Users', body: {}, status: 405, words: [] },
  { name: 'POST to a user', method: 'POST', path: `/Users/${scene.own.userId}`, body: {}, status: 405, words: [] },
  ...['W/"99"', '"x"', 'x', 'W/"-1"', 'W/"1e3"', 'W/"1\' OR 1=1"'].map((tag) => ({
    ...patchUser(scene, `If-Match ${tag}`, { op: 'replace', path: 'title', value: 'x' }, [], 412),
    headers: { 'if-match': tag },
  })),
];

/** Schemas that are not ours, or not of this type. */
export const schemas: Attacks = (scene) => [
  ...[['urn:nobody:knows'], [USER_URN, 'urn:nobody:knows'], [GROUP_URN], [], [5], [{}], ['__proto__']].map((named) =>
    postUser(`schemas ${JSON.stringify(named)}`, { schemas: named }, [...SYNTAX, ...VALUE]),
  ),
  postUser('schemas that are a text', { schemas: USER_URN }, [...SYNTAX, ...VALUE]),
  postUser(
    'an unknown extension',
    { 'urn:ietf:params:scim:schemas:extension:evil:2.0:User': { role: 'owner' } },
    SYNTAX,
  ),
  postUser('an unknown attribute of a known extension', { [ENTERPRISE_URN]: { role: 'owner' } }, [...SYNTAX, ...VALUE]),
  {
    ...patchUser(scene, 'x', [], SYNTAX),
    name: 'a PATCH that says it is a user',
    body: { schemas: [USER_URN], Operations: [{ op: 'add', path: 'title', value: 'x' }] },
  },
  {
    ...patchUser(scene, 'x', [], SYNTAX),
    name: 'a PATCH with more beside it',
    body: { schemas: [PATCH_URN], Operations: [{ op: 'add', path: 'title', value: 'x' }], active: true },
  },
  {
    ...patchUser(scene, 'x', [], SYNTAX),
    name: 'operations that are no list',
    body: { schemas: [PATCH_URN], Operations: { op: 'add', path: 'title', value: 'x' } },
  },
  {
    ...patchUser(scene, 'x', [], SYNTAX),
    name: 'operations twice',
    body: { schemas: [PATCH_URN], Operations: [{ op: 'add', path: 'title', value: 'x' }], operations: [] },
  },
];
