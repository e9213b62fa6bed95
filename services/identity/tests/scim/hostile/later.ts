import { get, patchUser, SYNTAX, type Attack, type Attacks } from './attack.ts';

const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';

const bulk = (name: string, operations: unknown, more: Partial<Attack> & { readonly extra?: object } = {}): Attack => {
  const { extra = {}, ...rest } = more;
  return {
    name,
    method: 'POST',
    path: '/Bulk',
    body: { schemas: [BULK], ...extra, Operations: operations },
    status: 400,
    words: SYNTAX,
    ...rest,
  };
};

const create = (bulkId: string) => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: { userName: `${bulkId}@bulk.example` },
});
const many = (count: number) => Array.from({ length: count }, (_, at) => create(String(at)));

/** Envelopes that are refused wholly, before anything of them is tried. */
export const bulkBombs: Attacks = () => [
  bulk('101 operations', many(101), { status: 413, words: [] }),
  bulk('10,000 operations', many(10_000), { status: 413, words: [] }),
  bulk('more than a mebibyte', [{ ...create('big'), data: { userName: 'x'.repeat(1024 * 1024) } }], {
    status: 413,
    words: [],
  }),
  bulk('no operation', []),
  bulk('operations that are no list', { 0: create('a') }),
  bulk('an operation that is no object', ['DELETE /Users']),
  bulk('one bulkId twice', [create('a'), create('a')]),
  bulk('a part nobody knows', [{ ...create('a'), admin: true }]),
  bulk('failOnErrors below 1', many(1), { extra: { failOnErrors: 0 } }),
  bulk('failOnErrors as a text', many(1), { extra: { failOnErrors: '1' } }),
  { ...bulk('x', []), name: 'another schema', body: { schemas: ['urn:nobody'], Operations: many(1) } },
  { ...bulk('x', []), name: 'no schema', body: { Operations: many(1) } },
  {
    ...bulk('x', []),
    name: 'pollution in the data of an operation',
    body: undefined,
    raw: `{"schemas":["${BULK}"],"Operations":[{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"x","__proto__":{"x":1}}}]}`,
  },
];

/** Cursors that were made up, cut, or given to somebody else. */
export const cursors =
  (foreign: string, own: string): Attacks =>
  () => [
    ...[
      'x',
      'e30',
      '!',
      own.slice(0, -2),
      `${own}AA`,
      `${own.startsWith('Z') ? 'Y' : 'Z'}${own.slice(1)}`,
      'A'.repeat(9_000),
      foreign,
    ].map((cursor, at) =>
      get(`cursor ${String(at)}`, `/Users?count=1&cursor=${encodeURIComponent(cursor)}`, ['invalidCursor']),
    ),
    get('a cursor of another filter', `/Users?count=1&filter=${encodeURIComponent('userName pr')}&cursor=${own}`, [
      'invalidCursor',
    ]),
    get('a cursor of another order', `/Users?count=1&sortBy=userName&cursor=${own}`, ['invalidCursor']),
    get('a cursor of another type', `/Groups?count=1&cursor=${own}`, ['invalidCursor']),
    get('a cursor and an index', `/Users?count=1&startIndex=1&cursor=${own}`, [
      'invalidCursor',
      ...SYNTAX,
      'invalidValue',
    ]),
    get('a negative count with a cursor', '/Users?count=-1&cursor=', ['invalidCount']),
    get('sorting by what nobody knows', '/Users?sortBy=nope', [
      'invalidPath',
      ...SYNTAX,
      'invalidValue',
      'invalidFilter',
    ]),
    get('sorting by a password', '/Users?sortBy=password', ['invalidPath', ...SYNTAX, 'invalidValue', 'invalidFilter']),
    get('sorting by a prototype name', '/Users?sortBy=__proto__', [
      'invalidPath',
      ...SYNTAX,
      'invalidValue',
      'invalidFilter',
    ]),
    get('an order that is none', '/Users?sortBy=userName&sortOrder=sideways', [...SYNTAX, 'invalidValue']),
  ];

/** The same attacks through `.search`, where parameters are JSON. */
export const searches: Attacks = (scene) => [
  ...[
    { filter: 5 },
    { filter: 'nope eq "x"' },
    { filter: '__proto__ eq "x"' },
    { count: '10' },
    { count: 1.5 },
    { startIndex: 'x' },
    { attributes: 'userName' },
    { attributes: [5] },
    { attributes: ['userName'], excludedAttributes: ['name'] },
    { sortBy: ['userName'] },
    { sql: 'x' },
  ].map((more): Attack => ({
    name: `a search for ${JSON.stringify(more)}`,
    method: 'POST',
    path: '/Users/.search',
    body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], ...more },
    status: 400,
    words: [...SYNTAX, 'invalidFilter', 'invalidValue', 'invalidCount'],
  })),
  { name: 'a search that is none', method: 'POST', path: '/.search', body: [], status: 400, words: SYNTAX },
  patchUser(scene, 'a PATCH of a search', [], SYNTAX),
];
