/** What every answer tells a browser: headers, cookies, and who may send a request with them. */
import assert from 'node:assert/strict';

import { Person } from '@sallyport/dev-env/actors';

import type { Company } from '../src/company.ts';
import { registerApplication } from '../support/application.ts';
import { fieldsOf, send, type Reply } from '../support/http.ts';
import { filled, routeTables } from '../support/route-tables.ts';
import { sessionHeaders } from '../support/senders.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken, signInOwner } from '../support/workshop.ts';

const ANY_ID = '0190a000-0000-7000-8000-000000000001';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

const assertCommon = (reply: Reply, what: string): void => {
  const { headers } = reply;
  assert.equal(headers.get('x-content-type-options'), 'nosniff', what);
  assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/, what);
  assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, what);
  assert.equal(headers.get('x-frame-options'), 'DENY', what);
  assert.match(headers.get('cache-control') ?? '', /no-store/, what);
  assert.match(headers.get('x-request-id') ?? '', /^[\w-]{8,}$/, what);
  for (const name of ['server', 'x-powered-by', 'access-control-allow-origin'])
    assert.equal(headers.get(name), null, what);
};

describe('what browsers are told', function () {
  this.timeout(180_000);
  let company: Company;
  let origin: string;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    ({ origin } = company.constellation);
  });

  const signInForm = async (headers: Record<string, string>): Promise<Reply> => {
    const { owner, organization } = company.constellation.bootstrap;
    const body = new URLSearchParams({ ...owner, organization: organization.slug }).toString();
    return await send('POST', `${origin}/login/password`, { headers: { ...FORM, ...headers }, body });
  };

  it('pages load only what is our own, run no inline script and are never framed', async () => {
    const pages = ['/login', '/account', `/saml/${ANY_ID}/login`, '/login/interaction/0123456789', '/oidc/auth'];
    for (const path of pages) {
      const reply = await send('GET', origin + path);
      assert.match(reply.headers.get('content-type') ?? '', /^text\/html/, path);
      assertCommon(reply, path);
      const policy = reply.headers.get('content-security-policy') ?? '';
      assert.doesNotMatch(policy, /unsafe|\*/, path);
      assert.match(policy, /base-uri 'none'/, path);
      // A signing-out application's own address is where the provider's form ends: it alone may lead away.
      if (!path.startsWith('/oidc')) assert.match(policy, /form-action 'self'/, path);
      assert.match(reply.headers.get('referrer-policy') ?? '', /^(same-origin|no-referrer)$/, path);
      // A script is a file of our own, or there is none.
      assert.doesNotMatch(
        reply.text,
        /<script(?! src="\/[^/"][^"]*" defer><\/script>)|\son\w+=|style="|javascript:/i,
        path,
      );
      if (!path.startsWith('/oidc')) {
        assert.equal(reply.headers.get('cross-origin-opener-policy'), 'same-origin', path);
        assert.match(reply.headers.get('permissions-policy') ?? '', /camera=\(\)/, path);
      }
      assert.equal(reply.headers.get('cross-origin-resource-policy'), 'same-origin', path);
      assert.match(reply.text, /<html lang="en">/, path);
    }
  });

  it('machine answers carry the same, on every surface, whether they succeed or not', async () => {
    const headers = { authorization: `Bearer ${await ownerToken(company)}`, origin: 'https://evil.example' };
    const paths = [
      '/api/identity/v1/me',
      '/api/policy/v1/roles',
      '/api/flags/v1/projects',
      '/api/flags/v1/nothing',
      '/scim/v2/Users',
      '/access/v1/evaluation',
      '/ofrep/v1/evaluate/flags',
    ];
    for (const path of paths) {
      const reply = await send('GET', origin + path, { headers });
      assertCommon(reply, path);
      assert.equal(reply.headers.get('referrer-policy'), 'no-referrer', path);
    }
  });

  it('answers no preflight of another origin', async () => {
    for (const path of ['/api/identity/v1/me', '/api/flags/v1/projects', '/scim/v2/Users', '/login/password']) {
      const { headers } = await send('OPTIONS', origin + path, {
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      });
      assert.equal(headers.get('access-control-allow-origin'), null, path);
    }
  });

  it('a request id of the caller’s is kept when it is harmless, replaced when it is not', async () => {
    const ask = async (id: string): Promise<string | null> =>
      (await send('GET', `${origin}/login`, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    assert.equal(await ask('build-4711.retry_2'), 'build-4711.retry_2');
    for (const id of ['a b', '<script>', 'x'.repeat(500), '"'])
      assert.match((await ask(id)) ?? '', /^[0-9a-f]{8}-[0-9a-f-]{27}$/, id);
  });

  it('cookies are __Host- (or __Secure- on one path), Secure, HttpOnly, SameSite and hold nothing readable', async () => {
    const seen = new Map<string, string>();
    const keep = (reply: { headers: Headers }): void => {
      for (const line of reply.headers.getSetCookie()) seen.set(line.split('=', 1)[0] ?? '', line);
    };
    const { issuer } = company.constellation.bootstrap.oidc;
    keep(await send('GET', `${origin}/saml/${company.connectionId}/login`));
    keep(await send('GET', `${origin}/login/oidc/${company.connectionId}/start`));
    keep(await signInForm({ origin }));
    const person = await signInOwner(company);
    const { url } = await (await registerApplication(company, 'Cookies')).begin();
    assert.ok(url.href.startsWith(issuer));
    keep(await send('GET', url.href));
    assert.ok(person.session !== undefined);
    assert.ok(seen.has('__Host-sallyport_session') && seen.has('__Host-sallyport_login'), [...seen.keys()].join());
    assert.ok(seen.size >= 4, [...seen.keys()].join());
    for (const [name, line] of seen) {
      assert.match(line, /; *secure/i, line);
      assert.match(line, /; *httponly/i, line);
      assert.doesNotMatch(line, /; *domain=/i, line);
      // Posted back by the identity provider's page: the only one that other sites may bring along.
      assert.match(line, name === '__Host-sallyport_login' ? /samesite=none/i : /samesite=(lax|strict)/i, line);
      if (name.startsWith('__Host-')) assert.match(line, /; *path=\/(;|$)/i, line);
      else assert.match(line, /^__Secure-.*; *path=\/(login|oidc)\/[^;]+/i, line);
      assert.doesNotMatch(line, /acme|owner@|0190/i, line);
    }
  });

  it('a session cookie is a new one at every sign-in, and the one from before ends', async () => {
    const first = await signInForm({ origin });
    const cookie = (first.headers.getSetCookie()[0] ?? '').split(';', 1)[0] ?? '';
    const second = await signInForm({ origin, cookie });
    const again = (second.headers.getSetCookie()[0] ?? '').split(';', 1)[0] ?? '';
    assert.notEqual(again, cookie);
    const me = async (value: string): Promise<number> =>
      (await send('GET', `${origin}/api/identity/v1/me`, { headers: { cookie: value } })).status;
    assert.deepEqual([await me(cookie), await me(again)], [401, 200]);
  });

  describe('a request another site makes a browser send', () => {
    const FOREIGN: readonly Readonly<Record<string, string>>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      {},
    ];

    it('is refused on every route that changes something, whatever says where it comes from', async () => {
      const { cookie = '' } = sessionHeaders(await signInOwner(company));
      const rows = await routeTables();
      const unsafe = rows.filter(({ method, access }) => method !== 'GET' && access === 'principal');
      assert.ok(unsafe.length > 40);
      for (const { method, path, name } of unsafe) {
        for (const foreign of FOREIGN) {
          const headers = { cookie, 'content-type': 'application/json', ...foreign };
          const { status, json } = await send(method, origin + filled(path, () => ANY_ID), { headers, body: '{}' });
          assert.deepEqual(
            [status, fieldsOf(json)['code']],
            [403, 'ORIGIN_MISMATCH'],
            `${name} ${JSON.stringify(foreign)}`,
          );
        }
      }
    });

    it('neither signs somebody in nor out', async () => {
      for (const foreign of FOREIGN) {
        const reply = await signInForm({ ...foreign });
        assert.equal(reply.status, 403);
        assert.deepEqual(reply.headers.getSetCookie(), []);
      }
      const person = await signInOwner(company);
      const { cookie = '' } = sessionHeaders(person);
      for (const foreign of FOREIGN)
        assert.equal(
          (await send('POST', `${origin}/logout`, { headers: { cookie, ...FORM, ...foreign } })).status,
          403,
        );
      assert.equal((await person.call('GET', '/api/identity/v1/me')).status, 200);
    });

    it('does not go to where a link says after the sign-in, unless that is here', async () => {
      for (const returnTo of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)']) {
        const { owner, organization } = company.constellation.bootstrap;
        const body = new URLSearchParams({ ...owner, organization: organization.slug, returnTo }).toString();
        const reply = await send('POST', `${origin}/login/password`, { headers: { ...FORM, origin }, body });
        const location = new URL(reply.headers.get('location') ?? '', origin);
        assert.deepEqual([reply.status, location.origin], [303, origin], returnTo);
      }
    });

    it('a bearer token needs no origin: no browser attaches it by itself', async () => {
      const headers = { authorization: `Bearer ${await ownerToken(company)}`, 'content-type': 'application/json' };
      const body = JSON.stringify({ subject: { type: 'user', id: ANY_ID }, action: 'flag:read' });
      assert.equal((await send('POST', `${origin}/api/policy/v1/check`, { headers, body })).status, 200);
    });
  });

  it('nobody is told which part of a sign-in was wrong', async () => {
    const { owner, organization } = company.constellation.bootstrap;
    const attempts = [
      { email: owner.email, password: 'wrong', organization: organization.slug },
      { email: 'nobody@acme.example', password: owner.password, organization: organization.slug },
      { email: owner.email, password: owner.password, organization: 'nowhere' },
    ];
    const answers = new Set<string>();
    for (const attempt of attempts) {
      const person = new Person(origin, attempt.email);
      const { status, body } = await person.call('POST', '/api/identity/v1/login', attempt);
      const { instance: _instance, ...said } = body;
      answers.add(JSON.stringify([status, said]));
    }
    assert.equal(answers.size, 1, [...answers].join('\n'));
  });
});
