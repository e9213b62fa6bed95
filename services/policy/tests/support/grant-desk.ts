import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { World, untilDecided, type Answer, type GrantRequest, type Organization } from './world.ts';

export const GRANTS = '/api/policy/v1/grants';
export const MAPPINGS = '/api/policy/v1/group-mappings';

export interface GrantBody {
  readonly id: string;
  readonly role: string;
  readonly source: string;
  readonly subject: { readonly type: string; readonly id: string };
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

export interface AuditItem {
  readonly entry: {
    readonly action: string;
    readonly outcome: string;
    readonly reason?: string;
    readonly target: { readonly id: string };
    readonly before?: Readonly<Record<string, unknown>>;
    readonly after?: Readonly<Record<string, unknown>>;
    readonly decision?: Readonly<Record<string, unknown>>;
  };
}

export interface Person {
  readonly id: string;
  readonly token: string;
}

/** The code of a problem; empty for any other answer. */
export const codeOf = ({ body }: Answer): string => (body as { code?: string } | undefined)?.code ?? '';

/** What tests of one organisation's grants do again and again. */
export class GrantDesk {
  readonly world: World;
  readonly org: Organization;

  constructor(world: World, org: Organization) {
    this.world = world;
    this.org = org;
  }

  async newUser(groupIds: string[] = []): Promise<Person> {
    const id = newId();
    const token = `token-${id}`;
    await this.world.user(this.org.orgId, id, token, groupIds);
    return { id, token };
  }

  async newGroup(): Promise<string> {
    const groupId = newId();
    const { orgId } = this.org;
    await this.world.applied(orgId, this.world.identity.commit(orgId, [], [{ groupId, displayName: 'Group' }]));
    return groupId;
  }

  /** A new user who holds this role. */
  async holding(role: string, scope: GrantRequest['scope'] = {}, until?: string): Promise<Person> {
    const user = await this.newUser();
    const validity = until === undefined ? {} : { validUntil: until };
    await this.world.grant(this.org, { subject: { type: 'user', id: user.id }, role, scope, ...validity });
    return user;
  }

  async post(token: string, body: unknown, path = GRANTS): Promise<Answer> {
    return await untilDecided(() => this.world.call('POST', path, { token, body }));
  }

  /** Posts what must be refused; the code of the refusal. */
  async refused(token: string, body: unknown, path = GRANTS): Promise<string> {
    const answer = await this.post(token, body, path);
    assert.ok(answer.status === 403 || answer.status === 409, `${String(answer.status)} ${answer.text}`);
    return codeOf(answer);
  }

  async remove(token: string, grantId: string | undefined): Promise<Answer> {
    return await untilDecided(() => this.world.call('DELETE', `${GRANTS}/${String(grantId)}`, { token }));
  }

  async listed(query = '', token = this.org.ownerToken): Promise<Page<GrantBody>> {
    return await this.#page<GrantBody>(`${GRANTS}${query}`, token);
  }

  async audit(): Promise<readonly AuditItem[]> {
    return (await this.#page<AuditItem>('/api/policy/v1/audit?limit=100', this.org.ownerToken)).items;
  }

  async #page<T>(path: string, token: string): Promise<Page<T>> {
    const answer = await this.world.call('GET', path, { token });
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Page<T>;
  }
}

/** Hooks for a suite: one world for all of it, and for each test a desk in an organisation of its own. */
export const deskForEachTest = (): (() => GrantDesk) => {
  let world: World;
  let desk: GrantDesk;
  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    desk = new GrantDesk(world, await world.organization());
  });
  after(async () => {
    await world.dispose();
  });
  return () => desk;
};
