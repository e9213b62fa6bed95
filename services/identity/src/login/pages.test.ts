import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import fc from 'fast-check';

import { renderErrorPage, STYLE } from '../pages/index.ts';
import type { HomeRealm } from './identity-store.ts';
import { choicePage, signInPage } from './pages.ts';

const realm = (id: string, protocol: HomeRealm['protocol'], name = 'Okta'): HomeRealm => ({
  id,
  orgId: 'org',
  orgName: 'Acme <Corp>',
  name,
  enabled: true,
  hasDirectory: true,
  protocol,
});

describe('pages of signing in', () => {
  it('keep the address that was typed in its own form, and fold local accounts away until one was tried', () => {
    const fresh = signInPage('/account');
    assert.match(fresh, /<details>/);
    const work = signInPage('/account', { alert: 'No.', tried: { form: 'work', email: 'a@b.example' } });
    assert.match(work, /id="email"[^>]*value="a@b\.example"/);
    assert.match(work, /<details>/);
    const local = signInPage('/account', { alert: 'No.', tried: { form: 'local', email: 'a@b.example' } });
    assert.match(local, /<details open>/);
    assert.match(local, /id="local-email"[^>]*value="a@b\.example"/);
    assert.match(local, /id="email"[^>]*value=""/);
    for (const page of [fresh, work, local]) assert.doesNotMatch(page, /type="password"[^>]*value/);
  });

  it('say the protocol only where nothing else tells two choices apart', () => {
    const both = choicePage([realm('1', 'oidc'), realm('1', 'saml')], '/account');
    assert.match(both, /by OpenID Connect/);
    assert.match(both, /by SAML/);
    assert.match(both, /Acme &lt;Corp&gt;/);
    assert.doesNotMatch(both, /http-equiv="refresh"/);
    const distinct = choicePage([realm('1', 'oidc', 'Okta'), realm('2', 'saml', 'Entra')], '/account');
    assert.doesNotMatch(distinct, /by SAML|by OpenID/);
  });

  it('go at once to the only place there is', () => {
    assert.match(
      choicePage([realm('1', 'saml')], '/account?x=1&y=2'),
      /http-equiv="refresh" content="0; url=\/saml\/1\/login\?returnTo=%2Faccount%3Fx%3D1%26y%3D2"/,
    );
  });

  it('show nothing typed as markup (property)', () => {
    fc.assert(
      fc.property(fc.string(), (typed) => {
        const frame = signInPage('/account', { alert: 'x', tried: { form: 'local', email: '' } });
        const page = signInPage('/account', { alert: 'x', tried: { form: 'local', email: `"><b>${typed}` } });
        const tags = (html: string): number => html.split('<').length;
        assert.equal(tags(page), tags(frame));
      }),
    );
  });

  it('say of an error what is wrong below 500, only the number to give to support from 500 on', () => {
    const rendering = { requestId: 'r-1', surface: 'browser', method: 'GET', path: '/', status: 404 } as const;
    const found = renderErrorPage(new AppError('NOT_FOUND', 'Nothing <here>.'), { ...rendering, opaque: false });
    assert.match(String(found.body), /Nothing &lt;here&gt;\./);
    const broken = renderErrorPage(new AppError('INTERNAL', 'secret detail'), {
      ...rendering,
      status: 500,
      opaque: true,
    });
    assert.doesNotMatch(String(broken.body), /secret detail/);
    assert.match(String(broken.body), /r-1/);
  });

  it('have a style of their own without anything from elsewhere', () => {
    assert.doesNotMatch(STYLE, /url\(|@import|http/);
  });
});
