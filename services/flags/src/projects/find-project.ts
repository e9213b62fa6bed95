import { AppError } from '@sallyport/errors';
import type { Database } from '@sallyport/storage';

import type { Environment, Project } from './environment.ts';
import { findProject, listEnvironments } from './store.ts';

/** @throws NOT_FOUND, also for another organisation's project: its rows are invisible */
export const resolveProject = async (db: Database, orgId: string, key: string): Promise<Project> => {
  const project = await db.read(orgId, async (tx) => await findProject(tx, orgId, key));
  if (project === undefined) throw new AppError('NOT_FOUND', `There is no project ${key}.`);
  return project;
};

export interface ProjectWithEnvironments {
  readonly project: Project;
  readonly environments: readonly Environment[];
}

/** A project and its environments, as one transaction saw them. @throws NOT_FOUND */
export const resolveProjectWithEnvironments = async (
  db: Database,
  orgId: string,
  key: string,
): Promise<ProjectWithEnvironments> =>
  await db.read(orgId, async (tx) => {
    const project = await findProject(tx, orgId, key);
    if (project === undefined) throw new AppError('NOT_FOUND', `There is no project ${key}.`);
    return { project, environments: await listEnvironments(tx, orgId, project.projectId) };
  });

/** @throws NOT_FOUND */
export const resolveEnvironment = async (
  db: Database,
  orgId: string,
  keys: { readonly project: string; readonly environment: string },
): Promise<Environment> => {
  const { environments } = await resolveProjectWithEnvironments(db, orgId, keys.project);
  const environment = environments.find(({ key }) => key === keys.environment);
  if (environment === undefined)
    throw new AppError('NOT_FOUND', `The project ${keys.project} has no environment ${keys.environment}.`);
  return environment;
};
