/** What a conformance module plays on: our provider, two registered applications, people, and plain HTTP. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { newId } from '@sallyport/storage';
import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyResult } from 'jose';
import { randomNonce, randomPKCECodeVerifier, randomState } from 'openid-client';

import { LogoutReceiver } from '../provider/receiver.ts';
import { ProviderScene, REDIRECT_URI, type Application } from '../provider/scene.ts';
import type { Browser } from '../support/browser.ts';

export const POST_LOGOUT_URI = 'https://app.example/signed-out';

/** One module: the clauses it stands for, and what it does. */
export interface Module {
  readonly clause: string;
  readonly play: (stage: Stage) => Promise<void>;
}

/** Every module of a plan; a missing or invented name does not compile. */
export type Modules<Name extends string> = Readonly<Record<Name, Module>>;

export const conforms = (clause: string, play: Module['play']): Module => ({ clause, play });

/** Parameters of a request; undefined takes one away. */
export type Parameters = Readonly<Record<string, string | undefined>>;

/** An authorization request, and what belongs to it. */
export interface Asked {
  readonly url: URL;
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
}

export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope?: string;
  readonly id_token: string;
  readonly refresh_token?: string;
}

export interface SignedIn extends Asked {
  readonly callback: URL;
  readonly tokens: TokenAnswer;
  readonly claims: JWTPayload;
  readonly header: JWTVerifyResult['protectedHeader'];
}

export class Stage {
  readonly scene: ProviderScene;
  readonly receiver: LogoutReceiver;
  /** The first and the second application: client_secret_basic, everything registered that a profile needs. */
  readonly app: Application;
  readonly secondApp: Application;
  readonly ada: string;

  private constructor(parts: Pick<Stage, 'scene' | 'receiver' | 'app' | 'secondApp' | 'ada'>) {
    this.scene = parts.scene;
    this.receiver = parts.receiver;
    this.app = parts.app;
    this.secondApp = parts.secondApp;
    this.ada = parts.ada;
  }

  static async set(): Promise<Stage> {
    const scene = await ProviderScene.start({ allowInsecurePrivateFetch: true });
    const receiver = await LogoutReceiver.start();
    const ada = await scene.person('ada');
    await scene.person('bea');
    const over = { postLogoutRedirectUris: [POST_LOGOUT_URI], backchannelLogoutUri: receiver.address };
    return new Stage({ scene, receiver, ada, app: await scene.register(over), secondApp: await scene.register() });
  }

  async strike(): Promise<void> {
    await this.receiver.close();
    await this.scene.close();
  }

  get issuer(): string {
    return this.scene.issuer;
  }

  async discovery(): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.issuer}/.well-known/openid-configuration`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** A browser in which somebody is signed in. */
  async browser(name = 'ada'): Promise<Browser> {
    return await this.scene.signIn(name);
  }

  /** An authorization request as the suite makes it; with PKCE, without which nobody gets anything here (RFC 9700 §2.1.1). */
  ask(over: Parameters = {}, app = this.app): Asked {
    const [verifier, state, nonce] = [randomPKCECodeVerifier(), randomState(), randomNonce()];
    const parameters: Parameters = {
      response_type: 'code',
      client_id: app.clientId,
      redirect_uri: REDIRECT_URI,
      scope: 'openid',
      state,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...over,
    };
    const url = new URL(`${this.issuer}/auth`);
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value);
    return { url, verifier, state, nonce };
  }

  /** Follows a request until it leads to the application, or to a page of ours. */
  async answer(browser: Browser, { url }: Pick<Asked, 'url'>): Promise<{ url: URL; response: Response }> {
    return await browser.follow(url, ({ origin }) => origin !== this.scene.origin);
  }

  /** The parameters the application gets; state and issuer are what they have to be (RFC 6749 §4.1.2, RFC 9207 §2). */
  async callback(browser: Browser, asked: Asked): Promise<URL> {
    const { url, response } = await this.answer(browser, asked);
    assert.equal(url.origin + url.pathname, REDIRECT_URI, `${url.href}: ${await response.clone().text()}`);
    assert.equal(url.searchParams.get('state'), asked.state);
    assert.equal(url.searchParams.get('iss'), this.issuer);
    assert.equal(url.hash, '');
    return url;
  }

  /** The error an application gets instead of a code. */
  async refusal(browser: Browser, asked: Asked): Promise<string | null> {
    const { searchParams } = await this.callback(browser, asked);
    assert.equal(searchParams.get('code'), null);
    return searchParams.get('error');
  }

  /** The token request of an answered authorization request. */
  codeGrant(callback: URL, { verifier }: Asked): Record<string, string> {
    const code = callback.searchParams.get('code') ?? assert.fail(callback.href);
    return { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier };
  }

  /** Tokens and the verified id_token of a request that is answered without a question. */
  async signedIn(browser: Browser, over: Parameters = {}, app = this.app): Promise<SignedIn> {
    const asked = this.ask(over, app);
    return await this.completed(asked, await this.callback(browser, asked), app);
  }

  async completed(asked: Asked, callback: URL, app = this.app): Promise<SignedIn> {
    const answer = await this.scene.token(app, this.codeGrant(callback, asked));
    const tokens = await this.tokensOf(answer);
    const { payload, protectedHeader } = await this.verified(tokens.id_token, app);
    return { ...asked, callback, tokens, claims: payload, header: protectedHeader };
  }

  /** The successful answer of the token endpoint (RFC 6749 §5.1). */
  async tokensOf(answer: Response): Promise<TokenAnswer> {
    const tokens = (await answer.json()) as TokenAnswer;
    assert.equal(answer.status, 200, JSON.stringify(tokens));
    assert.match(answer.headers.get('cache-control') ?? '', /no-store/);
    assert.equal(tokens.token_type, 'Bearer');
    assert.ok(tokens.expires_in > 0);
    return tokens;
  }

  /** An id_token that holds (OIDC Core §3.1.3.7). */
  async verified(token: string, app = this.app): Promise<JWTVerifyResult> {
    const result = await jwtVerify(token, createRemoteJWKSet(new URL(`${this.issuer}/jwks`)), {
      issuer: this.issuer,
      audience: app.clientId,
      algorithms: ['RS256'],
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'],
    });
    assert.match(result.payload.sub ?? '', /^[\x21-\x7e]{1,255}$/);
    return result;
  }

  /** The error of the token endpoint (RFC 6749 §5.2). */
  async tokenError(answer: Response): Promise<{ status: number; error: unknown }> {
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    const { error, error_description: description } = (await answer.json()) as Record<string, unknown>;
    assert.ok(typeof description !== 'string' || /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(description));
    return { status: answer.status, error };
  }

  async userInfo(token: string): Promise<Record<string, unknown>> {
    return await this.userInfoOf(await fetch(`${this.issuer}/me`, { headers: { authorization: `Bearer ${token}` } }));
  }

  /** The successful answer of the userinfo endpoint (OIDC Core §5.3.2). */
  async userInfoOf(answer: Response): Promise<Record<string, unknown>> {
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Makes everybody's sign-ins a minute older, as they would be had we waited. */
  async aMinuteLater(): Promise<void> {
    const { identity } = this.scene;
    await identity.admin(
      `UPDATE identity.browser_session SET created_at = created_at - interval '1 minute',
         authenticated_at = authenticated_at - interval '1 minute', proven_at = proven_at - interval '1 minute'`,
    );
    await identity.admin(
      `UPDATE identity.provider_artifact SET payload = jsonb_set(payload, '{loginTs}', to_jsonb((payload->>'loginTs')::bigint - 60))
        WHERE model = 'Session' AND payload ? 'loginTs'`,
    );
  }

  /** Sends a browser to the logout endpoint; on our question, if there is one, it says yes. */
  async logOut(browser: Browser, over: Parameters): Promise<{ response: Response; url: URL; asked: boolean }> {
    const url = new URL(`${this.issuer}/session/end`);
    for (const [name, value] of Object.entries(over)) if (value !== undefined) url.searchParams.set(name, value);
    const question = await browser.open(url, { headers: { accept: 'text/html' } });
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(await question.clone().text())?.[1];
    if (xsrf === undefined) return { response: question, url, asked: false };
    assert.equal(question.status, 200);
    const done = await browser.post(`${this.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    assert.equal(done.status, 303);
    const onward = new URL(done.headers.get('location') ?? assert.fail(), url);
    const isOurs = onward.origin === this.scene.origin;
    return { response: isOurs ? await browser.open(onward) : done, url: onward, asked: true };
  }

  /** Asks without a page whether the browser is signed in. */
  async isSignedIn(browser: Browser): Promise<boolean> {
    const asked = this.ask({ prompt: 'none' });
    const { searchParams } = await this.callback(browser, asked);
    if (searchParams.has('code')) return true;
    assert.equal(searchParams.get('error'), 'login_required');
    return false;
  }

  /** A state of 128 characters, as the logout modules use. */
  longState(): string {
    return Array.from({ length: 4 }, () => newId().replaceAll('-', '')).join('');
  }
}
