import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';
import { type Clock, type Database, newId } from '@sallyport/storage';

import { type Caller, type Decisions, describeDecision, readableEnvironments, requireIn } from '../edge/index.ts';
import { findFlags } from '../flags/index.ts';
import { findProject, listEnvironments } from '../projects/index.ts';
import { requirementsOf } from './content.ts';
import { describeApplied, describeRequest, onlyEnvironment } from './describe-change.ts';
import type { OperationInput } from './operation.ts';
import { type ChangePlan, planChange, type ProjectView } from './plan-change.ts';
import { applyStoredChange, insertChange } from './store.ts';

export interface ChangeDependencies {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly decisions: Decisions;
  /** Told after a commit, so that this process serves what it has just confirmed. Never fails a command. */
  readonly onApplied: (orgId: string, environmentIds: readonly string[]) => Promise<void>;
}

export interface ChangeSubmission {
  readonly project: string;
  readonly operations: readonly OperationInput[];
  readonly title: string;
  readonly description: string;
  /** The version of one flag in one environment the caller looked at; another one now is STALE_BASE. */
  readonly expected?: { readonly flag: string; readonly environment: string; readonly version: number };
}

export type Submitted =
  | { readonly status: 'applied' | 'pending'; readonly changeId: string; readonly projectId: string }
  /** It is as wanted already; nothing was written. */
  | { readonly status: 'unchanged'; readonly projectId: string };

/** What the author looks at: one moment of the project. @throws NOT_FOUND */
export const loadView = async (
  db: Database,
  orgId: string,
  project: string,
  operations: readonly OperationInput[],
): Promise<ProjectView> =>
  await db.read(orgId, async (tx) => {
    const found = await findProject(tx, orgId, project);
    if (found === undefined) throw new AppError('NOT_FOUND', `There is no project ${project}.`);
    const { projectId } = found;
    const keys = [...new Set(operations.map(({ flag }) => flag))];
    const environments = await listEnvironments(tx, orgId, projectId);
    return { orgId, projectId, environments, flags: await findFlags(tx, orgId, projectId, keys) };
  });

const assertExpected = ({ flags, environments }: ProjectView, expected: ChangeSubmission['expected']): void => {
  if (expected === undefined) return;
  const environment = environments.find(({ key }) => key === expected.environment);
  const current = flags.get(expected.flag)?.environments.get(environment?.environmentId ?? '');
  if (current !== undefined && current.version !== expected.version)
    throw new AppError('STALE_BASE', `The flag is at version ${String(current.version)} by now.`);
};

/**
 * Plans, and lets nobody learn from a refusal what they may not read: why a plan is impossible is said only to callers
 * who may read the project's flags.
 */
export const planFor = async (
  decisions: Decisions,
  caller: Caller,
  view: ProjectView,
  submission: Pick<ChangeSubmission, 'operations' | 'expected'>,
): Promise<ChangePlan> => {
  try {
    assertExpected(view, submission.expected);
    return planChange(view, submission.operations, newId);
  } catch (error) {
    await readableEnvironments(decisions, caller, 'flag:read', view);
    throw error;
  }
};

/**
 * Asks policy for everything the plan needs: the permission of its kind in every touched environment, and
 * `change:create` where the change will wait for a review.
 *
 * @throws PERMISSION_DENIED naming the environment; DECISION_UNAVAILABLE
 */
export const authorizePlan = async (
  caller: Caller,
  { projectId, environments }: ProjectView,
  plan: ChangePlan,
): Promise<readonly GrantedDecision[]> => {
  const byId = new Map(environments.map((environment) => [environment.environmentId, environment]));
  const granted: GrantedDecision[] = [];
  for (const { permission, environmentId } of requirementsOf(plan.content)) {
    const environment = environmentId === null ? null : (byId.get(environmentId) ?? null);
    granted.push(await requireIn(caller, permission, { projectId, environment }));
  }
  for (const environment of plan.reviewed)
    granted.push(await requireIn(caller, 'change:create', { projectId, environment }));
  return granted;
};

/**
 * The one way to change flags. Everything is a change set: where a touched environment demands approvals it becomes a
 * change request, otherwise it is applied at once by the same routine.
 *
 * 1. Plan on one moment of the project. 2. Ask policy for every touched environment. 3. In one transaction store the
 * change set and, when nothing demands a review, apply it; with the audit entries, committed only while the decisions
 * are valid.
 *
 * @throws NOT_FOUND, ALREADY_EXISTS, CONFLICT, INVALID_REQUEST, STALE_BASE, PERMISSION_DENIED, DECISION_UNAVAILABLE,
 *   DECISION_EXPIRED; in every case nothing is stored
 */
export const submitChange = async (
  dependencies: ChangeDependencies,
  caller: Caller,
  submission: ChangeSubmission,
): Promise<Submitted> => {
  const { db, audit, clock, decisions, onApplied } = dependencies;
  const { orgId, subjectId, type } = caller.subject;
  const { title, description } = submission;
  const view = await loadView(db, orgId, submission.project, submission.operations);
  const plan = await planFor(decisions, caller, view, submission);
  const granted = await authorizePlan(caller, view, plan);
  const { projectId } = view;
  if (plan.isNoOp) return { status: 'unchanged', projectId };

  const direct = plan.reviewed.length === 0;
  const [changeId, at, { content }] = [newId(), clock.now(), plan];
  const author = { type, id: subjectId };
  await audit.mutate(caller.audit, async (tx) => {
    for (const decision of granted) tx.fence(decision);
    const hash = await insertChange(tx, orgId, {
      changeId,
      projectId,
      title,
      description,
      direct,
      author,
      authorEpoch: caller.subject.epoch,
      sponsors: caller.sponsors,
      content,
      at,
    });
    const [decision] = granted;
    if (direct) {
      const applied = await applyStoredChange(tx, orgId, { changeId, hash, applier: subjectId, confirmed: [], at });
      // Decisions stand in the order of the requirements they were asked for.
      const needed = requirementsOf(content);
      const decisionOn = (permission: string): GrantedDecision | undefined =>
        granted[needed.findIndex((requirement) => requirement.permission === permission)];
      const context = { changeId, revision: 1, direct, content, decisionOn };
      for (const event of describeApplied(context, applied)) tx.record(event);
    } else
      tx.record({
        action: 'change.created',
        target: { type: 'change', id: changeId, version: '1' },
        after: describeRequest({ changeId, revision: 1, hash, title, description, content }, subjectId),
        ...onlyEnvironment(content),
        ...(decision === undefined ? {} : { decision: describeDecision(decision) }),
      });
  });
  if (!direct) return { status: 'pending', changeId, projectId };
  await onApplied(
    orgId,
    plan.touched.map(({ environmentId }) => environmentId),
  );
  return { status: 'applied', changeId, projectId };
};
