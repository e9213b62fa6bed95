import assert from 'node:assert/strict';

import type { GrantDesk } from './grant-desk.ts';
import { untilDecided, type Answer } from './world.ts';

export const ROLES = '/api/policy/v1/roles';

export interface RoleBody {
  readonly key: string;
  readonly name: string;
  readonly description?: string;
  readonly levels: readonly string[];
  readonly permissions: Readonly<
    Partial<Record<'organization' | 'project' | 'non-production' | 'production', string[]>>
  >;
}

/** May switch flags in production, and read what it switches. */
export const SWITCHER: RoleBody = {
  key: 'switcher',
  name: 'Switcher',
  description: 'Switches flags in production.',
  levels: ['project', 'environment'],
  permissions: { production: ['flag:read', 'flag:toggle'] },
};

/** Of a role's own what an administrator does over HTTP. */
export class RoleDesk {
  readonly desk: GrantDesk;

  constructor(desk: GrantDesk) {
    this.desk = desk;
  }

  async create(role: object, token = this.desk.org.ownerToken): Promise<Answer> {
    return await this.desk.post(token, role, ROLES);
  }

  /** Creates what must be created. */
  async made(role: Partial<RoleBody> = {}): Promise<RoleBody> {
    const whole = { ...SWITCHER, ...role };
    const answer = await this.create(whole);
    assert.equal(answer.status, 201, answer.text);
    return whole;
  }

  /** @param ifMatch absent: what is stored now; empty: no such header */
  async update({ key, ...body }: RoleBody, token = this.desk.org.ownerToken, ifMatch?: string): Promise<Answer> {
    return await this.#conditional('PUT', key, { token, body }, ifMatch);
  }

  async remove(key: string, token = this.desk.org.ownerToken, ifMatch?: string): Promise<Answer> {
    return await this.#conditional('DELETE', key, { token }, ifMatch);
  }

  async etag(key: string): Promise<string> {
    const answer = await this.desk.world.call('GET', `${ROLES}/${key}`, { token: this.desk.org.ownerToken });
    return answer.headers.get('etag') ?? '*';
  }

  async #conditional(
    method: string,
    key: string,
    options: { readonly token: string; readonly body?: object },
    ifMatch: string | undefined,
  ): Promise<Answer> {
    const tag = ifMatch ?? (await this.etag(key));
    const headers: Readonly<Record<string, string>> = tag === '' ? {} : { 'if-match': tag };
    return await untilDecided(() => this.desk.world.call(method, `${ROLES}/${key}`, { ...options, headers }));
  }
}
