import type { Client, Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';

const SUBJECT = /^(user|group|service_account):(.+)$/;
/** As ids are written. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A subject as the API wants it. */
export interface Subject {
  readonly type: string;
  readonly id: string;
}

const lookUp = async (client: Client, type: string, name: string): Promise<readonly Json[]> => {
  const [path, filter] =
    type === 'group'
      ? ['/api/identity/v1/groups', { displayName: name }]
      : ['/api/identity/v1/accounts', { kind: type, userName: name }];
  return await Array.fromAsync(client.all(path, filter));
};

/**
 * `user:<id or user name>`, `group:<id or name>` or `service_account:<id or name>`. An id is taken as it is; a name is
 * looked up, which needs the permission account:read.
 *
 * @throws CliError usage (not a subject), notFound (nobody of that name), conflict (several of that name)
 */
export const resolveSubject = async (client: Client, text: string): Promise<Subject> => {
  const [, type, name] = SUBJECT.exec(text) ?? [];
  if (type === undefined || name === undefined) {
    throw new CliError(EXIT.usage, `"${text}" is not a subject.`, {
      hint: 'Write user:dana@acme.example, group:Developers or service_account:<name>, or the id after the colon.',
    });
  }
  if (UUID.test(name)) return { type, id: name };
  const [found, ...others] = await lookUp(client, type, name);
  const list = type === 'group' ? 'groups list' : 'accounts list';
  if (found === undefined) {
    throw new CliError(EXIT.notFound, `There is no ${type.replace('_', ' ')} "${name}".`, {
      hint: `"sallyport ${list}" shows who there is.`,
    });
  }
  if (others.length > 0) {
    throw new CliError(EXIT.conflict, `"${name}" names ${String(others.length + 1)} of them.`, {
      hint: `Use the id: "sallyport ${list}" shows it.`,
    });
  }
  return { type, id: String(found['id']) };
};

/** Options that say where. */
export interface ScopeOptions {
  readonly project?: string;
  readonly environment?: string;
}

/** Where, by id; an absent field means everywhere. */
export interface Scope {
  readonly projectId?: string;
  readonly environmentId?: string;
}

/** A project the caller may see, with the environments of it the caller may see. */
export interface Project {
  readonly id: string;
  readonly key: string;
  readonly environments: readonly { readonly id: string; readonly key: string; readonly tier: string }[];
}

const projectsOf = new WeakMap<Client, Promise<readonly Project[]>>();

/** Every project policy knows and the caller may see; asked once, so that a command speaks of the same ones throughout. */
export const listProjects = async (client: Client): Promise<readonly Project[]> => {
  const ask = async (): Promise<readonly Project[]> =>
    (await client.get<{ readonly items: readonly Project[] }>('/api/policy/v1/scopes')).items;
  const projects = projectsOf.get(client) ?? ask();
  projectsOf.set(client, projects);
  return await projects;
};

const named = <T extends { readonly id: string; readonly key: string }>(
  items: readonly T[],
  wanted: string,
  kind: string,
): T | { readonly id: string } => {
  const found = items.find(({ id, key }) => id === wanted || key === wanted);
  if (found !== undefined) return found;
  // Whoever asks for access asks where they see nothing yet.
  if (UUID.test(wanted)) return { id: wanted };
  const keys = items.map(({ key }) => key).join(', ');
  throw new CliError(EXIT.notFound, `There is no ${kind} "${wanted}".`, {
    hint: keys === '' ? 'There is none you may see. An id is taken as it is.' : `There are: ${keys}`,
  });
};

/**
 * Ids of a project and an environment given by key, of those the caller may see, or by id, which is taken as it is.
 *
 * @throws CliError usage, notFound
 */
export const resolveScope = async (client: Client, options: ScopeOptions): Promise<Scope> => {
  if (options.project === undefined) {
    if (options.environment === undefined) return {};
    throw new CliError(EXIT.usage, 'An environment is one of a project.', { hint: 'Add --project.' });
  }
  const project = named(await listProjects(client), options.project, 'project');
  if (options.environment === undefined) return { projectId: project.id };
  const environments = 'environments' in project ? project.environments : [];
  const { id } = named(environments, options.environment, 'environment');
  return { projectId: project.id, environmentId: id };
};
