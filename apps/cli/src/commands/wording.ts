import type { Client, Json } from '../client.ts';
import { CliError, EXIT, type ExitCode } from '../exit-codes.ts';
import { listProjects, UUID, type Project, type Subject } from './names.ts';

/** A scope as answers have it: null, or nothing at all, means everywhere. */
export interface Place {
  readonly projectId?: string | null;
  readonly environmentId?: string | null;
}

/** What is wanted; the exit code instead where it is one of these. */
const unless = async <T, Code extends ExitCode>(wanted: Promise<T>, ...codes: readonly Code[]): Promise<T | Code> => {
  try {
    return await wanted;
  } catch (error) {
    const code = error instanceof CliError ? codes.find((each) => each === error.exitCode) : undefined;
    if (code === undefined) throw error;
    return code;
  }
};

/** Undefined when the caller may not see it, or it is not there any more. */
const ifSeen = async <T extends object>(wanted: Promise<T | undefined>): Promise<T | undefined> => {
  const found = await unless(wanted, EXIT.denied, EXIT.notFound);
  return typeof found === 'number' ? undefined : found;
};

/** Beyond as many, reading everybody takes fewer requests than asking about each. */
const MAX_ASKED_SINGLY = 10;

interface Register {
  readonly path: string;
  /** Of an entry, its name. */
  readonly field: string;
  /** By id; undefined for who is not there, or may not be seen. */
  readonly names: Map<string, string | undefined>;
  /** Each refusal is on record: one is enough. */
  isDenied: boolean;
}

const register = (path: string, field: string): Register => ({ path, field, names: new Map(), isDenied: false });

/** What a subject is called. */
export type Names = (subject: Subject) => string;

/** Says what ids stand for, as far as the caller may see it. */
export class Wording {
  readonly #client: Client;
  readonly #projects: readonly Project[];
  readonly #groups = register('/api/identity/v1/groups', 'displayName');
  readonly #accounts = register('/api/identity/v1/accounts', 'userName');
  #own: Promise<Json> | undefined;

  private constructor(client: Client, projects: readonly Project[]) {
    this.#client = client;
    this.#projects = projects;
  }

  static async of(client: Client): Promise<Wording> {
    return new Wording(client, await listProjects(client));
  }

  /** `shop/live`, `shop`, `everywhere`; ids for what the caller may not see. */
  place({ projectId, environmentId }: Place): string {
    // A scope may name the environment alone.
    const project = this.#projects.find(
      ({ id, environments }) => id === projectId || environments.some((each) => each.id === environmentId),
    );
    const environment = project?.environments.find(({ id }) => id === environmentId);
    const names = [project?.key ?? projectId, environment?.key ?? environmentId];
    const known = names.filter((name) => name !== undefined && name !== null);
    return known.length === 0 ? 'everywhere' : known.join('/');
  }

  /** `user:dana@acme.example (<id>)`; of oneself, `user:<id> (you)`. */
  async subject({ type, id }: Subject): Promise<string> {
    this.#own ??= this.#client.get('/api/identity/v1/me');
    if ((await this.#own)['subjectId'] === id) return `${type}:${id} (you)`;
    const subject = { type, id };
    const name = (await this.names([subject]))(subject);
    return name === `${type}:${id}` ? name : `${name} (${id})`;
  }

  /** For lists: `user:dana@acme.example`, or `user:<id>` of who may not be seen. Asks for all of them at once. */
  async names(subjects: readonly Subject[]): Promise<Names> {
    const registerOf = ({ type }: Subject): Register => (type === 'group' ? this.#groups : this.#accounts);
    for (const each of [this.#groups, this.#accounts])
      await this.#read(each, new Set(subjects.filter((subject) => registerOf(subject) === each).map(({ id }) => id)));
    return (subject) => `${subject.type}:${registerOf(subject).names.get(subject.id) ?? subject.id}`;
  }

  /** Of accounts of whatever kind: `dana@acme.example`, or the id; what is no id stays as it is. */
  async accounts(ids: readonly unknown[]): Promise<(id: unknown) => unknown> {
    const texts = ids.filter((id) => typeof id === 'string');
    await this.#read(this.#accounts, new Set(texts.filter((id) => UUID.test(id))));
    return (id) => (typeof id === 'string' ? (this.#accounts.names.get(id) ?? id) : id);
  }

  async #read(held: Register, ids: ReadonlySet<string>): Promise<void> {
    const { path, field, names } = held;
    const unknown = [...ids].filter((id) => !names.has(id));
    const note = (id: string, entry: Json | undefined): void => {
      const name = entry?.[field];
      names.set(id, typeof name === 'string' ? name : undefined);
    };
    const everybody = async (): Promise<void> => {
      for await (const entry of this.#client.all(path)) note(String(entry['id']), entry);
    };
    const each = async (): Promise<void> => {
      for (const id of unknown) {
        const found = await unless(this.#client.get(`${path}/${encodeURIComponent(id)}`), EXIT.notFound);
        note(id, typeof found === 'number' ? undefined : found);
      }
    };
    if (held.isDenied || unknown.length === 0) return;
    const asked = unknown.length > MAX_ASKED_SINGLY ? everybody() : each();
    held.isDenied = (await unless(asked, EXIT.denied)) === EXIT.denied;
  }

  /** A grant or mapping by its id: there is no shorter way to see one than all of them. */
  async #held(path: string, id: string): Promise<Json | undefined> {
    const search = async (): Promise<Json | undefined> => {
      for await (const held of this.#client.all(path)) if (held['id'] === id) return held;
      return undefined;
    };
    return await ifSeen(search());
  }

  async grant(id: string): Promise<Json | undefined> {
    return await this.#held('/api/policy/v1/grants', id);
  }

  async mapping(id: string): Promise<Json | undefined> {
    return await this.#held('/api/policy/v1/group-mappings', id);
  }

  async accessRequest(id: string): Promise<Json | undefined> {
    return await ifSeen(this.#client.get(`/api/policy/v1/access-requests/${encodeURIComponent(id)}`));
  }

  async protection(id: string): Promise<Json | undefined> {
    return await this.#held('/api/policy/v1/protections', id);
  }
}

/** What limits a grant besides its place: `only production, only flag, on a condition, until …`; empty when nothing does. */
export const limitsOf = (grant: Json): string => {
  const { tier, resourceType, condition, validFrom, validUntil } = grant as Readonly<Record<string, string | null>>;
  const said = (value: string | null | undefined, words: string): readonly string[] =>
    value === undefined || value === null ? [] : [words];
  return [
    ...said(tier, `only ${String(tier)}`),
    ...said(resourceType, `only ${String(resourceType)}`),
    ...said(condition, 'on a condition'),
    ...said(validFrom, `from ${String(validFrom)}`),
    ...said(validUntil, `until ${String(validUntil)}`),
  ].join(', ');
};
