import { AppError } from '@sallyport/errors';

import { type Caller, describeDecision } from '../edge/index.ts';
import { type Change, permits } from './change.ts';
import { describeRequest, onlyEnvironment } from './describe-change.ts';
import type { OperationInput } from './operation.ts';
import { authorizePlan, type ChangeDependencies, loadView, planFor } from './submit-change.ts';
import { addRevision, describeChange, lockChange } from './store.ts';

export interface ChangeEdit {
  readonly project: string;
  readonly title?: string;
  readonly description?: string;
  /** Present: a new revision on the versions of this moment. Every approval and objection so far is void. */
  readonly operations?: readonly OperationInput[];
}

const closed = (): AppError => new AppError('CONFLICT', 'The change request is closed.');

/**
 * Writes a new revision of a change request. Whoever does it must be allowed the change itself, as its author was, and
 * from then on may not review it either.
 *
 * @throws what {@link submitChange} throws; CONFLICT when the request is closed
 */
export const editChange = async (
  dependencies: ChangeDependencies,
  caller: Caller,
  change: Change,
  edit: ChangeEdit,
): Promise<void> => {
  const { db, audit, clock, decisions } = dependencies;
  const { orgId, subjectId, type, epoch: authorEpoch } = caller.subject;
  const { changeId } = change;
  const operations = edit.operations ?? [];
  const view = await loadView(db, orgId, edit.project, operations);
  const isRevision = edit.operations !== undefined;
  const plan = isRevision ? await planFor(decisions, caller, view, { operations }) : undefined;
  // Correcting the words alone needs what writing the change would need.
  const reviewed = view.environments.filter(({ environmentId }) =>
    change.content.environments.some((touched) => touched.environmentId === environmentId),
  );
  const needed = plan ?? { content: change.content, touched: reviewed, reviewed, isNoOp: false };
  const granted = await authorizePlan(caller, view, needed);
  if (plan?.isNoOp === true) throw new AppError('INVALID_REQUEST', 'The change would change nothing.');

  const at = clock.now();
  const title = edit.title ?? change.title;
  const description = edit.description ?? change.description;
  await audit.mutate(caller.audit, async (tx) => {
    for (const decision of granted) tx.fence(decision);
    const locked = await lockChange(tx, orgId, changeId);
    if (locked === undefined || !permits(locked.state, 'edit')) throw closed();
    if (locked.revision !== change.revision)
      throw new AppError('HASH_MISMATCH', 'Somebody else has written a revision meanwhile.');
    let { revision, hash } = change;
    if (plan !== undefined) {
      revision = locked.revision + 1;
      const author = { type, id: subjectId };
      const { content } = plan;
      const { sponsors } = caller;
      hash = await addRevision(tx, orgId, { changeId, revision, author, authorEpoch, sponsors, content, at });
    }
    await describeChange(tx, orgId, { changeId, title, description, at });
    const [decision] = granted;
    const after = { changeId, revision, hash, title, description, content: plan?.content ?? change.content };
    tx.record({
      action: plan === undefined ? 'change.described' : 'change.edited',
      target: { type: 'change', id: changeId, version: String(revision) },
      before: describeRequest(change, change.revisionAuthor.id),
      after: describeRequest(after, subjectId),
      ...onlyEnvironment(after.content),
      ...(decision === undefined ? {} : { decision: describeDecision(decision) }),
    });
  });
};
