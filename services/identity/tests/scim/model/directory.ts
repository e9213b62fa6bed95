import { perform, type Intent } from './intent.ts';
import { CORE_GROUP, CORE_USER, ENTERPRISE, equal, isObject, Refusal, type Doc, type Json } from './vocabulary.ts';

export interface Stored {
  readonly id: string;
  readonly connection: string;
  doc: Doc;
  /** Of a group. */
  readonly members: Set<string>;
}

export type Kind = 'Users' | 'Groups';

/** Wrong in these ways: any of the words may be the answer; none of them: it is not there. */
export interface Refused {
  readonly outcome: 'refused';
  readonly words: readonly string[];
}

/** What a request comes to: a document that is then there, or a refusal. */
export type Verdict =
  | {
      readonly outcome: 'exact';
      readonly isChanged: boolean;
      /** Of somebody who comes back: who they were. */
      readonly id?: string | undefined;
      commit(id: string): Stored | undefined;
    }
  | Refused;

export const refusedFor = (...words: string[]): Refused => ({ outcome: 'refused', words });
export const NOT_THERE = refusedFor();

const text = (doc: Doc, name: string): string | undefined => {
  const value = doc[name];
  return typeof value === 'string' ? value : undefined;
};

/** Everything a user can be taken for. */
const namesOf = (doc: Doc): string[] => {
  const { emails } = doc;
  const addresses = Array.isArray(emails) ? emails.filter(isObject).map((email) => text(email, 'value') ?? '') : [];
  return [text(doc, 'userName') ?? '', ...addresses].filter((one) => one !== '').map((one) => one.toLowerCase());
};

const clone = (doc: Doc): Doc => structuredClone(doc);

/**
 * One organisation as a naive server would keep it: maps, no database, no dialects. Everything is decided on copies and
 * takes effect by `commit`.
 */
export class ReferenceDirectory {
  /** Users that were removed, as they last were. */
  readonly #tombstones = new Map<string, Stored>();
  readonly #kept: Readonly<Record<Kind, Map<string, Stored>>> = { Users: new Map(), Groups: new Map() };

  all(kind: Kind, connection: string): Stored[] {
    return [...this.#kept[kind].values()].filter((stored) => stored.connection === connection);
  }

  find(kind: Kind, connection: string, id: string): Stored | undefined {
    const stored = this.#kept[kind].get(id);
    return stored?.connection === connection ? stored : undefined;
  }

  create(kind: Kind, connection: string, wanted: Doc, memberIds: readonly string[] = []): Verdict {
    const doc: Doc = kind === 'Users' ? { active: true, ...clone(wanted) } : clone(wanted);
    const words = this.#problems(kind, connection, { doc, named: memberIds });
    if (words.length > 0) return refusedFor(...words);
    return {
      outcome: 'exact',
      isChanged: true,
      id: kind === 'Users' ? this.#tombstoneOf(connection, doc) : undefined,
      commit: (id) => {
        const stored = { id, connection, doc, members: new Set(memberIds) };
        this.#kept[kind].set(id, stored);
        return stored;
      },
    };
  }

  replace(kind: Kind, stored: Stored, wanted: Doc, memberIds: readonly string[] = []): Verdict {
    // A PUT that leaves active out leaves it as it is: it never lets anybody back in.
    const doc: Doc = kind === 'Users' ? { active: stored.doc['active'] ?? true, ...clone(wanted) } : clone(wanted);
    return this.#settle(kind, stored, doc, new Set(memberIds), memberIds);
  }

  patch(kind: Kind, stored: Stored, intents: readonly Intent[]): Verdict {
    const words = new Set(intents.flatMap((intent) => (intent.do === 'refuse' ? intent.words : [])));
    const doc = clone(stored.doc);
    const members = new Set(stored.members);
    const named: string[] = [];
    try {
      for (const intent of intents) {
        if (intent.do === 'refuse') continue;
        perform(doc, intent);
        if (intent.do === 'members') this.#changeMembers(stored.connection, intent, { members, named });
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      for (const word of error.words) words.add(word);
    }
    const verdict = this.#settle(kind, stored, doc, members, named);
    if (words.size === 0) return verdict;
    return refusedFor(...words, ...(verdict.outcome === 'refused' ? verdict.words : []));
  }

  remove(kind: Kind, stored: Stored): void {
    this.#kept[kind].delete(stored.id);
    if (kind === 'Users') this.#tombstones.set(stored.id, stored);
    if (kind === 'Users') for (const { members } of this.#kept.Groups.values()) members.delete(stored.id);
  }

  /** Who comes back under the identifier their directory gives them; without one, under a name that had none. */
  #tombstoneOf(connection: string, doc: Doc): string | undefined {
    const externalId = text(doc, 'externalId');
    const candidates = [...this.#tombstones.values()].filter((one) => {
      if (one.connection !== connection || this.#kept.Users.has(one.id)) return false;
      if (text(one.doc, 'externalId') !== externalId) return false;
      return (
        externalId !== undefined || text(one.doc, 'userName')?.toLowerCase() === text(doc, 'userName')?.toLowerCase()
      );
    });
    return candidates
      .map(({ id }) => id)
      .sort()
      .at(-1);
  }

  #changeMembers(
    connection: string,
    intent: Extract<Intent, { do: 'members' }>,
    { members, named }: { members: Set<string>; named: string[] },
  ): void {
    if (intent.op === 'remove') {
      for (const id of intent.ids) members.delete(id);
      return;
    }
    if (!this.#isKnown(connection, intent.ids)) throw new Refusal('invalidValue');
    if (intent.op === 'replace') members.clear();
    for (const id of intent.ids) members.add(id);
    named.push(...intent.ids);
  }

  #settle(kind: Kind, stored: Stored, doc: Doc, members: Set<string>, named: readonly string[]): Verdict {
    const words = this.#problems(kind, stored.connection, { doc, named, self: stored.id });
    if (words.length > 0) return refusedFor(...words);
    const isSame = [...members].every((id) => stored.members.has(id)) && members.size === stored.members.size;
    return {
      outcome: 'exact',
      isChanged: !equal(doc, stored.doc) || !isSame,
      commit: () => {
        stored.doc = doc;
        stored.members.clear();
        for (const id of members) stored.members.add(id);
        return stored;
      },
    };
  }

  /** Everything that is wrong with what would be there; which of it is said first is the service's choice. */
  #problems(kind: Kind, connection: string, wanted: { doc: Doc; named: readonly string[]; self?: string }): string[] {
    return [
      ...(this.#isKnown(connection, wanted.named) ? [] : ['invalidValue']),
      ...(this.#clashes(kind, connection, wanted) ? ['uniqueness'] : []),
    ];
  }

  #isKnown(connection: string, ids: readonly string[]): boolean {
    return ids.every((id) => this.find('Users', connection, id) !== undefined);
  }

  /**
   * userName is unique in the organisation, the name of a group and every externalId within the connection. A name or
   * address somebody of another connection goes by is never taken.
   */
  #clashes(kind: Kind, connection: string, { doc, self }: { doc: Doc; self?: string }): boolean {
    const name = kind === 'Users' ? 'userName' : 'displayName';
    const externalId = text(doc, 'externalId');
    const had = namesOf(this.#kept[kind].get(self ?? '')?.doc ?? {});
    const gets = namesOf(doc).filter((one) => !had.includes(one));
    return [...this.#kept[kind].values()].some((other) => {
      if (other.id === self) return false;
      const isNear = other.connection === connection;
      if (isNear && externalId !== undefined && text(other.doc, 'externalId') === externalId) return true;
      if (kind === 'Users' && !isNear && namesOf(other.doc).some((one) => gets.includes(one))) return true;
      return (kind === 'Users' || isNear) && text(other.doc, name)?.toLowerCase() === text(doc, name)?.toLowerCase();
    });
  }

  /** The document a GET shows, without what only the service can know: `meta`, and what it derives of others. */
  shown(kind: Kind, stored: Stored): Doc {
    if (kind === 'Groups') {
      const members = [...stored.members].sort().map((value): Json => ({ value }));
      return { schemas: [CORE_GROUP], id: stored.id, ...stored.doc, members };
    }
    const groups = [...this.#kept.Groups.values()].filter(({ members }) => members.has(stored.id));
    return {
      schemas: [CORE_USER, ...(ENTERPRISE in stored.doc ? [ENTERPRISE] : [])],
      id: stored.id,
      ...stored.doc,
      ...(groups.length === 0
        ? {}
        : {
            groups: groups
              .map(({ id }) => id)
              .sort()
              .map((value): Json => ({ value, display: this.#nameOf(value) })),
          }),
    };
  }

  #nameOf(groupId: string): string {
    return text(this.#kept.Groups.get(groupId)?.doc ?? {}, 'displayName') ?? '';
  }
}
