import { AppError } from '@sallyport/errors';
import type { Database } from '@sallyport/storage';

import { findProject, listEnvironments } from '../projects/index.ts';
import { approvalCounts, findChange } from './store.ts';
import type { ChangeDetails } from './view.ts';

/** A change request of a project, with everything needed to show or to act on it, as one transaction saw it. */
export const loadChange = async (
  db: Database,
  orgId: string,
  { project, change: changeId }: { readonly project: string; readonly change: string },
): Promise<ChangeDetails> =>
  await db.read(orgId, async (tx) => {
    const found = await findProject(tx, orgId, project);
    const change = found && (await findChange(tx, orgId, changeId));
    if (found === undefined || change === undefined || change.projectId !== found.projectId)
      throw new AppError('NOT_FOUND', 'There is no such change request.');
    return {
      change,
      counts: await approvalCounts(tx, orgId, changeId),
      environments: await listEnvironments(tx, orgId, found.projectId),
    };
  });
