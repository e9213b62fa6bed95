interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** RFC 6265 §5.1.4 */
const isWithin = (pathname: string, path: string): boolean =>
  pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);

/** A browser without a screen: keeps cookies per host and path, follows nothing by itself. */
export class Browser {
  /** By host, then by path and name. */
  readonly #jar = new Map<string, Map<string, Cookie>>();

  async open(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const target = new URL(url);
    const headers = new Headers(init.headers);
    const cookie = [...(this.#jar.get(target.host)?.values() ?? [])]
      .filter(({ path }) => isWithin(target.pathname, path))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
    if (cookie !== '') headers.set('cookie', cookie);
    const response = await fetch(target, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#keep(target.host, line);
    return response;
  }

  /** Opens and follows redirects until one leads to a place `stopAt` accepts, or none is left. */
  async follow(
    url: string | URL,
    stopAt: (location: URL) => boolean = () => false,
  ): Promise<{ response: Response; url: URL }> {
    let current = new URL(url);
    for (let hop = 0; hop < 15; hop += 1) {
      const response = await this.open(current);
      const location = response.headers.get('location');
      if (location === null) return { response, url: current };
      current = new URL(location, current);
      if (stopAt(current)) return { response, url: current };
    }
    throw new Error(`${String(url)} redirects without end`);
  }

  /** Posts a form, as a page of this origin would. */
  async post(url: string | URL, fields: Record<string, string>, origin = new URL(url).origin): Promise<Response> {
    return await this.open(url, { method: 'POST', headers: { origin }, body: new URLSearchParams(fields) });
  }

  cookie(url: string | URL, name: string): string | undefined {
    const cookies = [...(this.#jar.get(new URL(url).host)?.values() ?? [])];
    return cookies.find((each) => each.name === name)?.value;
  }

  setCookie(url: string | URL, name: string, value: string): void {
    const { host } = new URL(url);
    const jar = this.#jar.get(host) ?? new Map<string, Cookie>();
    this.#jar.set(host, jar.set(`/ ${name}`, { name, value, path: '/' }));
  }

  #keep(host: string, line: string): void {
    const [pair = '', ...attributes] = line.split(';');
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1)];
    const isGone =
      value === '' || attributes.some((attribute) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(attribute));
    const path = /;\s*path=([^;]*)/i.exec(line)?.[1] ?? '/';
    const jar = this.#jar.get(host) ?? new Map<string, Cookie>();
    if (isGone) jar.delete(`${path} ${name}`);
    else jar.set(`${path} ${name}`, { name, value, path });
    this.#jar.set(host, jar);
  }
}
