/** Single logout as a person sees it: from our page to the identity provider and back, and the other way round. */
import assert from 'node:assert/strict';

import type { Page } from 'playwright-core';

import type { Company } from '../src/company.ts';
import { pageForEachTest } from '../support/browser-page.ts';

describe('single logout in a browser (SAML Profiles §4.4)', function () {
  this.timeout(180_000);
  let company: Company;
  let origin: string;
  let page: Page;

  const opened = pageForEachTest();
  beforeEach(() => {
    ({ company, origin, page } = opened());
  });

  /** Somebody new, signed in by SAML; answers what the identity provider calls them. */
  const signIn = async (): Promise<string> => {
    const { key, userName } = await company.idp.hire(`${company.nextName('lou')}@acme.example`, ['developers']);
    await page.goto(`${origin}/login`);
    await page.getByLabel('Work e-mail').fill(userName);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('link', { name: /SAML/ }).click();
    await page.getByRole('button', { name: `Sign in as ${userName.split('@')[0] ?? ''} Tester` }).click();
    await page.waitForURL(`${origin}/account`);
    return key;
  };

  it('signing out here goes by the identity provider, and ends at our sign-in page', async () => {
    await signIn();
    const answered = page.waitForRequest((request) => request.url().includes('/slo?SAMLResponse='));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await answered;
    await page.getByRole('status').getByText('You are signed out.').waitFor();
    assert.equal(new URL(page.url()).origin, origin);
    await page.goto(`${origin}/account`);
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  });

  it('signing out at the identity provider ends our session', async () => {
    const key = await signIn();
    await page.goto(`${company.idp.url}/saml/logout?as=${key}`);
    await page.getByRole('heading', { name: 'Signed out everywhere' }).waitFor();
    await page.goto(`${origin}/account`);
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  });
});
