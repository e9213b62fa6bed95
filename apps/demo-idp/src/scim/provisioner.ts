import type { Directory } from '../directory/directory.ts';
import { type Group, immutableId, isEntitled, type Person } from '../directory/people.ts';
import { DemoIdpError } from '../errors.ts';
import { createKeyedLock, type KeyedLock } from '../keyed-lock.ts';
import type { Ledger, PushedGroup, PushedUser, ScimProfile, SyncOutcome } from '../state/state.ts';
import type { StateStore } from '../state/store.ts';
import type { ScimTransport } from './client.ts';
import { ScimConversation, withId } from './conversation.ts';
import { type MemberReference, type ScimDialect, type WantedGroup, type WantedUser, wantedValues } from './dialect.ts';
import { entraDialect } from './entra.ts';
import { oktaDialect } from './okta.ts';
import { mergedGroup, mergedUser, userValues } from './resource.ts';

/** What a run over the whole company did. */
export interface ProvisionReport {
  readonly people: Readonly<Record<string, SyncOutcome>>;
  readonly groups: Readonly<Record<string, SyncOutcome>>;
  readonly failed: number;
  readonly ms: number;
}

/**
 * Brings the target's users and groups to what the directory says. Actions on one person or one group
 * follow each other; every action is recorded with its outcome. null = no SCIM target is configured.
 */
export interface Provisioner {
  /** Everything and everybody; `full` looks everything up again instead of trusting what was sent before. */
  provisionAll(options: { full: boolean }): Promise<ProvisionReport | null>;
  /** Creates, updates, deactivates or reactivates one user; returns after the target's final answer. */
  syncPerson(person: Person, action: string): Promise<SyncOutcome | null>;
  /** Name and membership of one group. */
  syncGroup(group: Group, action: string): Promise<SyncOutcome | null>;
  /** Entra deletes the user at the target; Okta only deactivates somebody who is not active any more. */
  deletePerson(person: Person): Promise<SyncOutcome | null>;
  /** Drops what is known about a person who left. */
  forgetPerson(person: Person): void;
}

/** The dialect of a profile. */
export function dialectOf(profile: ScimProfile): ScimDialect {
  return profile === 'okta-oin' || profile === 'okta-aiw' ? oktaDialect(profile) : entraDialect(profile);
}

/** The provisioner over the stored directory and target. */
export class ScimProvisioner implements Provisioner {
  readonly #store: StateStore;
  readonly #directory: Directory;
  readonly #transport: ScimTransport;
  readonly #lock: KeyedLock = createKeyedLock();

  constructor(store: StateStore, directory: Directory, transport: ScimTransport) {
    this.#store = store;
    this.#directory = directory;
    this.#transport = transport;
  }

  async provisionAll({ full }: { full: boolean }): Promise<ProvisionReport | null> {
    const conversation = this.#open();
    if (conversation === null) return null;
    const startedAt = this.#transport.clock.monotonicMs();
    if (Object.keys(this.#ledger().users).length === 0) {
      for (const request of conversation.dialect.connectionTest()) await conversation.send(request, [200]);
    }
    const people: Record<string, SyncOutcome> = {};
    for (const person of this.#directory.people()) {
      // Somebody who never had the application is not looked for every time.
      if (!person.assigned && !full && this.#ledger().users[person.key] === undefined) continue;
      const outcome = await this.#recorded(`person:${person.key}`, 'provision', (open) =>
        this.#pushUser(open, person, full),
      );
      if (outcome !== null) people[person.key] = outcome;
    }
    const groups: Record<string, SyncOutcome> = {};
    for (const group of this.#directory.groups()) {
      const outcome = await this.#recorded(`group:${group.key}`, 'provision', (open) =>
        this.#pushGroup(open, group, full),
      );
      if (outcome !== null) groups[group.key] = outcome;
    }
    const failed = [...Object.values(people), ...Object.values(groups)].filter((outcome) => !outcome.ok).length;
    return { people, groups, failed, ms: this.#transport.clock.monotonicMs() - startedAt };
  }

  async syncPerson(person: Person, action: string): Promise<SyncOutcome | null> {
    return await this.#recorded(`person:${person.key}`, action, (open) => this.#pushUser(open, person, false));
  }

  async syncGroup(group: Group, action: string): Promise<SyncOutcome | null> {
    return await this.#recorded(`group:${group.key}`, action, (open) => this.#pushGroup(open, group, false));
  }

  async deletePerson(person: Person): Promise<SyncOutcome | null> {
    return await this.#recorded(`person:${person.key}`, 'delete', async (open) => {
      const known = this.#ledger().users[person.key];
      const request = known === undefined ? null : open.dialect.deleteUser(known.scimId);
      if (request === null) {
        await this.#pushUser(open, person, false);
        return;
      }
      await open.send(request, [204, 200, 404]);
      // The target drops the memberships of a user it deletes.
      this.#forgetUser(person.key);
    });
  }

  forgetPerson(person: Person): void {
    this.#forgetUser(person.key);
    delete this.#store.state.outcomes[`person:${person.key}`];
    this.#store.save();
  }

  /** One action under the lock of its subject; its failure is an outcome, not an exception. */
  async #recorded(
    subject: string,
    action: string,
    run: (conversation: ScimConversation) => Promise<void>,
  ): Promise<SyncOutcome | null> {
    return await this.#lock(subject, async () => {
      const conversation = this.#open();
      if (conversation === null) return null;
      const { clock } = this.#transport;
      const startedAt = clock.monotonicMs();
      let message: string | null = null;
      try {
        await run(conversation);
      } catch (error) {
        if (!(error instanceof DemoIdpError)) throw error;
        ({ message } = error);
      }
      const ms = Math.round((clock.monotonicMs() - startedAt) * 10) / 10;
      const at = clock.now().toISOString();
      const outcome = { action, ok: message === null, status: conversation.lastStatus, ms, at, message };
      this.#store.state.outcomes[subject] = outcome;
      this.#store.save();
      return outcome;
    });
  }

  async #pushUser(open: ScimConversation, person: Person, full: boolean): Promise<void> {
    const wanted = this.#wantedUser(person);
    const isUpToDate = async (): Promise<boolean> => {
      const known = this.#ledger().users[person.key];
      return known !== undefined && (await this.#updateUser(open, known, wanted, full));
    };
    if (!full) {
      if (await isUpToDate()) return;
      this.#forgetUser(person.key);
    }
    await this.#linkUser(open, person, wanted);
    if (await isUpToDate()) return;
    this.#forgetUser(person.key);
    // Somebody who may not come in is never created, only to be deactivated again.
    if (!isEntitled(person)) return;
    const created = await open.send(open.dialect.createUser(wanted), [201, 409]);
    if (created.status === 201) {
      this.#ledger().users[person.key] = { scimId: withId(created.body).id, pushed: { ...wantedValues(wanted) } };
      return;
    }
    // A retried create may find its own first attempt.
    await this.#linkUser(open, person, wanted);
    if (!(await isUpToDate())) {
      throw new DemoIdpError('SCIM_FAILED', `POST /Users was answered 409, but nobody is called ${wanted.userName}.`);
    }
  }

  async #linkUser(open: ScimConversation, person: Person, wanted: WantedUser): Promise<void> {
    const found = await open.findFirst(open.dialect.findUser(wanted));
    if (found === null) return;
    const { users } = this.#ledger();
    if (users[person.key]?.scimId !== found.id) this.#forgetUser(person.key);
    users[person.key] = { scimId: found.id, pushed: { ...userValues(found) } };
  }

  /** Forgets an id at the target, and with it the memberships that id had. */
  #forgetUser(key: string): void {
    const { users, groups } = this.#ledger();
    delete users[key];
    for (const group of Object.values(groups)) group.members = group.members.filter((member) => member !== key);
  }

  /** @returns false when the user is gone at the target. */
  async #updateUser(open: ScimConversation, known: PushedUser, wanted: WantedUser, full: boolean): Promise<boolean> {
    const { active } = known.pushed;
    const resend = full && open.dialect.resendsUnchanged;
    const values = resend && active !== undefined ? { active } : known.pushed;
    for (const step of open.dialect.updateUser(known.scimId, wanted, values)) {
      if (step === 'replace') {
        const read = { method: 'GET', path: `/Users/${known.scimId}` } as const;
        if (!(await open.replace(read, (current) => mergedUser(current, wanted)))) return false;
      } else {
        const answer = await open.send(step, [200, 204, 404]);
        if (answer.status === 404) return false;
      }
    }
    known.pushed = { ...wantedValues(wanted) };
    return true;
  }

  async #pushGroup(open: ScimConversation, group: Group, full: boolean): Promise<void> {
    const { groups } = this.#ledger();
    const known = groups[group.key];
    if (known !== undefined && !full && (await this.#updateGroup(open, known, group))) return;
    const wanted = this.#wantedGroup(group);
    const found = (await open.findFirst(open.dialect.findGroup(wanted)))?.id ?? null;
    const scimId = found ?? withId((await open.send(open.dialect.createGroup(wanted), [201])).body).id;
    const linked: PushedGroup = {
      scimId,
      name: wanted.displayName,
      members: known !== undefined && known.scimId === found ? known.members : [],
    };
    groups[group.key] = linked;
    await this.#pushWholeMembership(open, linked, group, found === null);
  }

  /** @returns false when the group is gone at the target. */
  async #updateGroup(open: ScimConversation, known: PushedGroup, group: Group): Promise<boolean> {
    const wanted = this.#wantedGroup(group);
    if (known.name !== wanted.displayName) {
      if (!(await this.#groupStep(open, known, group, open.dialect.renameGroup(known.scimId, wanted)))) return false;
      known.name = wanted.displayName;
    }
    return await this.#pushMemberChanges(open, known, group);
  }

  async #pushMemberChanges(open: ScimConversation, known: PushedGroup, group: Group): Promise<boolean> {
    const wanted = this.#provisionedMembers(group);
    const add = wanted.filter((key) => !known.members.includes(key));
    const remove = known.members.filter((key) => !wanted.includes(key));
    if (add.length === 0 && remove.length === 0) return true;
    const change = { add: this.#references(add), remove: this.#references(remove) };
    const steps = open.dialect.changeMembers(known.scimId, this.#wantedGroup(group), change);
    const done = await Promise.all(steps.map((step) => this.#groupStep(open, known, group, step)));
    if (done.includes(false)) return false;
    known.members = wanted;
    return true;
  }

  async #pushWholeMembership(open: ScimConversation, known: PushedGroup, group: Group, isNew: boolean): Promise<void> {
    const wanted = this.#provisionedMembers(group);
    if (isNew && wanted.length === 0) return;
    const whole = open.dialect.replaceMembers(known.scimId, this.#references(wanted));
    const done =
      whole === null
        ? await this.#pushMemberChanges(open, known, group)
        : await this.#groupStep(open, known, group, whole);
    if (!done) throw new DemoIdpError('SCIM_FAILED', `The group ${group.name} vanished while its members were sent.`);
    known.members = wanted;
  }

  /** @returns false when the group is gone at the target. */
  async #groupStep(
    open: ScimConversation,
    known: PushedGroup,
    group: Group,
    step: ReturnType<ScimDialect['renameGroup']>,
  ): Promise<boolean> {
    if (step !== 'replace') return (await open.send(step, [200, 204, 404])).status !== 404;
    const members = this.#references(this.#provisionedMembers(group));
    return await open.replace(open.dialect.readGroup(known.scimId), (current) =>
      mergedGroup(current, this.#wantedGroup(group), members),
    );
  }

  /** Members the target knows: a group never names somebody who was not provisioned. */
  #provisionedMembers(group: Group): string[] {
    return group.members.filter((key) => this.#ledger().users[key] !== undefined);
  }

  #references(keys: readonly string[]): MemberReference[] {
    return keys.flatMap((key) => {
      const user = this.#ledger().users[key];
      return user === undefined ? [] : [{ scimId: user.scimId, display: String(user.pushed['displayName'] ?? '') }];
    });
  }

  #wantedUser(person: Person): WantedUser {
    const { userName, givenName, familyName, displayName, email } = person;
    const externalId = immutableId(person, this.#directory.flavor);
    return { externalId, userName, givenName, familyName, displayName, email, active: isEntitled(person) };
  }

  #wantedGroup(group: Group): WantedGroup {
    return { externalId: immutableId(group, this.#directory.flavor), displayName: group.name };
  }

  #open(): ScimConversation | null {
    const { targets, flavor } = this.#store.state;
    if (targets.scim === null) return null;
    const profile = targets.scim.profile ?? (flavor === 'okta' ? 'okta-oin' : 'entra');
    return new ScimConversation(this.#transport, dialectOf(profile), targets.scim);
  }

  /** What is known about the present target; knowledge about another target or flavour is dropped. */
  #ledger(): Ledger {
    const { state } = this.#store;
    const targetKey = `${state.flavor} ${state.targets.scim?.baseUrl ?? ''}`;
    if (state.ledger.targetKey !== targetKey) state.ledger = { targetKey, users: {}, groups: {} };
    return state.ledger;
  }
}
