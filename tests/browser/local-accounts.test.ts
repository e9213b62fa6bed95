/** Local accounts as a person sees them: passkeys with the browser's own authenticator, apps, recovery codes, mail. */
import assert from 'node:assert/strict';

import { totpCode } from '@sallyport/dev-env/actors';
import { systemClock } from '@sallyport/storage';
import type { BrowserContext, Page } from 'playwright-core';

import type { Company } from '../src/company.ts';
import { pageForEachTest } from '../support/browser-page.ts';
import { hireLocally, inviteGuest, LOCAL_PASSWORD, mailedSecret } from '../support/local-person.ts';

describe('local accounts in a browser', function () {
  this.timeout(180_000);
  let company: Company;
  let origin: string;
  let context: BrowserContext;
  let page: Page;

  // A refusal is a page or an answer with 400 or 403.
  const opened = pageForEachTest(/status of 40[03]/);
  beforeEach(() => {
    ({ company, origin, context, page } = opened());
  });

  /** A telephone's or laptop's own authenticator, which says yes to everything (WebAuthn §11, through CDP). */
  const addAuthenticator = async (): Promise<{ refuse: (isRefusing: boolean) => Promise<void> }> => {
    const session = await context.newCDPSession(page);
    await session.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    } as const;
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
    return {
      refuse: async (isRefusing) => {
        await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: !isRefusing });
      },
    };
  };

  const signIn = async (email: string, password = LOCAL_PASSWORD): Promise<void> => {
    await page.goto(`${origin}/login`);
    await page.getByText('Sign in with a local account').click();
    await page.getByLabel('E-mail', { exact: true }).fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  };
  const isSignedIn = async (): Promise<void> => {
    await page.waitForURL(`${origin}/account`);
    await page.getByRole('heading', { name: 'Your account' }).waitFor();
  };
  const signOut = async (): Promise<void> => {
    await page.goto(`${origin}/account`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('status').getByText('You are signed out.').waitFor();
  };
  const newCodes = async (): Promise<string[]> => {
    await page.locator('ul.codes li').first().waitFor();
    return await page.locator('ul.codes li').allInnerTexts();
  };

  it('somebody is invited, chooses a password, adds a passkey, and from then on signs in with that alone', async () => {
    const authenticator = await addAuthenticator();
    const { email } = await inviteGuest(company);
    const token = await mailedSecret(company, email, 'sp_inv_');
    await page.goto(`${origin}/login/invitation#${token}`);
    await page.getByRole('heading', { name: 'Accept your invitation' }).waitFor();
    // The secret has left the address bar, and is in the form.
    await page.waitForURL(`${origin}/login/invitation`);
    assert.equal(await page.getByLabel('Code of the mail').isVisible(), false);
    await page.getByLabel('New password').fill('password1234567');
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.getByRole('alert').getByText('too easy to guess').waitFor();
    await page.getByLabel('New password').fill(LOCAL_PASSWORD);
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.getByRole('status').getByText('Your account is ready').waitFor();
    assert.equal(await page.getByLabel('E-mail', { exact: true }).inputValue(), email);

    await signIn(email);
    await isSignedIn();
    await page.getByRole('link', { name: 'How you sign in' }).click();
    await page.getByLabel('A name for a new passkey').fill('Work laptop');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
    assert.equal((await newCodes()).length, 10);
    await signOut();

    await page.goto(`${origin}/login`);
    await authenticator.refuse(true);
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await page.getByRole('alert').getByText('No passkey was used').waitFor();
    await authenticator.refuse(false);
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await isSignedIn();
    await page.getByRole('link', { name: 'How you sign in' }).click();
    await page.getByText('Work laptop', { exact: true }).waitFor();
  });

  it('an authenticator app is set up, asked for, and replaced by a recovery code when it is lost', async () => {
    const { email } = await hireLocally(company);
    await signIn(email);
    await isSignedIn();
    await page.goto(`${origin}/account/security`);
    await page.getByRole('button', { name: 'Set up an app' }).click();
    await page.getByRole('img', { name: 'QR code for an authenticator app' }).waitFor();
    const secret = (await page.locator('main code').innerText()).replaceAll(' ', '');
    await page.getByLabel('Code', { exact: true }).fill(totpCode(secret, systemClock.now()));
    await page.getByRole('button', { name: 'Confirm' }).click();
    const [first = ''] = await newCodes();
    await signOut();

    await signIn(email);
    await page.getByRole('heading', { name: 'One more step' }).waitFor();
    await page.getByLabel('Code', { exact: true }).fill('000000');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('alert').getByText('That was not right').waitFor();
    // The field says itself what was wrong with it.
    assert.match(
      (await page.getByLabel('Code', { exact: true }).getAttribute('aria-describedby')) ?? '',
      /code-problem/,
    );
    await page.getByLabel('Code', { exact: true }).fill(first.toLowerCase());
    await page.getByRole('button', { name: 'Continue' }).click();
    await isSignedIn();
    await page.goto(`${origin}/account/security`);
    await page.getByText('9 left.').waitFor();
  });

  it('a forgotten password is replaced through the mail; the old one is nothing any more', async () => {
    const { email } = await hireLocally(company);
    await page.goto(`${origin}/login`);
    await page.getByText('Sign in with a local account').click();
    await page.getByRole('link', { name: 'Forgotten your password?' }).click();
    await page.getByLabel('E-mail').fill(email);
    await page.getByRole('button', { name: 'Send the link' }).click();
    await page.getByRole('status').getByText('a link is on its way').waitFor();
    const token = await mailedSecret(company, email, 'sp_rst_');
    await page.goto(`${origin}/login/reset#${token}`);
    await page.waitForURL(`${origin}/login/reset`);
    await page.getByLabel('New password').fill('another umbrella tractor');
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.getByRole('status').getByText('Your password is changed').waitFor();
    await signIn(email);
    await page.getByRole('alert').waitFor();
    await signIn(email, 'another umbrella tractor');
    await isSignedIn();
  });

  it('without scripts a mailed code is pasted, and no passkey is offered', async () => {
    const { email } = await inviteGuest(company);
    const token = await mailedSecret(company, email, 'sp_inv_');
    const plain = await opened().browser.newContext({ javaScriptEnabled: false });
    const bare = await plain.newPage();
    await bare.goto(`${origin}/login`);
    assert.equal(await bare.getByRole('button', { name: 'Sign in with a passkey' }).isVisible(), false);
    await bare.goto(`${origin}/login/invitation`);
    await bare.getByLabel('Code of the mail').fill(token);
    await bare.getByLabel('New password').fill(LOCAL_PASSWORD);
    await bare.getByRole('button', { name: 'Accept' }).click();
    await bare.getByRole('status').getByText('Your account is ready').waitFor();
    await plain.close();
  });

  it('every page fits a narrow window and names its controls, in both colour schemes', async () => {
    const { email } = await hireLocally(company);
    await signIn(email);
    await isSignedIn();
    await page.setViewportSize({ width: 320, height: 700 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const path of ['/login', '/login/forgot', '/login/reset', '/login/invitation', '/account/security']) {
        await page.goto(origin + path);
        assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, path);
        const tooWide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.ok(tooWide <= 0, `${path} is ${String(tooWide)} px too wide`);
        const unnamed = await page
          .locator('input:not([type=hidden])')
          .evaluateAll((nodes) => nodes.filter((node) => (node as HTMLInputElement).labels?.length !== 1).length);
        assert.equal(unnamed, 0, path);
      }
    }
  });
});
