import { createHash, randomBytes } from 'node:crypto';

import { DevEnvironmentError } from '../errors.ts';
import type { Person } from './person.ts';
import { WebClient } from './web-client.ts';

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly idToken: string;
}

/** An application that lets people sign in through Sallyport's OpenID Provider: code flow with PKCE (RFC 7636). */
export class RelyingParty {
  readonly #issuer: string;
  readonly #clientId: string;
  readonly #clientSecret: string;
  readonly #redirectUri: string;
  readonly #web = new WebClient();

  constructor(issuer: string, client: { clientId: string; clientSecret: string; redirectUri: string }) {
    this.#issuer = issuer;
    this.#clientId = client.clientId;
    this.#clientSecret = client.clientSecret;
    this.#redirectUri = client.redirectUri;
  }

  /** Sends the browser of a signed-in person through the authorization endpoint and redeems the code. */
  async signIn(person: Person): Promise<Tokens> {
    const { code, verifier } = await this.authorize(person);
    return await this.redeem(code, verifier);
  }

  /** The first half: a code that nobody has redeemed yet. */
  async authorize(person: Person): Promise<{ readonly code: string; readonly verifier: string }> {
    const verifier = randomBytes(32).toString('base64url');
    const state = randomBytes(16).toString('base64url');
    const query = new URLSearchParams({
      client_id: this.#clientId,
      response_type: 'code',
      redirect_uri: this.#redirectUri,
      scope: 'openid offline_access',
      // RFC: offline_access is granted only when consent may be asked for.
      prompt: 'consent',
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const isCallback = (url: URL): boolean => url.href.startsWith(this.#redirectUri);
    let page = await person.web.open(`${this.#issuer}/auth?${query.toString()}`, {}, isCallback);
    if (!isCallback(new URL(page.url)) && page.text.includes('<form'))
      page = await person.web.submit(page, {}, isCallback);
    const callback = new URL(page.url);
    const code = callback.searchParams.get('code');
    if (code !== null && callback.searchParams.get('state') === state) return { code, verifier };
    const said = page.text
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .slice(0, 300);
    throw new DevEnvironmentError('UNEXPECTED_ANSWER', `No code: ${String(page.status)} ${page.url} ${said}`);
  }

  async redeem(code: string, verifier: string): Promise<Tokens> {
    const form = { grant_type: 'authorization_code', code, redirect_uri: this.#redirectUri, code_verifier: verifier };
    return tokensOf(await this.#token(form));
  }

  /** Answers null when the provider refuses. */
  async refresh(refreshToken: string): Promise<Tokens | null> {
    const answer = await this.#token({ grant_type: 'refresh_token', refresh_token: refreshToken });
    return answer.status === 200 ? tokensOf(answer) : null;
  }

  /** RFC 7662: whether the provider calls the token active. */
  async introspect(token: string): Promise<boolean> {
    const answer = await this.#post('/token/introspection', { token });
    return answer.status === 200 && answer.body['active'] === true;
  }

  async #token(form: Readonly<Record<string, string>>): Promise<{ status: number; body: Record<string, unknown> }> {
    return await this.#post('/token', form);
  }

  async #post(
    path: string,
    form: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const basic = Buffer.from(`${encodeURIComponent(this.#clientId)}:${encodeURIComponent(this.#clientSecret)}`);
    const headers = { authorization: `Basic ${basic.toString('base64')}`, accept: 'application/json' };
    const page = await this.#web.request(this.#issuer + path, { headers, body: new URLSearchParams(form) });
    return { status: page.status, body: JSON.parse(page.text) as Record<string, unknown> };
  }
}

const tokensOf = (answer: { status: number; body: Record<string, unknown> }): Tokens => {
  const { access_token: accessToken, refresh_token: refreshToken, id_token: idToken } = answer.body;
  if (typeof accessToken === 'string' && typeof refreshToken === 'string' && typeof idToken === 'string') {
    return { accessToken, refreshToken, idToken };
  }
  throw new DevEnvironmentError(
    'UNEXPECTED_ANSWER',
    `No tokens: ${String(answer.status)} ${JSON.stringify(answer.body)}`,
  );
};
