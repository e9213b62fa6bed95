/**
 * Every route that names something or changes something, once: another organisation's Owner is told that it does not
 * exist, the company's own request works, and what it changed is in the audit log exactly once.
 */
import assert from 'node:assert/strict';

import { expectStatus } from '@sallyport/dev-env/actors';

import type { Company } from '../src/company.ts';
import { send, type Reply } from '../support/http.ts';
import type { Rival } from '../support/rival.ts';
import type { Prepared, RouteCase } from '../support/route-case.ts';
import { ROUTE_CASES } from '../support/route-cases.ts';
import { filled, routeTables, type Row } from '../support/route-tables.ts';
import type { Credentials } from '../support/senders.ts';
import { BOOT_TIMEOUT_MS, sharedCompany, sharedRival } from '../support/shared-company.ts';
import { Workshop } from '../support/workshop.ts';

const USER_AGENT = 'every-route/1.0';

/** Rows whose parameter names nothing of an organisation's. */
const OF_NOBODY = ['GET /scim/v2/ResourceTypes/:id', 'GET /scim/v2/Schemas/:id'];

/** They hold up what every other route here does; services/policy/tests/proposals.test.ts has them. */
const IN_THEIR_OWN_SUITE = ['POST /api/policy/v1/protections', 'PATCH /api/policy/v1/protections/:protectionId'];

/** Parameters whose values are keys: an organisation of its own may have the same ones. */
const PLACES: readonly string[] = ['project', 'environment'];

interface Entry {
  readonly action: string;
  readonly outcome: string;
  readonly request_id: string;
  readonly ip: string;
  readonly user_agent: string;
  readonly actor: { readonly type: string; readonly id: string; readonly via?: string };
  readonly before?: unknown;
  readonly after?: unknown;
}

const rowOf = (name: string): { method: string; path: string; service: string } => {
  const [method = '', path = ''] = name.split(' ');
  const service = /^\/(scim|api\/identity)\//.test(path)
    ? 'identity'
    : path.startsWith('/api/flags')
      ? 'flags'
      : 'policy';
  return { method, path, service };
};

describe('every route', function () {
  this.timeout(180_000);
  let company: Company;
  let rival: Rival;
  let workshop: Workshop;
  let rows: readonly Row[];

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    [company, rows] = await Promise.all([sharedCompany(), routeTables()]);
    rival = await sharedRival();
    workshop = await Workshop.open(company);
  });

  const ask = async (
    name: string,
    { as = 'owner' }: RouteCase,
    { params = {}, body, headers: own, condition = {} }: Prepared,
    credentials: Credentials,
  ): Promise<Reply> => {
    const { method, path } = rowOf(name);
    // Somebody else asks with what they hold themselves.
    const headers = {
      ...(credentials === workshop.credentials ? (own ?? credentials[as]) : credentials[as]),
      ...condition,
      'user-agent': USER_AGENT,
    };
    return await send(method, company.constellation.origin + filled(path, (param) => params[param] ?? ''), {
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  };

  const entriesOf = async (name: string, requestId: string): Promise<Entry[]> => {
    const path = `/api/${rowOf(name).service}/v1/audit?order=oldest-first&requestId=${requestId}`;
    const { items } = await expectStatus(company.owner, 200, 'GET', path);
    return (items as { entry: Entry }[]).map(({ entry }) => entry);
  };

  it('is here: none that names or changes something was left out', () => {
    const wanted = rows
      .filter(({ access, method, path }) => access !== 'public' && (method !== 'GET' || path.includes(':')))
      .map(({ name }) => name)
      .filter((name) => !OF_NOBODY.includes(name) && !IN_THEIR_OWN_SUITE.includes(name));
    assert.deepEqual(
      wanted.filter((name) => ROUTE_CASES[name] === undefined),
      [],
    );
    assert.deepEqual(
      Object.keys(ROUTE_CASES).filter((name) => !rows.some((row) => row.name === name)),
      [],
    );
  });

  const assertNotFound = (reply: Reply): void => {
    assert.equal(reply.status, 404, `${String(reply.status)} ${reply.text}`);
    // Also in words: as if it had never been.
    assert.doesNotMatch(reply.text, /organi[sz]ation|tenant/i);
  };

  const attack = async (name: string, routeCase: RouteCase, prepared: Prepared): Promise<void> => {
    const params = prepared.params ?? {};
    if (Object.keys(params).length === 0) return;
    assertNotFound(await ask(name, routeCase, prepared, rival.credentials));
    if (params['project'] === undefined || Object.keys(params).every((param) => PLACES.includes(param))) return;
    // From inside a project of its own, where it may do everything: the id alone must not be enough.
    const inside = { ...prepared, params: { ...params, project: rival.project } };
    assertNotFound(await ask(name, routeCase, inside, rival.credentials));
  };

  const assertRecorded = async (name: string, { as, entries = [] }: RouteCase, reply: Reply): Promise<void> => {
    const recorded = await entriesOf(name, reply.headers.get('x-request-id') ?? 'none');
    assert.deepEqual(
      recorded.map(({ action }) => action),
      entries,
    );
    for (const entry of recorded) {
      assert.equal(entry.outcome, 'success');
      assert.equal(entry.user_agent, USER_AGENT);
      assert.match(entry.ip, /^(127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)$/);
      assert.equal(entry.actor.type, as === 'directory' ? 'connection' : 'user');
      assert.ok(entry.before !== undefined || entry.after !== undefined, 'neither before nor after');
    }
  };

  for (const [name, routeCase] of Object.entries(ROUTE_CASES)) {
    it(name, async () => {
      const prepared = await routeCase.prepare(workshop);
      await attack(name, routeCase, prepared);
      const reply = await ask(name, routeCase, prepared, workshop.credentials);
      assert.equal(reply.status, routeCase.status, `${String(reply.status)} ${reply.text}`);
      await assertRecorded(name, routeCase, reply);
    });
  }
});
