import type { Client, Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import { listProjects, UUID, type Project, type Subject } from './names.ts';

/** A scope as answers have it: null, or nothing at all, means everywhere. */
export interface Place {
  readonly projectId?: string | null;
  readonly environmentId?: string | null;
}

/** Undefined when the caller may not see it, or it is not there any more. */
const ifSeen = async <T extends object>(wanted: Promise<T | undefined>): Promise<T | undefined> => {
  try {
    return await wanted;
  } catch (error) {
    const isHidden = error instanceof CliError && (error.exitCode === EXIT.denied || error.exitCode === EXIT.notFound);
    if (!isHidden) throw error;
    return undefined;
  }
};

/** As many ids as are named at once. */
const NAMED_AT_ONCE = 100;

interface Named {
  readonly items: readonly { readonly id: string; readonly name: string }[];
}

/** What a subject is called. */
export type Names = (subject: Subject) => string;

/** Says what ids stand for, as far as the caller may see it. */
export class Wording {
  readonly #client: Client;
  readonly #projects: readonly Project[];
  /** By id; undefined for what is not there any more, or may not be named. */
  readonly #names = new Map<string, string | undefined>();
  /** A token that is limited to other permissions names nobody. Each refusal is on record: one is enough. */
  #isRefused = false;
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

  /** For lists: `user:dana@acme.example`, or `user:<id>` where there is no name. Asks for all of them at once. */
  async names(subjects: readonly Subject[]): Promise<Names> {
    await this.#learn(subjects.map(({ id }) => id));
    return ({ type, id }) => `${type}:${this.#names.get(id) ?? id}`;
  }

  /** Of accounts of whatever kind: `dana@acme.example`, or the id; what is no id stays as it is. */
  async accounts(ids: readonly unknown[]): Promise<(id: unknown) => unknown> {
    await this.#learn(ids.filter((id) => typeof id === 'string'));
    return (id) => (typeof id === 'string' ? (this.#names.get(id) ?? id) : id);
  }

  async #learn(ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => UUID.test(id) && !this.#names.has(id));
    for (let from = 0; from < unknown.length && !this.#isRefused; from += NAMED_AT_ONCE) {
      const asked = unknown.slice(from, from + NAMED_AT_ONCE);
      const found = await ifSeen(this.#client.get<Named>('/api/identity/v1/names', { id: asked }));
      this.#isRefused = found === undefined;
      const names = new Map(found?.items.map(({ id, name }) => [id, name]));
      for (const id of asked) this.#names.set(id, names.get(id));
    }
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
