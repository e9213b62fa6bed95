import { readFileSync } from 'node:fs';

import type { Standing } from '@sallyport/subject-feed';

import {
  BUILT_IN_ROLES,
  MODEL_TEXT,
  organizationLines,
  roleLines,
  rowsOf,
  type Membership,
  type OrganizationIndex,
  type OrganizationRows,
  type PolicyLine,
} from '../model/index.ts';

/** What any Casbin needs to decide as this organisation's policy does. */
export interface ExportedPolicy {
  /** model.conf */
  readonly model: string;
  /** policy.csv */
  readonly policy: string;
  /** met.mjs: the function the model calls, as an ES module without imports. */
  readonly functions: string;
  /** Grants left out because their subject is not active: here they are denied whatever they hold. */
  readonly leftOut: number;
}

/** conditions/met.ts without its types; a test holds the two equal. */
const functions = readFileSync(new URL('../conditions/met.mjs.txt', import.meta.url), 'utf8');

// Names and moments hold letters, digits, colons, dots, hyphens and underscores only: nothing in them needs a quote.
const toText = (lines: readonly PolicyLine[]): string =>
  lines.map(({ type, fields }) => `${[type, ...fields].join(', ')}\n`).join('');

/** Grants or people between two chances to rest. */
const ROWS_PER_STEP = 1_024;

function* inParts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += ROWS_PER_STEP) yield items.slice(from, from + ROWS_PER_STEP);
}

function* policyText(rows: OrganizationRows, memberships: readonly Membership[]): Generator<undefined, string> {
  const few = { ...rows, grants: [] };
  const parts = [toText([...roleLines(BUILT_IN_ROLES), ...organizationLines(few, [])])];
  const none = { ...few, projects: [], environments: [] };
  for (const some of inParts(memberships)) {
    parts.push(toText(organizationLines({ ...none, roles: [] }, some)));
    yield;
  }
  for (const grants of inParts(rows.grants)) {
    // What a role is called depends on whose it is, and is said already.
    parts.push(toText(organizationLines({ ...none, grants }, []).filter(({ type }) => type === 'p')));
    yield;
  }
  return parts.join('');
}

/** The policy of an organisation at one revision: the same lines Casbin is fed here, in steps. */
export function* exportPolicy(index: OrganizationIndex, standing: Standing): Generator<undefined, ExportedPolicy> {
  const { subjects } = standing.state(index.orgId, '');
  const active = subjects.flatMap(({ subjectId, standing: each }) =>
    each?.active === true ? [{ type: each.type, subjectId, groupIds: each.groupIds }] : [],
  );
  const isActive = new Set(active.map(({ type, subjectId }) => `${type} ${subjectId}`));
  const rows = rowsOf(index);
  const grants = rows.grants.filter(
    ({ subjectType, subjectId }) => subjectType === 'group' || isActive.has(`${subjectType} ${subjectId}`),
  );
  return {
    model: MODEL_TEXT,
    policy: yield* policyText({ ...rows, grants }, active),
    functions,
    leftOut: index.grants.length - grants.length,
  };
}
