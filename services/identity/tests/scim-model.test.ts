import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';
import fc from 'fast-check';

import { newDirectory, patchOf, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';

// A naive second opinion: plain maps, no database, no dialects.
interface ModelUser {
  userName: string;
  title: string | undefined;
  active: boolean;
}
interface ModelGroup {
  displayName: string;
  readonly members: Set<string>;
}

/** Users and groups are named by slots; the model knows which slot is whom. */
class Model {
  readonly users = new Map<number, ModelUser>();
  readonly groups = new Map<number, ModelGroup>();

  takesUserName(name: string, slot: number): boolean {
    return [...this.users].some(([at, user]) => at !== slot && user.userName.toLowerCase() === name.toLowerCase());
  }

  takesGroupName(name: string, slot: number): boolean {
    return [...this.groups].some(
      ([at, group]) => at !== slot && group.displayName.toLowerCase() === name.toLowerCase(),
    );
  }
}

const SLOTS = 4;
const slot = fc.nat({ max: SLOTS - 1 });
const userName = fc.constantFrom('a@x', 'A@X', 'b@x', 'c@x', 'd@x');
const groupName = fc.constantFrom('One', 'ONE', 'Two', 'Three');
const dialect = fc.constantFrom('okta', 'entra', 'entra-062020', 'put');

const step = fc.oneof(
  fc.record({ kind: fc.constant('create-user' as const), slot, userName }),
  fc.record({ kind: fc.constant('set-active' as const), slot, active: fc.boolean(), dialect }),
  fc.record({ kind: fc.constant('rename' as const), slot, userName }),
  fc.record({ kind: fc.constant('set-title' as const), slot, title: fc.constantFrom('Dr', 'Prof', '') }),
  fc.record({ kind: fc.constant('delete-user' as const), slot }),
  fc.record({ kind: fc.constant('create-group' as const), slot, groupName, members: fc.uniqueArray(slot) }),
  fc.record({ kind: fc.constant('add' as const), slot, members: fc.uniqueArray(slot, { minLength: 1 }) }),
  fc.record({
    kind: fc.constant('remove' as const),
    slot,
    members: fc.uniqueArray(slot, { minLength: 1 }),
    filtered: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('replace' as const), slot, members: fc.uniqueArray(slot) }),
  fc.record({ kind: fc.constant('rename-group' as const), slot, groupName }),
  fc.record({ kind: fc.constant('delete-group' as const), slot }),
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Plays steps against the service and the model and compares every answer. */
class Player {
  readonly model = new Model();
  readonly #scim: Directory['scim'];
  readonly #userIds = new Map<number, string>();
  readonly #groupIds = new Map<number, string>();

  constructor(scim: Directory['scim']) {
    this.#scim = scim;
  }

  #userId(at: number): string {
    return this.#userIds.get(at) ?? newId();
  }

  #groupId(at: number): string {
    return this.#groupIds.get(at) ?? newId();
  }

  async play(next: Step): Promise<void> {
    switch (next.kind) {
      case 'create-user':
        await this.#createUser(next);
        return;
      case 'set-active':
        await this.#setActive(next);
        return;
      case 'rename':
      case 'set-title':
        await this.#changeUser(next);
        return;
      case 'delete-user':
        await this.#deleteUser(next.slot);
        return;
      case 'create-group':
        await this.#createGroup(next);
        return;
      case 'rename-group':
        await this.#renameGroup(next);
        return;
      case 'delete-group':
        await this.#deleteGroup(next.slot);
        return;
      case 'add':
      case 'remove':
      case 'replace':
        await this.#changeMembers(next);
    }
  }

  async #createUser({ slot: at, userName: name }: Extract<Step, { kind: 'create-user' }>): Promise<void> {
    if (this.model.users.has(at)) return;
    const { status, body } = await this.#scim('POST', '/Users', { userName: name });
    assert.equal(status, this.model.takesUserName(name, at) ? 409 : 201);
    if (status !== 201) return;
    this.#userIds.set(at, body.id);
    this.model.users.set(at, { userName: name, title: undefined, active: true });
  }

  async #setActive({ slot: at, active, dialect: spoken }: Extract<Step, { kind: 'set-active' }>): Promise<void> {
    const user = this.model.users.get(at);
    const path = `/Users/${this.#userId(at)}`;
    const answer = await (spoken === 'put'
      ? this.#scim('PUT', path, {
          userName: user?.userName ?? 'x',
          ...(user?.title === undefined ? {} : { title: user.title }),
          active,
        })
      : this.#scim(
          'PATCH',
          path,
          patchOf(
            spoken === 'okta'
              ? { op: 'replace', value: { active } }
              : {
                  op: spoken === 'entra' ? 'Replace' : 'replace',
                  path: 'active',
                  value: spoken === 'entra' ? (active ? 'True' : 'False') : active,
                },
          ),
        ));
    assert.equal(answer.status, user === undefined ? 404 : 200, JSON.stringify(answer.body));
    if (user !== undefined) user.active = active;
  }

  async #changeUser(next: Extract<Step, { kind: 'rename' | 'set-title' }>): Promise<void> {
    const user = this.model.users.get(next.slot);
    const value = next.kind === 'rename' ? { userName: next.userName } : { title: next.title };
    const { status } = await this.#scim(
      'PATCH',
      `/Users/${this.#userId(next.slot)}`,
      patchOf({ op: 'replace', value }),
    );
    const clashes = next.kind === 'rename' && this.model.takesUserName(next.userName, next.slot);
    assert.equal(status, user === undefined ? 404 : clashes ? 409 : 200);
    if (user === undefined || clashes) return;
    if (next.kind === 'rename') user.userName = next.userName;
    else user.title = next.title === '' ? undefined : next.title;
  }

  async #deleteUser(at: number): Promise<void> {
    const { status } = await this.#scim('DELETE', `/Users/${this.#userId(at)}`);
    assert.equal(status, this.model.users.has(at) ? 204 : 404);
    this.model.users.delete(at);
    this.#userIds.delete(at);
    for (const { members } of this.model.groups.values()) members.delete(String(at));
  }

  #known(members: readonly number[]): boolean {
    return members.every((member) => this.model.users.has(member));
  }

  #values(members: readonly number[]): { value: string }[] {
    return members.map((member) => ({ value: this.#userId(member) }));
  }

  async #createGroup({ slot: at, groupName: name, members }: Extract<Step, { kind: 'create-group' }>): Promise<void> {
    if (this.model.groups.has(at)) return;
    const { status, body } = await this.#scim('POST', '/Groups', { displayName: name, members: this.#values(members) });
    const expected = this.model.takesGroupName(name, at) ? 409 : this.#known(members) ? 201 : 400;
    assert.equal(status, expected);
    if (status !== 201) return;
    this.#groupIds.set(at, body.id);
    this.model.groups.set(at, { displayName: name, members: new Set(members.map(String)) });
  }

  async #renameGroup({ slot: at, groupName: name }: Extract<Step, { kind: 'rename-group' }>): Promise<void> {
    const group = this.model.groups.get(at);
    const id = this.#groupId(at);
    const { status } = await this.#scim(
      'PATCH',
      `/Groups/${id}`,
      patchOf({ op: 'replace', value: { id, displayName: name } }),
    );
    const clashes = this.model.takesGroupName(name, at);
    assert.equal(status, group === undefined ? 404 : clashes ? 409 : 204);
    if (group !== undefined && !clashes) group.displayName = name;
  }

  async #deleteGroup(at: number): Promise<void> {
    const { status } = await this.#scim('DELETE', `/Groups/${this.#groupId(at)}`);
    assert.equal(status, this.model.groups.has(at) ? 204 : 404);
    this.model.groups.delete(at);
    this.#groupIds.delete(at);
  }

  async #changeMembers(next: Extract<Step, { kind: 'add' | 'remove' | 'replace' }>): Promise<void> {
    const group = this.model.groups.get(next.slot);
    const operations =
      next.kind === 'remove' && next.filtered
        ? this.#values(next.members).map(({ value }) => ({ op: 'remove', path: `members[value eq "${value}"]` }))
        : [{ op: next.kind, path: 'members', value: this.#values(next.members) }];
    const { status, body } = await this.#scim('PATCH', `/Groups/${this.#groupId(next.slot)}`, patchOf(...operations));
    const mayFail = next.kind !== 'remove' && !this.#known(next.members);
    assert.equal(status, group === undefined ? 404 : mayFail ? 400 : 204, JSON.stringify(body));
    if (group === undefined || mayFail) return;
    if (next.kind === 'replace') group.members.clear();
    for (const member of next.members)
      if (next.kind === 'remove') group.members.delete(String(member));
      else group.members.add(String(member));
  }

  /** What the service shows is what the model says. */
  async compare(): Promise<void> {
    const users = await this.#scim('GET', '/Users');
    const shown = users.body.Resources.map(({ id, userName: name, active, title }) => ({ id, name, active, title }));
    const expected = [...this.model.users].map(([at, user]) => ({
      id: this.#userId(at),
      name: user.userName,
      active: user.active,
      title: user.title,
    }));
    const byId = (left: { id: string }, right: { id: string }): number => (left.id < right.id ? -1 : 1);
    assert.deepEqual(shown.sort(byId), expected.sort(byId));
    const groups = await this.#scim('GET', '/Groups');
    assert.deepEqual(
      groups.body.Resources.map(({ id, displayName, members }) => ({
        id,
        displayName,
        members: members.map(({ value }) => value ?? '').sort(),
      })).sort(byId),
      [...this.model.groups]
        .map(([at, { displayName, members }]) => ({
          id: this.#groupId(at),
          displayName,
          members: [...members].map((member) => this.#userId(Number(member))).sort(),
        }))
        .sort(byId),
    );
  }
}

describe('SCIM against a reference model', () => {
  let identity: TestIdentity;
  before(async () => {
    identity = await startIdentity();
  });
  after(() => identity.close());

  it('answers and keeps what a naive model does, for any sequence of requests in any dialect (property)', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const { scim } = await newDirectory(identity, await newOrganization(identity));
        const player = new Player(scim);
        for (const next of steps) await player.play(next);
        await player.compare();
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });
});
