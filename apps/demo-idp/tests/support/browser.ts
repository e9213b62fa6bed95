/** A browser without scripts: keeps cookies, follows redirects, stops at the first page or at a foreign origin. */
export class PlainBrowser {
  readonly #cookies = new Map<string, string>();

  async get(url: string): Promise<{ status: number; url: string; text: string }> {
    return await this.#go(url, { method: 'GET' });
  }

  async post(url: string, form: Record<string, string>): Promise<{ status: number; url: string; text: string }> {
    return await this.#go(url, { method: 'POST', body: new URLSearchParams(form) });
  }

  async #go(start: string, init: RequestInit): Promise<{ status: number; url: string; text: string }> {
    const { origin } = new URL(start);
    let url = start;
    let request = init;
    for (let hops = 0; hops < 10; hops += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const answer = await fetch(url, { ...request, redirect: 'manual', headers: cookie === '' ? {} : { cookie } });
      for (const line of answer.headers.getSetCookie()) this.#keep(line);
      const location = answer.headers.get('location');
      if (location === null) return { status: answer.status, url, text: await answer.text() };
      url = new URL(location, url).href;
      if (new URL(url).origin !== origin) return { status: answer.status, url, text: '' };
      request = { method: 'GET' };
    }
    throw new Error('Too many redirects');
  }

  #keep(line: string): void {
    const [pair = ''] = line.split(';');
    const [name = '', ...value] = pair.split('=');
    if (/expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name);
    else this.#cookies.set(name, value.join('='));
  }
}

/** The hidden fields and the target of the first form of a page. */
export function firstForm(page: string): { action: string; fields: Record<string, string> } {
  const action = /<form[^>]*action="([^"]*)"/.exec(page)?.[1] ?? '';
  const inputs = page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
  return {
    action: unescapeHtml(action),
    fields: Object.fromEntries([...inputs].map(([, name = '', value = '']) => [name, unescapeHtml(value)])),
  };
}

function unescapeHtml(value: string): string {
  return value
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
