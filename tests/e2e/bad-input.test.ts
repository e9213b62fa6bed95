/** What nobody should send: every surface says what is wrong in its own words, changes nothing and shows no insides. */
import assert from 'node:assert/strict';

import type { Company } from '../src/company.ts';
import { announce, fieldsOf, pour, send, type Reply } from '../support/http.ts';
import { ROUTE_CASES } from '../support/route-cases.ts';
import { filled, routeTables, type Row } from '../support/route-tables.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { Workshop } from '../support/workshop.ts';

type Surface = Row['surface'];

const MIB = 1024 * 1024;
const SCIM_ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';

/** What stands where the error's name stands, per surface; null: the surface has no such name. */
const nameOf: Readonly<Record<Surface, (json: unknown) => unknown>> = {
  api: (json) => fieldsOf(json)['code'],
  scim: (json) => fieldsOf(json)['scimType'] ?? fieldsOf(json)['status'],
  ofrep: (json) => fieldsOf(json)['errorCode'],
  authzen: (json) => typeof json,
  oauth: (json) => fieldsOf(json)['error'],
  browser: () => null,
};

interface Fault {
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly expected: Readonly<Partial<Record<Surface, readonly [status: number, name: string]>>>;
}

const JSON_TYPE = { 'content-type': 'application/json' };

const malformed = (what: string, body: string): Fault => ({
  what,
  headers: JSON_TYPE,
  body,
  expected: {
    api: [400, 'MALFORMED_JSON'],
    scim: [400, 'invalidSyntax'],
    ofrep: [400, 'PARSE_ERROR'],
    authzen: [400, 'string'],
  },
});

const shapeless = (what: string, body: string): Fault => ({
  what,
  headers: JSON_TYPE,
  body,
  expected: {
    api: [400, 'INVALID_REQUEST'],
    scim: [400, 'invalidSyntax'],
    ofrep: [400, 'INVALID_CONTEXT'],
    authzen: [400, 'string'],
  },
});

const wrongType = (what: string, headers: Readonly<Record<string, string>>): Fault => ({
  what,
  headers,
  body: '{}',
  expected: {
    api: [415, 'UNSUPPORTED_MEDIA_TYPE'],
    scim: [415, '415'],
    ofrep: [415, 'GENERAL'],
    authzen: [400, 'string'],
  },
});

const FAULTS: readonly Fault[] = [
  malformed('JSON that ends early', '{"name":'),
  malformed('no JSON at all', 'name=value'),
  malformed('JSON nested 20,000 deep', '['.repeat(20_000)),
  shapeless('a list where an object belongs', '[]'),
  shapeless('null', 'null'),
  shapeless('text', '"text"'),
  wrongType('text', { 'content-type': 'text/plain' }),
  wrongType('a form', { 'content-type': 'application/x-www-form-urlencoded' }),
  wrongType('another character set', { 'content-type': 'application/json; charset=utf-16' }),
  wrongType('a compressed body', { ...JSON_TYPE, 'content-encoding': 'gzip' }),
];

/** Names that objects have anyway. */
const INHERITED = ['toString', 'valueOf', 'hasOwnProperty', '__defineGetter__'];

const POLLUTING = [
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"name":{"__proto__":{"polluted":true}}}',
  '{"a":[{"\\u005f_proto__":{"polluted":true}}]}',
];

describe('bad input', function () {
  this.timeout(180_000);
  let company: Company;
  let workshop: Workshop;
  let rows: readonly Row[];

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    [company, rows] = await Promise.all([sharedCompany(), routeTables()]);
    workshop = await Workshop.open(company);
  });

  const urlOf = (path: string): string => company.constellation.origin + path;

  interface Target {
    readonly row: Row;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
  }

  /** Every route that takes JSON, with a path that exists and somebody who may. */
  const targets = async (): Promise<Target[]> => {
    const taking = rows.filter(({ hasBody, access, name }) => hasBody && access !== 'public' && name in ROUTE_CASES);
    assert.ok(taking.length > 30, `${String(taking.length)} routes`);
    const found: Target[] = [];
    // One after another: some of what is made keeps a processor busy, and decisions do not last for ever.
    for (const row of taking) {
      const routeCase = ROUTE_CASES[row.name];
      const { params = {} } = (await routeCase?.prepare(workshop)) ?? {};
      const url = urlOf(filled(row.path, (name) => params[name] ?? ''));
      found.push({ row, url, headers: workshop.credentials[routeCase?.as ?? 'owner'] });
    }
    return found;
  };

  const assertError = (
    { row }: Target,
    reply: Reply,
    [status, name]: readonly [number, string],
    what: string,
  ): void => {
    const seen = `${row.name}, ${what}: ${String(reply.status)} ${reply.text.slice(0, 300)}`;
    assert.deepEqual([reply.status, nameOf[row.surface](reply.json)], [status, name], seen);
    if (row.surface === 'scim') assert.deepEqual(fieldsOf(reply.json)['schemas'], [SCIM_ERROR]);
    if (row.surface === 'scim') assert.equal(fieldsOf(reply.json)['status'], String(status));
    if (row.surface === 'api') assert.equal(reply.headers.get('content-type'), 'application/problem+json');
  };

  it('in a body is a typed error on every route that takes one', async () => {
    for (const target of await targets()) {
      for (const { what, headers, body, expected } of FAULTS) {
        const wanted = expected[target.row.surface];
        assert.ok(wanted !== undefined);
        const reply = await send(target.row.method, target.url, { headers: { ...target.headers, ...headers }, body });
        assertError(target, reply, wanted, what);
      }
    }
  });

  it('longer than allowed is refused before it has arrived, on every route that takes a body', async () => {
    for (const { row, url, headers } of await targets()) {
      const status = await announce(row.method, url, { headers: { ...headers, ...JSON_TYPE }, bytes: 64 * MIB });
      assert.equal(status, row.surface === 'authzen' ? 400 : 413, row.name);
    }
  });

  it('of unknown length is cut off where the cap is', async () => {
    for (const [service, path, sender] of [
      ['flags', '/api/flags/v1/projects', 'owner'],
      ['identity', '/scim/v2/Users', 'directory'],
      ['flags', '/ofrep/v1/evaluate/flags', 'environment-key'],
    ] as const) {
      const { httpUrl } = company.constellation.services[service];
      const sent = await pour(httpUrl + path, { ...workshop.credentials[sender], ...JSON_TYPE });
      assert.ok(sent < 32 * MIB, `${path} took ${String(sent)} bytes`);
    }
  });

  it('that reaches for the prototype is refused where it would be kept, and changes nothing elsewhere', async () => {
    for (const target of await targets()) {
      for (const body of POLLUTING) {
        const reply = await send(target.row.method, target.url, { headers: { ...target.headers, ...JSON_TYPE }, body });
        assert.ok(reply.status === 400, `${target.row.name} ${body}: ${String(reply.status)} ${reply.text}`);
      }
    }
    for (const path of ['/api/identity/v1/me', '/api/policy/v1/roles', '/api/flags/v1/projects'])
      assert.doesNotMatch((await send('GET', urlOf(path), { headers: workshop.credentials.owner })).text, /polluted/);
  });

  it('with names every object has is like any other', async () => {
    const odd = Object.fromEntries(INHERITED.map((name) => [name, 'x']));
    for (const target of await targets()) {
      const { method, surface } = target.row;
      const headers = { ...target.headers, ...JSON_TYPE };
      const { status, text } = await send(method, target.url, { headers, body: JSON.stringify(odd) });
      // A directory may send attributes nobody knows; without the others the request is still no user.
      assert.equal(status, 400, `${target.row.name} (${surface}): ${text}`);
    }
    const context = { targetingKey: 'c', constructor: { prototype: { polluted: true } }, ...odd };
    const evaluated = await send('POST', urlOf('/ofrep/v1/evaluate/flags/standing'), {
      headers: { ...workshop.credentials['environment-key'], ...JSON_TYPE },
      body: JSON.stringify({ context }),
    });
    assert.equal(evaluated.status, 200, evaluated.text);
    const asked = {
      subject: { type: 'user', id: await workshop.user(), properties: context },
      action: { name: 'organization:read', ...odd },
      resource: { type: 'organization', id: company.orgId, properties: context },
      context,
    };
    const decided = await send('POST', urlOf('/access/v1/evaluation'), {
      headers: { ...workshop.credentials['decision-token'], ...JSON_TYPE },
      body: JSON.stringify(asked),
    });
    assert.deepEqual([decided.status, decided.json], [200, { decision: false }]);
  });

  it('in a query is a 400 that names it, on every list', async () => {
    const lists = rows.filter(
      ({ method, path, surface }) => method === 'GET' && surface === 'api' && !path.includes(':'),
    );
    const queries: readonly (readonly [query: string, at: RegExp])[] = [
      ['limit=0', /limit/],
      ['limit=many', /limit/],
      ['limit=1&limit=2', /limit/],
      ['cursor=%00', /cursor/],
      ['cursor=bm90aGluZw', /cursor/],
      ['surprise=1', /surprise/],
    ];
    let asked = 0;
    for (const { path } of lists.filter((row) =>
      /\/(connections|accounts|groups|grants|projects|audit)$/.test(row.path),
    )) {
      for (const [query, at] of queries) {
        const reply = await send('GET', `${urlOf(path)}?${query}`, { headers: workshop.credentials.owner });
        assert.equal(reply.status, 400, `${path}?${query}: ${reply.text}`);
        assert.match(reply.text, at);
        asked += 1;
      }
    }
    assert.ok(asked >= 40);
  });

  it('in a path is a 4xx: no route, no such thing, or not even text', async () => {
    const paths = [
      '/api/identity/v1/accounts/%00',
      '/api/identity/v1/accounts/not-a-uuid',
      '/api/identity/v1/accounts/%E0%A4%A',
      '/api/flags/v1/projects/..%2F..%2Fetc',
      "/api/flags/v1/projects/a'%20OR%201=1--",
      `/api/flags/v1/projects/${'x'.repeat(5_000)}`,
      '/api/identity/v1/accounts/__proto__',
      '/api/flags/v1/projects/constructor',
      '//evil.example/api/identity/v1/me',
    ];
    for (const path of paths) {
      const { status } = await send('GET', urlOf(path), { headers: workshop.credentials.owner });
      assert.ok(status >= 400 && status < 500, `${path}: ${String(status)}`);
    }
  });

  it('without a route is 404 in the words of the surface', async () => {
    const unmapped: readonly (readonly [path: string, surface: Surface])[] = [
      ['/api/identity/v1/nothing', 'api'],
      ['/api/policy/v1/nothing', 'api'],
      ['/api/flags/v1/nothing', 'api'],
      ['/scim/v2/Nothing', 'scim'],
      ['/access/v1/nothing', 'authzen'],
      ['/ofrep/v1/nothing', 'ofrep'],
      ['/api/identity/v2/me', 'api'],
      ['/api/IDENTITY/v1/me', 'api'],
    ];
    for (const [path, surface] of unmapped) {
      const { status, json, text } = await send('GET', urlOf(path), { headers: workshop.credentials.owner });
      assert.equal(status, 404, path);
      const names = { api: 'NOT_FOUND', scim: '404', authzen: 'string', ofrep: 'GENERAL', oauth: '', browser: '' };
      assert.equal(nameOf[surface](json), names[surface], `${path}: ${text}`);
    }
  });

  it('to what only operators may see is 404 at the public origin', async () => {
    for (const path of ['/metrics', '/healthz', '/readyz', '/metrics/', '/%6detrics'])
      assert.equal((await send('GET', urlOf(path))).status, 404, path);
  });

  const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`);

  it('with another method is 405 and names those there are, on every route', async () => {
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
    for (const path of new Set(rows.map((row) => row.path))) {
      const known = new Set<string>(rows.filter((row) => row.path === path).map(({ method }) => method));
      // A path such as …/Users/.search is one of …/Users/:id too.
      const taken = new Set(rows.filter((row) => patternOf(row.path).test(path)).map(({ method }) => method));
      const other = methods.find((method) => !taken.has(method));
      if (other === undefined) continue;
      const url = urlOf(filled(path, () => '0190a000-0000-7000-8000-000000000001'));
      const { status, headers } = await send(other, url, { headers: workshop.credentials.owner });
      assert.equal(status, 405, `${other} ${path}`);
      const allowed = (headers.get('allow') ?? '').split(', ');
      for (const method of known) assert.ok(allowed.includes(method), `${path}: ${allowed.join()}`);
    }
  });

  it('of methods nobody knows is refused', async () => {
    for (const method of ['PROPFIND', 'MKCOL', 'PURGE'])
      assert.equal((await send(method, urlOf('/api/identity/v1/me'))).status, 405, method);
  });
});
