import assert from 'node:assert/strict';

import type { Browser, BrowserContext, Page } from 'playwright-core';

import type { Company } from '../src/company.ts';
import { launchChromium, type Chromium } from './chromium.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from './shared-company.ts';

/** Where a test in a browser begins: nobody is signed in and nothing was visited. */
export interface BrowserTest {
  readonly company: Company;
  readonly origin: string;
  readonly browser: Browser;
  readonly context: BrowserContext;
  readonly page: Page;
  /** What went wrong on the page so far; a test that expects some of it takes it out. */
  readonly problems: string[];
}

/**
 * Hooks for a suite in a browser: one company and one browser for all of it, a context and a page for each test. A test
 * fails when a script fails on its pages or anything is written to the console as an error, such as a violation of the
 * content security policy.
 *
 * @param tolerated errors on the console that are none: browsers note an answer of 4xx as an error of the network
 */
export const pageForEachTest = (tolerated?: RegExp): (() => BrowserTest) => {
  let company: Company;
  let chromium: Chromium;
  let context: BrowserContext;
  let page: Page;
  const problems: string[] = [];

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    [company, chromium] = await Promise.all([sharedCompany(), launchChromium()]);
  });
  after(async () => {
    await chromium.close();
  });
  beforeEach(async () => {
    context = await chromium.browser.newContext();
    page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && tolerated?.test(message.text()) !== true) problems.push(message.text());
    });
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(problems.splice(0), [], 'neither script errors nor violations of the content security policy');
  });
  return () => ({
    company,
    origin: company.constellation.origin,
    browser: chromium.browser,
    context,
    page,
    problems,
  });
};
