/** Basic OP: what the parameters of an authorization request do. Names and source: plans.ts. */
import assert from 'node:assert/strict';

import { Browser } from '../support/browser.ts';
import type { BasicModule } from './plans.ts';
import { conforms, type Module, type Modules, type Parameters, type Stage } from './stage.ts';

/** The minimum the specification asks of these: no error, and the person signs in. */
const isNoError = (clause: string, over: Parameters): Module =>
  conforms(clause, async (stage) => {
    const { claims } = await stage.signedIn(await stage.browser(), over);
    assert.equal(claims.sub, stage.ada);
  });

/** A second request of somebody who is signed in; answers both sign-ins. */
const twice = async (stage: Stage, over: (idToken: string) => Parameters) => {
  const browser = await stage.browser();
  const first = await stage.signedIn(browser, { max_age: '3600' });
  await stage.aMinuteLater();
  const second = await stage.signedIn(browser, over(first.tokens.id_token));
  assert.equal(second.claims.sub, first.claims.sub);
  return { first: Number(first.claims['auth_time']), second: second.claims['auth_time'], browser };
};

/** A second request that must not be answered before the person has signed in once more. */
const asksAgain = (clause: string, over: Parameters): Module =>
  conforms(clause, async (stage) => {
    const browser = await stage.browser();
    const first = await stage.signedIn(browser, { max_age: '3600' });
    await stage.aMinuteLater();
    const asked = stage.ask(over);
    const page = await stage.answer(browser, asked);
    assert.equal(page.url.pathname, '/login/step-up');
    const again = await stage.answer(browser, { url: page.url }); // Looking at the page signs nobody in.
    assert.equal(again.url.pathname, '/login/step-up');
    await stage.scene.signIn('ada', browser);
    const goOn = new URL(page.url.searchParams.get('returnTo') ?? '', stage.scene.origin);
    const second = await stage.completed(asked, await stage.callback(browser, { ...asked, url: goOn }));
    assert.equal(second.claims.sub, stage.ada);
    const [before, after] = [Number(first.claims['auth_time']), Number(second.claims['auth_time'])];
    assert.ok(after > before - 60 && after >= Math.floor(Date.now() / 1000) - 5, `${before} ${after}`);
  });

type Requests = Extract<
  BasicModule,
  | `oidcc-display-${string}`
  | `oidcc-prompt-${string}`
  | `oidcc-max-age-${string}`
  | 'oidcc-ensure-request-with-unknown-parameter-succeeds'
  | 'oidcc-id-token-hint'
  | 'oidcc-login-hint'
  | `oidcc-${string}-locales`
  | 'oidcc-ensure-request-with-acr-values-succeeds'
  | 'oidcc-ensure-post-request-succeeds'
  | 'oidcc-claims-essential'
>;

export const basicRequests: Modules<Requests> = {
  'oidcc-display-page': isNoError('OIDC Core §3.1.2.1', { display: 'page' }),
  'oidcc-display-popup': isNoError('OIDC Core §3.1.2.1', { display: 'popup' }),
  'oidcc-prompt-login': asksAgain('OIDC Core §3.1.2.1, §3.1.2.3', { prompt: 'login', max_age: '3600' }),
  'oidcc-prompt-none-not-logged-in': conforms('OIDC Core §3.1.2.6', async (stage) => {
    assert.equal(await stage.refusal(new Browser(), stage.ask({ prompt: 'none' })), 'login_required');
  }),
  'oidcc-prompt-none-logged-in': conforms('OIDC Core §3.1.2.3', async (stage) => {
    const { first, second } = await twice(stage, () => ({ prompt: 'none', max_age: '3600' }));
    assert.equal(second, first - 60);
  }),
  'oidcc-max-age-1': asksAgain('OIDC Core §3.1.2.1, §2', { max_age: '1' }),
  'oidcc-max-age-10000': conforms('OIDC Core §3.1.2.1, §2', async (stage) => {
    const { first, second } = await twice(stage, () => ({ max_age: '10000' }));
    assert.equal(second, first - 60);
  }),
  'oidcc-ensure-request-with-unknown-parameter-succeeds': isNoError('RFC 6749 §3.1', { extra: 'foobar' }),
  'oidcc-id-token-hint': conforms('OIDC Core §3.1.2.1, §3.1.2.2', async (stage) => {
    const { browser } = await twice(stage, (hint) => ({ prompt: 'none', id_token_hint: hint }));
    const { tokens } = await stage.signedIn(await stage.browser('bea'));
    const another = stage.ask({ prompt: 'none', id_token_hint: tokens.id_token });
    assert.equal(await stage.refusal(browser, another), 'login_required');
  }),
  'oidcc-login-hint': isNoError('OIDC Core §3.1.2.1', { login_hint: 'buffy@example.com' }),
  'oidcc-ui-locales': isNoError('OIDC Core §3.1.2.1', { ui_locales: 'se' }),
  'oidcc-claims-locales': isNoError('OIDC Core §5.2', { claims_locales: 'se' }),
  // What the identity provider said is what the application gets: none of these, and no error for it (§15.1).
  'oidcc-ensure-request-with-acr-values-succeeds': isNoError('OIDC Core §3.1.2.1, §15.1', { acr_values: '1 2' }),
  // A browser sends no SameSite=Lax cookie with a form of another site: the same request comes back as a GET, with it.
  'oidcc-ensure-post-request-succeeds': conforms('OIDC Core §3.1.2.1', async (stage) => {
    const browser = await stage.browser();
    const asked = stage.ask();
    const fields = Object.fromEntries(asked.url.searchParams);
    const answer = await new Browser().post(`${stage.issuer}/auth`, fields, 'https://app.example');
    assert.equal(answer.status, 303);
    const url = new URL(answer.headers.get('location') ?? '', stage.scene.origin);
    const callback = await stage.callback(browser, { ...asked, url });
    assert.equal((await stage.completed(asked, callback)).claims.sub, stage.ada);
  }),
  // Optional (§5.5): it is announced as not supported and then ignored. What is not asked for by scope is not given.
  'oidcc-claims-essential': conforms('OIDC Core §5.5', async (stage) => {
    assert.equal((await stage.discovery())['claims_parameter_supported'], false);
    const claims = JSON.stringify({ userinfo: { name: { essential: true } } });
    const { tokens, claims: said } = await stage.signedIn(await stage.browser(), { claims });
    assert.equal('name' in said, false);
    assert.equal('name' in (await stage.userInfo(tokens.access_token)), false);
  }),
};
