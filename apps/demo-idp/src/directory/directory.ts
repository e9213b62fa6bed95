import { randomBytes, randomUUID } from 'node:crypto';
import type { Flavor } from '../config.ts';
import { DemoIdpError } from '../errors.ts';
import type { StateStore } from '../state/store.ts';
import { type Group, immutableId, type Person } from './people.ts';

/** The attributes of a person that can be changed. */
export type PersonChanges = Partial<Pick<Person, 'givenName' | 'familyName' | 'displayName' | 'userName' | 'email'>>;

/** The people and groups of the demo company. Every change is saved before the call returns. */
export class Directory {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  get flavor(): Flavor {
    return this.#store.state.flavor;
  }

  /** A snapshot of the list. */
  people(): readonly Person[] {
    return [...this.#store.state.people];
  }

  /** A snapshot of the list. */
  groups(): readonly Group[] {
    return [...this.#store.state.groups];
  }

  groupsOf(person: Person): readonly Group[] {
    return this.#store.state.groups.filter((group) => group.members.includes(person.key));
  }

  /** Finds by key, user name or either immutable id; user names ignore case. */
  findPerson(reference: string): Person | null {
    const wanted = reference.toLowerCase();
    const matches = (person: Person): boolean =>
      person.key === reference ||
      person.userName.toLowerCase() === wanted ||
      person.oktaId === reference ||
      person.entraId === wanted;
    return this.#store.state.people.find(matches) ?? null;
  }

  /** @throws PERSON_UNKNOWN */
  getPerson(reference: string): Person {
    const person = this.findPerson(reference);
    if (person === null) throw new DemoIdpError('PERSON_UNKNOWN', 'No such person in this company.');
    return person;
  }

  /** Finds by key, name or either immutable id. @throws GROUP_UNKNOWN */
  getGroup(reference: string): Group {
    const matches = ({ key, name, oktaId, entraId }: Group): boolean =>
      [key, name, oktaId, entraId].includes(reference);
    const group = this.#store.state.groups.find(matches);
    if (group === undefined) throw new DemoIdpError('GROUP_UNKNOWN', 'No such group in this company.');
    return group;
  }

  /** @throws PERSON_EXISTS when the user name is taken. */
  addPerson({ givenName, familyName, userName }: Pick<Person, 'givenName' | 'familyName' | 'userName'>): Person {
    this.#refuseTakenUserName(userName, null);
    const person = newPerson(givenName, familyName, userName);
    this.#store.state.people.push(person);
    this.#store.save();
    return person;
  }

  /** A changed name changes the display name with it. @throws PERSON_EXISTS when the new user name is taken. */
  changePerson(person: Person, changes: PersonChanges): void {
    if (changes.userName !== undefined) this.#refuseTakenUserName(changes.userName, person);
    const renamed = changes.givenName !== undefined || changes.familyName !== undefined;
    Object.assign(person, changes);
    if (renamed && changes.displayName === undefined) person.displayName = `${person.givenName} ${person.familyName}`;
    this.#store.save();
  }

  setActive(person: Person, active: boolean): void {
    Object.assign(person, { active });
    this.#store.save();
  }

  setAssigned(person: Person, assigned: boolean): void {
    Object.assign(person, { assigned });
    this.#store.save();
  }

  removePerson(person: Person): void {
    const { state } = this.#store;
    state.people = state.people.filter((one) => one !== person);
    for (const group of state.groups) group.members = group.members.filter((key) => key !== person.key);
    this.#store.save();
  }

  /** Adding a member twice or removing an absent one changes nothing. */
  setMember(group: Group, person: Person, isMember: boolean): void {
    if (isMember === group.members.includes(person.key)) return;
    const others = group.members.filter((key) => key !== person.key);
    Object.assign(group, { members: isMember ? [...others, person.key] : others });
    this.#store.save();
  }

  #refuseTakenUserName(userName: string, owner: Person | null): void {
    const taken = this.findPerson(userName);
    if (taken !== null && taken !== owner) {
      throw new DemoIdpError('PERSON_EXISTS', `${userName} belongs to somebody else.`);
    }
  }
}

/** The groups of a person as the identity provider being played names them in claims. */
export function groupClaims(directory: Directory, person: Person, groupsClaim: 'names' | 'ids' | null): string[] {
  const style = groupsClaim ?? (directory.flavor === 'okta' ? 'names' : 'ids');
  return directory
    .groupsOf(person)
    .map((group) => (style === 'names' ? group.name : immutableId(group, directory.flavor)));
}

function newPerson(givenName: string, familyName: string, userName: string): Person {
  return {
    key: `p-${randomBytes(6).toString('hex')}`,
    oktaId: `00u${randomAlphanumeric(17)}`,
    entraId: randomUUID(),
    givenName,
    familyName,
    displayName: `${givenName} ${familyName}`,
    userName,
    email: userName,
    active: true,
    assigned: true,
  };
}

/** An alphabet of 32 divides 256, so no letter is likelier than another. */
function randomAlphanumeric(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length]).join('');
}
