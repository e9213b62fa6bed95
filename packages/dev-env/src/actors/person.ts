import { DevEnvironmentError } from '../errors.ts';
import { WebClient, type Page } from './web-client.ts';

export const SESSION_COOKIE = '__Host-sallyport_session';

/** An answer of a JSON API. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; `{}` when there is none. */
  readonly body: Record<string, unknown>;
}

const answerOf = (page: Page): Answer => {
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(page.text) as Record<string, unknown>;
  } catch {
    // Not JSON: an empty body or a page.
  }
  return { status: page.status, headers: page.headers, body };
};

/** Somebody with a credential, calling the public HTTP API. */
export interface Caller {
  call(method: string, path: string, body?: object): Promise<Answer>;
}

/** A person at a browser. */
export class Person implements Caller {
  readonly web = new WebClient();
  readonly origin: string;
  readonly userName: string;

  constructor(origin: string, userName: string) {
    this.origin = origin;
    this.userName = userName;
  }

  /** With the session cookie, as a page of our own origin would send it. */
  async call(method: string, path: string, body?: object): Promise<Answer> {
    const headers = { origin: this.origin, accept: 'application/json' };
    return answerOf(
      await this.web.request(this.origin + path, { method, headers, ...(body === undefined ? {} : { body }) }),
    );
  }

  get session(): string | undefined {
    return this.web.cookie(this.origin, SESSION_COOKIE);
  }

  /** SP-initiated SAML sign-in through the demo IdP. @throws UNEXPECTED_ANSWER when it does not end in a session */
  async signInWithSaml(connectionId: string): Promise<void> {
    await this.#signIn('saml', connectionId);
  }

  /** OpenID Connect sign-in through the demo IdP. */
  async signInWithOidc(connectionId: string): Promise<void> {
    await this.#signIn('oidc', connectionId);
  }

  /** Signs in at the demo IdP and stops there: what it says is delivered to us when the answer is called. */
  async askIdp(facet: 'saml' | 'oidc', connectionId: string): Promise<() => Promise<Page>> {
    const path = facet === 'saml' ? `/saml/${connectionId}/login` : `/login/oidc/${connectionId}/start`;
    const isOurs = (location: URL): boolean => location.origin === this.origin;
    const leaving = await this.web.open(this.origin + path, {}, (location) => !isOurs(location));
    const idp = new URL(leaving.url);
    if (isOurs(idp)) throw this.#refused(leaving);
    idp.searchParams.set('as', this.userName);
    const answer = await this.web.open(idp.href, {}, isOurs);
    // The redirect of an OpenID Provider, or the auto-submitting form of SAML's POST binding.
    if (isOurs(new URL(answer.url))) return async () => await this.web.open(answer.url);
    if (answer.text.includes('SAMLResponse')) return async () => await this.web.submit(answer);
    throw this.#refused(answer);
  }

  /** Local sign-in (the break-glass Owner). */
  async signInWithPassword(organization: string, password: string): Promise<void> {
    const body = { organization, email: this.userName, password };
    const answer = await this.call('POST', '/api/identity/v1/login', body);
    if (answer.status >= 300 || this.session === undefined) {
      throw new DevEnvironmentError(
        'UNEXPECTED_ANSWER',
        `Sign-in was answered ${String(answer.status)}: ${JSON.stringify(answer.body)}`,
      );
    }
  }

  async #signIn(facet: 'saml' | 'oidc', connectionId: string): Promise<void> {
    const deliver = await this.askIdp(facet, connectionId);
    const page = await deliver();
    if (this.session === undefined) throw this.#refused(page);
  }

  #refused(page: Page): DevEnvironmentError {
    const text = page.text
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .slice(0, 300);
    return new DevEnvironmentError(
      'UNEXPECTED_ANSWER',
      `${this.userName} was not signed in: ${String(page.status)} ${page.url} ${text}`,
    );
  }
}

/** A machine or a person with a bearer token. */
export const bearer = (origin: string, token: string): Caller => {
  const web = new WebClient();
  return {
    call: async (method, path, body) => {
      const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
      return answerOf(await web.request(origin + path, { method, headers, ...(body === undefined ? {} : { body }) }));
    },
  };
};

const MAX_ATTEMPTS = 5;

/**
 * The same caller, who calls again when told that the decision was too old for its effect: nothing was done then. On a
 * machine that has just started everything at once that happens. Five times at most.
 */
export const patient = (caller: Caller): Caller => ({
  call: async (...request) => {
    let answer = await caller.call(...request);
    for (let attempt = 1; attempt < MAX_ATTEMPTS && answer.body['code'] === 'DECISION_EXPIRED'; attempt += 1)
      answer = await caller.call(...request);
    return answer;
  },
});

/** Calls and insists on a status. @throws UNEXPECTED_ANSWER with what was answered instead */
export const expectStatus = async (
  caller: Caller,
  status: number,
  ...request: Parameters<Caller['call']>
): Promise<Record<string, unknown>> => {
  const answer = await caller.call(...request);
  if (answer.status === status) return answer.body;
  const [method, path] = request;
  throw new DevEnvironmentError(
    'UNEXPECTED_ANSWER',
    `${method} ${path} was answered ${String(answer.status)} instead of ${String(status)}: ${JSON.stringify(answer.body)}`,
  );
};

/** Every item of a list, page by page. @throws UNEXPECTED_ANSWER */
export const listAll = async (caller: Caller, path: string): Promise<Readonly<Record<string, unknown>>[]> => {
  const items: Readonly<Record<string, unknown>>[] = [];
  let cursor: unknown = null;
  do {
    const url = new URL(path, 'http://list');
    if (typeof cursor === 'string') url.searchParams.set('cursor', cursor);
    const page = await expectStatus(caller, 200, 'GET', `${url.pathname}${url.search}`);
    items.push(...(page['items'] as Readonly<Record<string, unknown>>[]));
    cursor = page['nextCursor'];
  } while (typeof cursor === 'string');
  return items;
};
