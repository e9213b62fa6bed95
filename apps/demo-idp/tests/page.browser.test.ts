import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './support/chromium.ts';
import { type RecordingScim, startRecordingScim } from './support/recording-scim.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

describe('the page in a browser', function () {
  this.timeout(180_000);
  let chromium: Browser;
  let page: Page;
  let idp: TestIdp;
  let scim: RecordingScim;
  const problems: string[] = [];

  before(async () => {
    [chromium, scim, idp] = await Promise.all([launchChromium(), startRecordingScim(), startTestIdp()]);
    const saml = { spEntityId: 'https://app.example', acsUrl: `${scim.baseUrl}/acs` };
    await idp.api('PUT', '/api/targets', { scim: { baseUrl: scim.baseUrl, token: 'top-secret' }, saml });
    page = await chromium.newPage();
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(idp.origin);
  });
  after(async () => {
    await chromium.close();
    await idp.close();
    await scim.close();
  });
  afterEach(() => {
    assert.deepEqual(problems.splice(0), [], 'neither script errors nor violations of the content security policy');
  });

  it('provisions everybody and shows each exchange as it happens', async () => {
    await page.getByRole('button', { name: 'Provision everybody' }).click();
    await page.getByRole('log').getByText('/Users', { exact: true }).first().waitFor();
    await page
      .getByText(/provision: answered 201/)
      .first()
      .waitFor();
    assert.equal(scim.resources('Users').length, 7);
  });

  it('switches a person off and on in place, keeps the focus and says so', async () => {
    const toggle = page.getByRole('switch', { name: 'Dana Developer is active' });
    assert.equal(await toggle.getAttribute('aria-checked'), 'true');
    await toggle.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Dana Developer deactivated').waitFor({ state: 'attached' });
    assert.equal(await toggle.getAttribute('aria-checked'), 'false');
    assert.ok(await toggle.evaluate((node) => node === node.ownerDocument.activeElement));
    await page
      .locator('#person-dana')
      .getByText(/deactivate: answered 204/)
      .waitFor();
    await page.getByRole('log').locator('li .method').first().getByText('PATCH').waitFor();
    await toggle.click();
    await page.getByRole('status').getByText('Dana Developer activated').waitFor({ state: 'attached' });
  });

  it('edits group membership', async () => {
    await page.getByLabel('Add Dana Developer to a group').selectOption('Auditors');
    await page.locator('#add-dana').click();
    const remove = page.getByRole('button', { name: 'Remove Dana Developer from Auditors' });
    await remove.waitFor();
    await remove.click();
    await remove.waitFor({ state: 'detached' });
  });

  it('shows what others do through the control API without being reloaded', async () => {
    await idp.api('POST', '/api/people/rosa/deactivate');
    await page.locator('#switch-rosa[aria-checked="false"]').waitFor();
    await page.getByRole('log').getByText('Rosa Reviewer was deactivated').waitFor();
  });

  it('switches the flavour', async () => {
    await page.getByRole('button', { name: 'Entra ID' }).click();
    await page.locator('button[value="entra"][aria-pressed="true"]').waitFor();
    await page.getByRole('button', { name: 'Okta' }).click();
    await page.locator('button[value="okta"][aria-pressed="true"]').waitFor();
  });

  it('gives every control a name and stays within a narrow window', async () => {
    const unnamed = await page
      .locator('button, select, input:not([type=hidden])')
      .evaluateAll(
        (nodes) =>
          nodes.filter((node) => (node.getAttribute('aria-label') ?? node.textContent).trim() === '' && node.id === '')
            .length,
      );
    assert.equal(unnamed, 0);
    await page.setViewportSize({ width: 360, height: 800 });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.ok(overflow <= 0, `${String(overflow)} px too wide`);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it('signs somebody in: picks a person, posts the response to the application by itself', async () => {
    const visitor = await chromium.newPage();
    const posted = visitor.waitForRequest((request) => request.url() === `${scim.baseUrl}/acs`);
    scim.answerNext('POST', /acs/, { status: 200, headers: { 'content-type': 'text/html' } });
    await visitor.goto(`${idp.origin}/saml/initiate`);
    await visitor.getByRole('button', { name: /Sign in as Ravi Release/ }).click();
    assert.match((await posted).postData() ?? '', /^SAMLResponse=/);
    await visitor.close();
  });
});
