/** Signing in and out as a person sees it: a real browser, the real pages, a real identity provider between them. */
import assert from 'node:assert/strict';

import type { BrowserContext, Page } from 'playwright-core';
import * as client from 'openid-client';

import type { Company } from '../src/company.ts';
import { registerApplication } from '../support/application.ts';
import { pageForEachTest } from '../support/browser-page.ts';
import { startWiki, type Wiki } from '../support/wiki.ts';

describe('in a browser', function () {
  this.timeout(180_000);
  let company: Company;
  let origin: string;
  let wiki: Wiki;
  let context: BrowserContext;
  let page: Page;

  // A refused sign-in is a 403 page.
  const opened = pageForEachTest(/status of 403/);
  before(async () => {
    wiki = await startWiki();
  });
  after(() => {
    wiki.close();
  });
  beforeEach(() => {
    ({ company, origin, context, page } = opened());
  });

  /** Somebody new in the company, so that what happens to them happens to nobody else. */
  const hire = async (): Promise<{ key: string; name: string; userName: string }> => {
    const { key, userName } = await company.idp.hire(`${company.nextName('fay')}@acme.example`, ['developers']);
    return { key, userName, name: `${userName.split('@')[0] ?? ''} Tester` };
  };

  const goTo = async (person: { userName: string }, choice: RegExp): Promise<void> => {
    await page.goto(`${origin}/login`);
    await page.getByLabel('Work e-mail').fill(person.userName);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('link', { name: choice }).click();
  };

  const pickAtIdp = async ({ name }: { name: string }): Promise<void> => {
    await page.getByRole('button', { name: `Sign in as ${name}` }).click();
  };

  const openLocal = async (): Promise<void> => {
    await page.goto(`${origin}/login`);
    await page.getByText('Sign in with a local account').click();
  };

  const sendLocal = async (email: string, password: string): Promise<void> => {
    await page.getByLabel('E-mail', { exact: true }).fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  };

  const isSignedIn = async (name: string): Promise<void> => {
    await page.waitForURL(`${origin}/account`);
    await page.getByRole('heading', { name: 'Your account' }).waitFor();
    await page.getByRole('status').getByText(name).waitFor();
  };

  const isSignedOut = async (): Promise<void> => {
    await page.goto(`${origin}/account`);
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  };

  for (const choice of [/SAML/, /OpenID Connect/])
    it(`somebody signs in at their identity provider by ${choice.source}, and is out when it switches them off`, async () => {
      const person = await hire();
      await goTo(person, choice);
      assert.equal(new URL(page.url()).origin, company.idp.url);
      await pickAtIdp(person);
      await isSignedIn(person.name);
      await page.getByText('via Demo IdP').waitFor();

      const admin = await context.newPage();
      await admin.goto(company.idp.url);
      await admin.getByRole('switch', { name: `${person.name} is active` }).click();
      await admin.locator(`#switch-${person.key}[aria-checked="false"]`).waitFor();
      await admin
        .locator(`#person-${person.key}`)
        .getByText(/deactivate: answered 20\d/)
        .waitFor();

      await page.reload();
      await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
      // And does not get back in: the way in is refused at the first door.
      await goTo(person, choice);
      const button = page.getByRole('button', { name: `Sign in as ${person.name}` });
      assert.equal(await button.isDisabled(), true);
    });

  it('the Owner signs in with the password, and out with the button', async () => {
    const { owner } = company.constellation.bootstrap;
    await openLocal();
    await sendLocal(owner.email, owner.password);
    await isSignedIn('owner');
    await page.getByText('via a local account').waitFor();
    const cookies = await context.cookies(origin);
    assert.ok(cookies.length > 0);
    for (const { name, httpOnly, secure } of cookies) assert.deepEqual([httpOnly, secure], [true, true], name);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('status').getByText('You are signed out.').waitFor();
    assert.deepEqual(
      (await context.cookies(origin)).filter(({ name }) => name.endsWith('_session')),
      [],
    );
    // Not with the browser's memory either.
    await page.goBack();
    await isSignedOut();
  });

  it('a wrong password says that something was wrong, not what, and keeps the address typed', async () => {
    const { owner } = company.constellation.bootstrap;
    const said: string[] = [];
    for (const [email, password] of [
      [owner.email, 'wrong'],
      ['nobody@acme.example', owner.password],
    ] as const) {
      await openLocal();
      await sendLocal(email, password);
      said.push(await page.getByRole('alert').innerText());
      assert.equal(await page.getByLabel('E-mail', { exact: true }).inputValue(), email);
      assert.equal(await page.getByLabel('Password').inputValue(), '');
    }
    assert.equal(said[0], said[1]);
    assert.doesNotMatch(said[0] ?? '', /password|account|address|user/i);
    await isSignedOut();
  });

  it('an address of a company nobody knows leads nowhere, and says so', async () => {
    await page.goto(`${origin}/login`);
    await page.getByLabel('Work e-mail').fill('somebody@elsewhere.example');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('alert').getByText('No identity provider is set up for this domain').waitFor();
    assert.equal(await page.getByLabel('Work e-mail').inputValue(), 'somebody@elsewhere.example');
  });

  it('everything is reached by keyboard, in the order it stands, with the focus in sight', async () => {
    const person = await hire();
    await page.goto(`${origin}/login`);
    const focused = async (): Promise<string> =>
      await page.evaluate(() => {
        const node = document.activeElement as HTMLElement & { labels?: NodeListOf<HTMLElement> };
        return (node.labels?.[0] ?? node).innerText.trim();
      });
    const tab = async (): Promise<string> => {
      await page.keyboard.press('Tab');
      return await focused();
    };
    assert.deepEqual(
      [await tab(), await tab(), await tab(), await tab()],
      ['Sign in with a passkey', 'Work e-mail', 'Continue', 'Sign in with a local account'],
    );
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle);
    assert.notEqual(outline, 'none');
    await page.keyboard.press('Enter');
    const local = [await tab(), await tab(), await tab(), await tab()];
    assert.deepEqual(local, ['E-mail', 'Password', 'Organisation', 'Sign in']);
    await page.getByLabel('Work e-mail').focus();
    await page.keyboard.type(person.userName);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Continue at your identity provider' }).waitFor();
    await tab();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Who are you?' }).waitFor();
    await page.getByRole('button', { name: `Sign in as ${person.name}` }).focus();
    await page.keyboard.press('Enter');
    await isSignedIn(person.name);
    assert.deepEqual([await tab(), await tab()], ['How you sign in', 'Sign out']);
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('You are signed out.').waitFor();
  });

  it('an application signs somebody in through us, at their identity provider, and again without a word', async () => {
    const person = await hire();
    const application = await registerApplication(company, 'Wiki', wiki.redirectUri);
    const first = await application.begin();
    const callback = wiki.nextCallback();
    await page.goto(first.url.href);
    await page.getByLabel('Work e-mail').fill(person.userName);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('link', { name: /SAML/ }).click();
    await pickAtIdp(person);
    await page.getByRole('heading', { name: 'Welcome to the wiki' }).waitFor();
    const tokens = await client.authorizationCodeGrant(application.config, await callback, { ...first.checks });
    const info = await client.fetchUserInfo(application.config, tokens.access_token, tokens.claims()?.sub ?? '');
    assert.equal(info['preferred_username'], person.userName);

    const second = await application.begin();
    const again = wiki.nextCallback();
    await page.goto(second.url.href);
    await page.getByRole('heading', { name: 'Welcome to the wiki' }).waitFor();
    assert.ok((await again).searchParams.has('code'));
  });

  it('an application signs in the Owner with the local password', async () => {
    const application = await registerApplication(company, 'Console', wiki.redirectUri);
    const { owner } = company.constellation.bootstrap;
    const beginning = await application.begin();
    const callback = wiki.nextCallback();
    await page.goto(beginning.url.href);
    await page.getByText('Sign in with a local account').click();
    await sendLocal(owner.email, owner.password);
    await page.getByRole('heading', { name: 'Welcome to the wiki' }).waitFor();
    const tokens = await client.authorizationCodeGrant(application.config, await callback, { ...beginning.checks });
    assert.ok(tokens.claims() !== undefined);
  });

  it('every page fits a narrow window, has one heading, a language and a name for each control, in both colour schemes', async () => {
    const { owner } = company.constellation.bootstrap;
    const unknown = '0190a000-0000-7000-8000-000000000001';
    const paths = [
      '/login',
      '/login?signedOut=1',
      '/account',
      `/saml/${unknown}/login`,
      '/login/interaction/0123456789',
      '/oidc/auth',
      '/login/nothing',
    ];
    const check = async (path: string): Promise<void> => {
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(overflow <= 0, `${path} is ${String(overflow)} px too wide`);
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, path);
      assert.equal(await page.locator('html[lang="en"]').count(), 1, path);
      assert.notEqual(
        await page.evaluate(() => getComputedStyle(document.querySelector('main') as Element).borderTopWidth),
        '0px',
        `${path} has no style`,
      );
      const unnamed = await page
        .locator('button, input:not([type=hidden]), a, summary')
        .evaluateAll(
          (nodes) =>
            nodes.filter((node) =>
              'labels' in node
                ? (node as HTMLInputElement).labels?.length !== 1 && node.textContent.trim() === ''
                : node.textContent.trim() === '',
            ).length,
        );
      assert.equal(unnamed, 0, path);
    };
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 320, height: 700 });
      for (const path of paths) {
        await page.goto(origin + path);
        await check(path);
      }
    }
    await openLocal();
    await sendLocal(owner.email, owner.password);
    await isSignedIn('owner');
    await check('/account, signed in');
    // What browsers note of pages whose status is an error.
    const expected = opened()
      .problems.splice(0)
      .filter((problem) => !/Failed to load resource/.test(problem));
    assert.deepEqual(expected, []);
  });

  it('text stands out from what is behind it by 7 to 1, in both colour schemes (WCAG 2.2 §1.4.6)', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await openLocal();
      await sendLocal('nobody@acme.example', 'wrong');
      await page.getByRole('alert').waitFor();
      const worst = await page.evaluate(() => {
        const channel = (value: number): number => {
          const part = value / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        };
        const luminance = (colour: string): number | null => {
          const [red = 0, green = 0, blue = 0, alpha = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
          return alpha === 0 ? null : 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
        };
        const ground = (node: Element | null): number =>
          node === null ? 1 : (luminance(getComputedStyle(node).backgroundColor) ?? ground(node.parentElement));
        const texts = [...document.querySelectorAll('h1, label, p, summary, button, input:not([type=hidden])')];
        const ratios = texts.map((node) => {
          const [text, behind] = [luminance(getComputedStyle(node).color) ?? 0, ground(node)];
          return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
        });
        return Math.min(...ratios);
      });
      assert.ok(worst >= 7, `${colorScheme}: ${worst.toFixed(2)}`);
    }
  });
});
