import { expectStatus, type Answer, type Caller } from './person.ts';
import { WebClient } from './web-client.ts';

export interface IdpPerson {
  readonly key: string;
  readonly userName: string;
  readonly active: boolean;
  /** Id of their account with us; null when they are not provisioned. */
  readonly scimId: string | null;
}

/** The demo IdP's control API: what a company's administrator does in Okta or Entra. */
export class DemoIdp implements Caller {
  readonly url: string;
  readonly #web = new WebClient();

  constructor(url: string) {
    this.url = url;
  }

  async call(method: string, path: string, body?: object): Promise<Answer> {
    const headers = { origin: this.url, accept: 'application/json' };
    const page = await this.#web.request(this.url + path, { method, headers, ...(body === undefined ? {} : { body }) });
    return {
      status: page.status,
      headers: page.headers,
      body: JSON.parse(page.text || '{}') as Record<string, unknown>,
    };
  }

  async people(): Promise<IdpPerson[]> {
    return (await expectStatus(this, 200, 'GET', '/api/people'))['items'] as IdpPerson[];
  }

  /** Somebody new joins the company and is pushed at once, in the dialect being played. */
  async hire(userName: string, groups: readonly string[] = []): Promise<IdpPerson> {
    const [givenName = ''] = userName.split('@');
    const answer = await expectStatus(this, 201, 'POST', '/api/people', { givenName, familyName: 'Tester', userName });
    const person = answer['person'] as IdpPerson;
    for (const group of groups) await this.setMember(group, person.key, true);
    return person;
  }

  async setFlavor(flavor: 'okta' | 'entra'): Promise<void> {
    await expectStatus(this, 200, 'PUT', '/api/targets', { flavor });
  }

  /** Pushes everybody and every group. @throws UNEXPECTED_ANSWER when anything was refused */
  async provision(full = false): Promise<Record<string, unknown>> {
    return await expectStatus(this, 200, 'POST', '/api/provision', { full });
  }

  async act(person: string, action: 'activate' | 'deactivate' | 'assign' | 'unassign'): Promise<void> {
    await expectStatus(this, 200, 'POST', `/api/people/${person}/${action}`, {});
  }

  async change(person: string, changes: Readonly<Record<string, string>>): Promise<void> {
    await expectStatus(this, 200, 'PATCH', `/api/people/${person}`, changes);
  }

  async setMember(group: string, person: string, isMember: boolean): Promise<void> {
    await expectStatus(this, 200, isMember ? 'PUT' : 'DELETE', `/api/groups/${group}/members/${person}`, {});
  }

  /** Exchanges with our SCIM endpoints since an entry. */
  async log(after = 0): Promise<Record<string, unknown>[]> {
    const { items } = await expectStatus(this, 200, 'GET', `/api/log?after=${String(after)}`);
    return items as Record<string, unknown>[];
  }
}
