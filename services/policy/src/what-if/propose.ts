/**
 * A policy as it would be: proposed changes applied to a copy of the index, and what the rules for changing grants say
 * to whoever proposes them. Nothing is locked or written; the commands that do it ask the same rules again.
 */
import { AppError, isAppError } from '@sallyport/errors';

import {
  enforce,
  futureOf,
  momentOf,
  refuseBeyondOwn,
  refuseCombination,
  refuseLastOwner,
  refuseOwn,
  refuseOwnRole,
  refuseRoleBeyondOwn,
  type Holder,
  type Population,
} from '../grants/index.ts';
import {
  BUILT_IN_ROLES,
  findRole,
  patchOrganization,
  rowsOf,
  type GrantRow,
  type OrganizationIndex,
  type RoleDefinition,
} from '../model/index.ts';

/** One proposed change; ids of grants that are added are the proposer's. */
export type ProposedChange =
  | { readonly kind: 'add'; readonly row: GrantRow }
  | { readonly kind: 'remove'; readonly grantId: string }
  | { readonly kind: 'put-role'; readonly role: RoleDefinition }
  | { readonly kind: 'remove-role'; readonly key: string };

/** Why a proposal would be refused. */
export interface Blocked {
  /** Which of the changes, counted from 0; null: all of them together. */
  readonly change: number | null;
  readonly code: string;
  /** The rule within the code; the code itself when there is but one. */
  readonly rule: string;
  readonly detail: string;
}

export interface ProposalContext {
  readonly before: OrganizationIndex;
  readonly actor: Holder;
  readonly population: Population;
  /** ms since 1970. */
  readonly nowMs: number;
}

const missing = (at: number, what: string): AppError =>
  new AppError('NOT_FOUND', `There is no such ${what}.`, {
    fields: [{ pointer: `/changes/${String(at)}`, code: 'NOT_FOUND' }],
  });

/** Grants by id: those asked for only, as there may be very many others. */
const findRows = (index: OrganizationIndex, changes: readonly ProposedChange[]): ReadonlyMap<string, GrantRow> => {
  const wanted = new Set(changes.flatMap((change) => (change.kind === 'remove' ? [change.grantId] : [])));
  if (wanted.size === 0) return new Map();
  return new Map(index.grants.filter(({ row }) => wanted.has(row.grantId)).map(({ row }) => [row.grantId, row]));
};

/**
 * The index after all changes.
 *
 * @throws NOT_FOUND for a grant or role that is not there, READ_ONLY for a built-in role, CONFLICT when a role that is removed is still given
 */
export const policyAfter = (before: OrganizationIndex, changes: readonly ProposedChange[]): OrganizationIndex => {
  const rows = findRows(before, changes);
  for (const [at, change] of changes.entries()) {
    if (change.kind === 'remove' && !rows.has(change.grantId)) throw missing(at, 'grant');
    const key = change.kind === 'put-role' ? change.role.key : change.kind === 'remove-role' ? change.key : '';
    if (findRole(key) !== undefined) throw new AppError('READ_ONLY', 'Built-in roles are what they are.');
    if (change.kind === 'remove-role' && !before.roles.has(change.key)) throw missing(at, 'role');
  }
  const of = <K extends ProposedChange['kind']>(kind: K): readonly Extract<ProposedChange, { kind: K }>[] =>
    changes.filter((change): change is Extract<ProposedChange, { kind: K }> => change.kind === kind);
  const after = patchOrganization(
    before,
    {
      ...rowsOf({ ...before, grants: [] }),
      put: of('add').map(({ row }) => row),
      removed: of('remove').map(({ grantId }) => grantId),
      putRoles: of('put-role').map(({ role }) => role),
      removedRoles: of('remove-role').map(({ key }) => key),
    },
    BUILT_IN_ROLES,
  );
  if (after === null)
    throw new AppError(
      'CONFLICT',
      'The policy could not be made: a role that is still given would be gone, or stored rows make no sense.',
    );
  return after;
};

const asBlocked = (change: number | null, check: () => void): readonly Blocked[] => {
  try {
    check();
    return [];
  } catch (error) {
    if (!isAppError(error)) throw error;
    const { code, message, metadata } = error;
    return [{ change, code, rule: metadata['rule'] ?? code, detail: message }];
  }
};

/** What a role meant and would mean is held by whoever changes it, and nobody changes one of their own. */
const roleRefusals = (
  { before, actor, nowMs }: ProposalContext,
  change: Extract<ProposedChange, { kind: 'put-role' | 'remove-role' }>,
  at: number,
): readonly Blocked[] => {
  const known = before.roles.get(change.kind === 'put-role' ? change.role.key : change.key);
  const definitions = [...(known === undefined ? [] : [known]), ...(change.kind === 'put-role' ? [change.role] : [])];
  const period = { fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
  return [
    ...asBlocked(at, () => {
      if (known !== undefined) enforce(refuseOwnRole(before, actor, known.key, nowMs));
    }),
    ...asBlocked(at, () => {
      enforce(refuseRoleBeyondOwn(before, actor, definitions, period));
    }),
  ];
};

/** What the rules for changing grants refuse of it, change by change and as a whole. */
export const blockedBy = (
  context: ProposalContext,
  after: OrganizationIndex,
  changes: readonly ProposedChange[],
): readonly Blocked[] => {
  const { before, actor, population, nowMs } = context;
  const rows = findRows(before, changes);
  const each = changes.flatMap((change, at) => {
    if (change.kind === 'put-role' || change.kind === 'remove-role') return roleRefusals(context, change, at);
    const row = change.kind === 'add' ? change.row : rows.get(change.grantId);
    if (row === undefined) return [];
    const period = change.kind === 'add' ? futureOf(row, nowMs) : momentOf(nowMs);
    // What a role means that comes with the proposal is looked at as it will be.
    const index = before.roles.has(row.roleKey) ? before : after;
    return [
      ...asBlocked(at, () => {
        enforce(refuseOwn(actor, row));
      }),
      ...asBlocked(at, () => {
        enforce(refuseBeyondOwn(index, actor, row, period));
      }),
    ];
  });
  const combination = asBlocked(null, () => {
    enforce(refuseCombination(before, after, population, nowMs));
  });
  const lastOwner = asBlocked(null, () => {
    enforce(refuseLastOwner(before, after, population));
  });
  return [...each, ...combination, ...lastOwner];
};
