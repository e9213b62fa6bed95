import { createHash, randomBytes } from 'node:crypto';

import type { HttpClient } from '../scim/http-client.ts';
import { REDIRECT_URI, SCOPE, type Code } from './contender.ts';

const MAX_STEPS = 8;

/** As much of a browser as the authorization endpoint needs: one person's cookies, and redirects that are followed. */
export class Browser {
  readonly #client: HttpClient;
  readonly #cookies = new Map<string, string>();

  constructor(client: HttpClient, session: string) {
    this.#client = client;
    this.#cookies.set('__Host-sallyport_session', session);
  }

  /** Code flow with PKCE, as far as the application's address. @see RFC 7636 */
  async authorize(clientId: string): Promise<Code> {
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      client_id: clientId,
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      scope: SCOPE,
      prompt: 'consent', // Without it nobody is given a refresh token.
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    let path = `/oidc/auth?${query.toString()}`;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const next = await this.#open(path);
      if (next.href.startsWith(REDIRECT_URI)) return { code: next.searchParams.get('code') ?? '', verifier };
      path = next.pathname + next.search;
    }
    throw new Error(`the authorization endpoint goes in circles: ${path}`);
  }

  async #open(path: string): Promise<URL> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const { status, headers, text } = await this.#client.send('GET', path, { cookie });
    for (const line of headers['set-cookie'] ?? []) {
      const [pair = ''] = line.split(';', 1);
      const at = pair.indexOf('=');
      if (at > 0) this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    if (headers.location === undefined) throw new Error(`GET ${path} was answered ${String(status)}: ${text}`);
    return new URL(headers.location, 'http://localhost:8080');
  }
}
