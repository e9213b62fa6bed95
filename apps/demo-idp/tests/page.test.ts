import assert from 'node:assert/strict';
import { PlainBrowser } from './support/browser.ts';
import { type RecordingScim, startRecordingScim } from './support/recording-scim.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

describe('the page without scripts', () => {
  let idp: TestIdp;
  let scim: RecordingScim;
  let browser: PlainBrowser;

  before(async () => {
    scim = await startRecordingScim();
    idp = await startTestIdp();
    browser = new PlainBrowser();
    await idp.api('PUT', '/api/targets', { scim: { baseUrl: scim.baseUrl, token: 'top-secret' } });
  });
  after(async () => {
    await idp.close();
    await scim.close();
  });

  function switchOf(page: string, key: string): string {
    return new RegExp(`id="switch-${key}"[^>]*aria-checked="(true|false)"`).exec(page)?.[1] ?? 'missing';
  }

  it('shows everybody, and nothing inline that its own policy would stop', async () => {
    const answer = await fetch(`${idp.origin}/`);
    const text = await answer.text();
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'; script-src 'self'/);
    for (const name of ['Dana Developer', 'Zoë Özdemir', 'Release Managers']) assert.ok(text.includes(name));
    assert.doesNotMatch(text, /<script(?![^>]*src=)|<style|\son\w+=|\sstyle=/);
    for (const asset of ['page.css', 'company.css', 'page.js', 'continue.js', 'icon.svg']) {
      assert.equal((await fetch(`${idp.origin}/assets/${asset}`)).status, 200);
    }
  });

  it('provisions, deactivates and activates by its forms, and shows what was answered', async () => {
    assert.equal((await browser.post(`${idp.origin}/ui/provision`, { full: 'false' })).status, 200);
    const off = await browser.post(`${idp.origin}/ui/people/dana/deactivate`, {});
    assert.equal(off.url, `${idp.origin}/#person-dana`);
    assert.equal(switchOf(off.text, 'dana'), 'false');
    assert.match(off.text, /deactivate: answered 204 ·/);
    assert.match(off.text, /PATCH/);
    assert.equal(switchOf((await browser.post(`${idp.origin}/ui/people/dana/activate`, {})).text, 'dana'), 'true');
  });

  it('moves people between groups and switches the flavour by its forms', async () => {
    const added = await browser.post(`${idp.origin}/ui/members`, { person: 'dana', group: 'auditors', member: 'true' });
    assert.match(added.text, /Remove Dana Developer from Auditors/);
    const removed = await browser.post(`${idp.origin}/ui/members`, {
      person: 'dana',
      group: 'auditors',
      member: 'false',
    });
    assert.doesNotMatch(removed.text, /Remove Dana Developer from Auditors/);
    const entra = await browser.post(`${idp.origin}/ui/flavor`, { flavor: 'entra' });
    assert.match(entra.text, /value="entra"\s+aria-pressed="true"/);
    assert.equal((await browser.post(`${idp.origin}/ui/flavor`, { flavor: 'x' })).status, 400);
    await browser.post(`${idp.origin}/ui/flavor`, { flavor: 'okta' });
  });

  it('escapes what people are called, in the page and in the log', async () => {
    await idp.api('PATCH', '/api/people/vera', { givenName: '<img src=x onerror=alert(1)>', familyName: '"&\'' });
    for (const path of ['/', '/ui/log?after=0', '/saml/initiate']) {
      await idp.api('PUT', '/api/targets', { saml: { spEntityId: 'sp', acsUrl: 'http://localhost:1/acs' } });
      const { text } = await browser.get(`${idp.origin}${path}`);
      assert.ok(text.includes('&lt;img src=x onerror=alert(1)&gt;'), path);
      assert.ok(!text.includes('<img'), path);
    }
  });
});
