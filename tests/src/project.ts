import { waitFor } from '@sallyport/dev-env';
import { expectStatus, type Caller } from '@sallyport/dev-env/actors';

import type { Company } from './company.ts';

/** A project of one test: an open environment and one that demands an approval. */
export interface Project {
  readonly key: string;
  readonly path: string;
  readonly projectId: string;
  readonly stagingId: string;
  readonly liveId: string;
  /** Where PATCH configures a flag. */
  flagPath(flag: string, environment: 'staging' | 'live'): string;
  changePath(changeId: string, action?: string): string;
}

const PROJECTS = '/api/flags/v1/projects';

/** Creates the project with these boolean flags, off everywhere; then `live` demands an approval, unless told not to. */
export const createProject = async (
  company: Company,
  flags: readonly string[],
  { isProtected = true }: { readonly isProtected?: boolean } = {},
): Promise<Project> => {
  const { owner } = company;
  const key = company.nextName('project');
  const path = `${PROJECTS}/${key}`;
  const { id: projectId } = await expectStatus(owner, 201, 'POST', PROJECTS, { key, name: key });
  const environment = async (name: string, tier: string): Promise<string> => {
    const body = { key: name, name, tier };
    return String((await expectStatus(owner, 201, 'POST', `${path}/environments`, body))['id']);
  };
  const stagingId = await environment('staging', 'non-production');
  const liveId = await environment('live', 'production');
  const definition = { type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'on' };
  await waitFor(
    async () => {
      const [first = 'first'] = flags;
      return (await owner.call('POST', `${path}/flags`, { key: first, ...definition })).status === 201;
    },
    { message: 'policy to know a new project' },
  );
  for (const flag of flags.slice(1))
    await expectStatus(owner, 201, 'POST', `${path}/flags`, { key: flag, ...definition });
  const protection = { protected: true, requiredApprovals: 1 };
  if (isProtected) await expectStatus(owner, 200, 'PATCH', `${path}/environments/live`, protection);
  return {
    key,
    path,
    projectId: String(projectId),
    stagingId,
    liveId,
    flagPath: (flag, environment) => `${path}/flags/${flag}/environments/${environment}`,
    changePath: (changeId, action) => `${path}/changes/${changeId}${action === undefined ? '' : `/${action}`}`,
  };
};

/** A change request as the API shows it, as far as tests look. */
export interface ChangeRequest {
  readonly id: string;
  readonly hash: string;
  readonly state: string;
}

/** Asks for a flag to be switched on in the protected environment. */
export const requestChange = async (author: Caller, project: Project, flag: string): Promise<ChangeRequest> => {
  const body = await expectStatus(author, 202, 'PATCH', project.flagPath(flag, 'live'), { state: 'ENABLED' });
  return body['change'] as ChangeRequest;
};

/** Approves and insists that this made the request `approved`. */
export const approve = async (reviewer: Caller, project: Project, change: ChangeRequest): Promise<void> => {
  const path = project.changePath(change.id, 'approve');
  const { state } = await expectStatus(reviewer, 200, 'POST', path, { hash: change.hash });
  if (state !== 'approved') throw new TypeError(`The change request is ${String(state)}, not approved.`);
};

/** `ENABLED` or `DISABLED`, as the flag stands in an environment. */
export const stateOf = async (
  reader: Caller,
  project: Project,
  flag: string,
  environment: 'staging' | 'live',
): Promise<string> => {
  const body = await expectStatus(reader, 200, 'GET', `${project.path}/flags/${flag}`);
  const environments = body['environments'] as Record<string, { state: string }>;
  return environments[environment]?.state ?? 'absent';
};

/** An application's way to evaluate a flag over OFREP: a server key of its own. */
export const serveFlag = async (
  { owner, constellation }: Company,
  project: Project,
  flag: string,
): Promise<() => Promise<{ status: number; value: unknown }>> => {
  await expectStatus(owner, 200, 'PATCH', project.flagPath(flag, 'staging'), { state: 'ENABLED' });
  const key = { name: 'Application', kind: 'server' };
  const created = await expectStatus(owner, 201, 'POST', `${project.path}/environments/staging/keys`, key);
  const headers = { authorization: `Bearer ${String(created['key'])}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ context: { targetingKey: 'customer-1' } });
  return async () => {
    const url = `${constellation.origin}/ofrep/v1/evaluate/flags/${flag}`;
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(20_000) });
    const { value } = (await response.json()) as { value?: unknown };
    return { status: response.status, value };
  };
};
