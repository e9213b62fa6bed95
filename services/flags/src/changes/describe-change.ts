import { type AuditEvent, type JsonObject, personal } from '@sallyport/audit';
import type { GrantedDecision } from '@sallyport/http';

import { describeDecision } from '../edge/index.ts';
import type { Change } from './change.ts';
import type { ChangeContent } from './content.ts';
import { type Operation, type OperationKind, PERMISSION_OF } from './operation.ts';
import type { AppliedOperation } from './store.ts';

const ACTION_OF: Readonly<Record<OperationKind, string>> = {
  'create-flag': 'flag.created',
  'add-flag': 'flag.added-to-environment',
  'edit-flag': 'flag.edited',
  'archive-flag': 'flag.archived',
  'restore-flag': 'flag.restored',
  'delete-flag': 'flag.deleted',
  'set-state': 'flag.toggled',
  'set-targeting': 'flag.retargeted',
};

export interface AppliedContext {
  readonly changeId: string;
  readonly revision: number;
  readonly direct: boolean;
  readonly content: ChangeContent;
  /** The decision an operation that needs this permission rests on. */
  readonly decisionOn: (permission: string) => GrantedDecision | undefined;
}

const initialStates = (operation: Operation, keyOf: (environmentId: string) => string): JsonObject =>
  'environments' in operation
    ? {
        environments: Object.fromEntries(
          operation.environments.map(({ environmentId, configuration }) => [keyOf(environmentId), configuration]),
        ),
      }
    : {};

/** One entry per operation, with the state before and after as the database saw it under lock. */
export const describeApplied = (
  { changeId, revision, direct, content, decisionOn }: AppliedContext,
  results: readonly AppliedOperation[],
): AuditEvent[] => {
  const keys = new Map(content.environments.map(({ environmentId, key }) => [environmentId, key]));
  const keyOf = (environmentId: string): string => keys.get(environmentId) ?? environmentId;
  return content.changes.map((operation, index) => {
    const { before, after } = results[index] ?? { before: null, after: null };
    const single = content.environments.length === 1 ? content.environments[0]?.key : undefined;
    const environment = 'environmentId' in operation ? keyOf(operation.environmentId) : single;
    const named = { flag: operation.flagKey };
    const decision = decisionOn(PERMISSION_OF[operation.kind]);
    return {
      action: ACTION_OF[operation.kind],
      target: { type: 'flag', id: operation.flagId },
      ...(before === null ? {} : { before: { ...named, ...(before as JsonObject) } }),
      ...(after === null ? {} : { after: { ...named, ...(after as JsonObject), ...initialStates(operation, keyOf) } }),
      ...(environment === undefined ? {} : { environment }),
      approvalRef: `${direct ? 'auto-approved' : 'change'}:${changeId}@${String(revision)}`,
      ...(decision === undefined ? {} : { decision: describeDecision(decision) }),
    };
  });
};

type Described = Pick<Change, 'changeId' | 'revision' | 'hash' | 'title' | 'description' | 'content'>;

/** A change request as an entry shows it. Free text belongs to who wrote it and can be erased with them. */
export const describeRequest = (change: Described, writtenBy: string): JsonObject => ({
  revision: change.revision,
  hash: change.hash,
  title: personal(writtenBy, change.title),
  description: personal(writtenBy, change.description),
  environments: change.content.environments.map(({ key }) => key),
  changes: change.content.changes as unknown as JsonObject[],
});

/** The environment of an event about a whole change, when there is just one. */
export const onlyEnvironment = ({ environments }: ChangeContent): { environment?: string } => {
  const [first, second] = environments;
  return first === undefined || second !== undefined ? {} : { environment: first.key };
};
