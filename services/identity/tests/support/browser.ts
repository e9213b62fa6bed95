/** A browser without a screen: keeps cookies per host, follows nothing by itself. */
export class Browser {
  readonly #jar = new Map<string, Map<string, string>>();

  async open(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const target = new URL(url);
    const headers = new Headers(init.headers);
    const cookie = [...(this.#jar.get(target.host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
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
    return this.#jar.get(new URL(url).host)?.get(name);
  }

  setCookie(url: string | URL, name: string, value: string): void {
    const { host } = new URL(url);
    this.#jar.set(host, (this.#jar.get(host) ?? new Map<string, string>()).set(name, value));
  }

  #keep(host: string, line: string): void {
    const [pair = '', ...attributes] = line.split(';');
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1)];
    const isGone =
      value === '' || attributes.some((attribute) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(attribute));
    const jar = this.#jar.get(host) ?? new Map<string, string>();
    if (isGone) jar.delete(name);
    else jar.set(name, value);
    this.#jar.set(host, jar);
  }
}
