import { DevEnvironmentError } from '../errors.ts';

/** A response with its body read. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface WebRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, URLSearchParams as a form. */
  readonly body?: object | URLSearchParams | string;
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

const MAX_HOPS = 20;

/** `&amp;` and friends, as our own pages and the demo IdP write them. */
const unescapeHtml = (text: string): string =>
  text
    .replace(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(/&#([0-9]+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');

const attribute = (tag: string, name: string): string | undefined => {
  const match = new RegExp(`\\s${name}\\s*=\\s*"([^"]*)"`, 'i').exec(tag);
  return match === null ? undefined : unescapeHtml(match[1] ?? '');
};

/**
 * A browser without a screen: keeps cookies per host, follows redirects by hand, submits forms. For people whose clicks
 * are scripted; what a real browser must show is tested with a real browser.
 */
export class WebClient {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** One request, no redirect followed. */
  async request(url: string, request: WebRequest = {}): Promise<Page> {
    const target = new URL(url);
    const headers = new Headers(request.headers);
    const cookie = this.#cookieHeader(target);
    if (cookie !== '' && !headers.has('cookie')) headers.set('cookie', cookie);
    const { body, type } = encode(request.body);
    if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
    const response = await fetch(target, {
      method: request.method ?? (body === null ? 'GET' : 'POST'),
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(request.timeoutMs ?? 30_000),
    });
    this.#keep(target, response.headers.getSetCookie());
    return { url: target.href, status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Follows redirects to where they end. `until` stops before a location is asked for. */
  async open(url: string, request: WebRequest = {}, until: (location: URL) => boolean = () => false): Promise<Page> {
    let page = await this.request(url, request);
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      const location = page.headers.get('location');
      if (page.status < 300 || page.status >= 400 || location === null) return page;
      const next = new URL(location, page.url);
      if (until(next)) return { ...page, url: next.href };
      page = await this.request(next.href);
    }
    throw new DevEnvironmentError('UNEXPECTED_ANSWER', `${url} redirects without end.`);
  }

  /** Submits the only form of a page with its hidden fields (and these), as a browser would: with the page's Origin. */
  async submit(
    page: Page,
    fields: Readonly<Record<string, string>> = {},
    until?: (location: URL) => boolean,
  ): Promise<Page> {
    const form = /<form[^>]*>/i.exec(page.text)?.[0];
    if (form === undefined) throw new DevEnvironmentError('UNEXPECTED_ANSWER', `${page.url} has no form.`);
    const values = new URLSearchParams();
    for (const [input] of page.text.matchAll(/<input[^>]*>/gi)) {
      const [name, value] = [attribute(input, 'name'), attribute(input, 'value')];
      if (name !== undefined && value !== undefined) values.set(name, value);
    }
    for (const [name, value] of Object.entries(fields)) values.set(name, value);
    const action = new URL(attribute(form, 'action') ?? page.url, page.url);
    const headers = { origin: new URL(page.url).origin };
    return await this.open(action.href, { method: 'POST', headers, body: values }, until);
  }

  /** The value of a cookie the host has set. */
  cookie(url: string, name: string): string | undefined {
    return this.#cookies.get(new URL(url).host)?.get(name);
  }

  #cookieHeader(url: URL): string {
    const cookies = this.#cookies.get(url.host) ?? new Map<string, string>();
    return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  #keep(url: URL, lines: readonly string[]): void {
    const cookies = this.#cookies.get(url.host) ?? new Map<string, string>();
    this.#cookies.set(url.host, cookies);
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';');
      const at = pair.indexOf('=');
      const name = pair.slice(0, at).trim();
      const expired = attributes.some((text) => /^\s*(max-age=(0|-\d+)|expires=Thu, 01 Jan 1970.*)\s*$/i.test(text));
      if (expired) cookies.delete(name);
      else cookies.set(name, pair.slice(at + 1).trim());
    }
  }
}

const encode = (body: WebRequest['body']): { body: string | null; type: string | undefined } => {
  if (body === undefined) return { body: null, type: undefined };
  if (typeof body === 'string') return { body, type: undefined };
  if (body instanceof URLSearchParams) return { body: body.toString(), type: 'application/x-www-form-urlencoded' };
  return { body: JSON.stringify(body), type: 'application/json' };
};
