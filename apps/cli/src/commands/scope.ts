import type { Client, Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';

const SUBJECT = /^(user|group|service_account):(.+)$/;

/** `user:<id>`, `group:<id>` or `service_account:<id>`. */
export const parseSubject = (text: string): { readonly type: string; readonly id: string } => {
  const match = SUBJECT.exec(text);
  if (match === null) {
    throw new CliError(EXIT.usage, `"${text}" is not a subject.`, {
      hint: 'Write user:<id>, group:<id> or service_account:<id>; "sallyport grants list" shows ids in use.',
    });
  }
  return { type: match[1] ?? '', id: match[2] ?? '' };
};

export interface ScopeOptions {
  readonly project?: string;
  readonly environment?: string;
}

/** Ids of a project and an environment given by id or key. */
export const resolveScope = async (client: Client, options: ScopeOptions): Promise<Json> => {
  if (options.project === undefined) {
    if (options.environment === undefined) return {};
    throw new CliError(EXIT.usage, 'An environment is one of a project.', { hint: 'Add --project.' });
  }
  const named = (items: readonly Json[], idName: string, wanted: string, kind: string): Json => {
    const found = items.find((item) => item[idName] === wanted || item['key'] === wanted);
    if (found !== undefined) return found;
    const keys = items.map((item) => String(item['key'])).join(', ');
    throw new CliError(EXIT.notFound, `There is no ${kind} "${wanted}".`, { hint: `There are: ${keys}` });
  };
  const { projects } = await client.get<{ projects: Json[] }>('/api/policy/v1/scopes');
  const project = named(projects, 'projectId', options.project, 'project');
  if (options.environment === undefined) return { projectId: project['projectId'] };
  const environments = project['environments'] as Json[];
  const environment = named(environments, 'environmentId', options.environment, 'environment');
  return { projectId: project['projectId'], environmentId: environment['environmentId'] };
};
