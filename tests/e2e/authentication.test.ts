/** Without a credential, or with somebody else's: 401 in the words of the surface, on every route, never anything else. */
import assert from 'node:assert/strict';

import type { Company } from '../src/company.ts';
import { fieldsOf, send, type Reply } from '../support/http.ts';
import { filled, routeTables, type Row } from '../support/route-tables.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken } from '../support/workshop.ts';

const ANY_ID = '0190a000-0000-7000-8000-000000000001';

/** What a 401 of a surface looks like. */
const SHAPES: Readonly<Record<Row['surface'], (reply: Reply) => void>> = {
  api: ({ headers, json }) => {
    const { code, status, title, type, instance } = fieldsOf(json);
    assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.deepEqual([code, status, type], ['UNAUTHENTICATED', 401, 'https://sallyport.dev/errors/UNAUTHENTICATED']);
    assert.equal(typeof title, 'string');
    assert.equal(instance, `urn:request:${headers.get('x-request-id') ?? ''}`);
  },
  scim: ({ headers, json }) => {
    assert.match(headers.get('content-type') ?? '', /^application\/scim\+json/);
    const { schemas, status } = fieldsOf(json);
    assert.deepEqual(schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
    assert.equal(status, '401');
  },
  ofrep: ({ text }) => {
    assert.equal(text, '');
  },
  authzen: ({ json }) => {
    assert.equal(typeof json, 'string');
  },
  oauth: ({ json }) => {
    assert.equal(typeof fieldsOf(json)['error'], 'string');
  },
  browser: () => {
    throw new TypeError('No page demands a credential with 401.');
  },
};

describe('who is not known is answered 401', function () {
  this.timeout(180_000);
  let company: Company;
  let rows: readonly Row[];

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    [company, rows] = await Promise.all([sharedCompany(), routeTables()]);
  });

  const assertRefused = async (row: Row, headers: Readonly<Record<string, string>>): Promise<void> => {
    const url = company.constellation.origin + filled(row.path, () => ANY_ID);
    const reply = await send(row.method, url, { headers });
    assert.equal(reply.status, 401, `${row.name}: ${String(reply.status)} ${reply.text}`);
    assert.match(reply.headers.get('www-authenticate') ?? '', /^Bearer/i, row.name);
    assert.equal(reply.headers.get('set-cookie'), null);
    SHAPES[row.surface](reply);
  };

  const onEveryRoute = async (headersFor: (row: Row) => readonly Readonly<Record<string, string>>[]): Promise<void> => {
    const closed = rows.filter(({ access }) => access !== 'public');
    assert.ok(closed.length > 80, `${String(closed.length)} routes`);
    for (const row of closed) for (const headers of headersFor(row)) await assertRefused(row, headers);
  };

  it('without a credential, on every route that is not public', async () => {
    await onEveryRoute(() => [{}]);
  });

  it('with something that is no credential', async () => {
    const words = ['', 'Bearer x', 'Basic b3duZXI6b3duZXI=', `Bearer ${'a'.repeat(4_000)}`];
    await onEveryRoute(() => words.map((authorization) => ({ authorization })));
  });

  it('with a cookie that is no session', async () => {
    await onEveryRoute(() => [{ cookie: '__Host-sallyport_session=x' }, { cookie: '__Host-sallyport_session=' }]);
  });

  it('with a live credential of another surface', async () => {
    const { bootstrap } = company.constellation;
    const [environmentKey = ''] = Object.values(bootstrap.flags.environmentKeys);
    const credentials: readonly (readonly [surface: Row['surface'], token: string])[] = [
      ['scim', bootstrap.scim.token],
      ['authzen', bootstrap.policy.token],
      ['ofrep', environmentKey],
      ['api', await ownerToken(company)],
    ];
    // /Me is for people and tells a directory that it is none (RFC 7644 §3.11).
    const takes = ({ path, surface }: Row): readonly Row['surface'][] =>
      path === '/scim/v2/Me' ? ['scim', 'api'] : [surface];
    await onEveryRoute((row) =>
      credentials.flatMap(([of, token]) => (takes(row).includes(of) ? [] : [{ authorization: `Bearer ${token}` }])),
    );
  });
});
