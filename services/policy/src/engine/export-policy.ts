import { readFileSync } from 'node:fs';

import type { Standing } from '@sallyport/subject-feed';

import {
  BUILT_IN_ROLES,
  MODEL_TEXT,
  organizationLines,
  roleLines,
  type OrganizationIndex,
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

/** The policy of an organisation at one revision: the same lines Casbin is fed here. */
export const exportPolicy = (index: OrganizationIndex, standing: Standing): ExportedPolicy => {
  const { orgId, slug, revision } = index;
  const { subjects } = standing.state(orgId, '');
  const active = subjects.flatMap(({ subjectId, standing: each }) =>
    each?.active === true ? [{ type: each.type, subjectId, groupIds: each.groupIds }] : [],
  );
  const isActive = new Set(active.map(({ type, subjectId }) => `${type} ${subjectId}`));
  const grants = index.grants
    .map(({ row }) => row)
    .filter(({ subjectType, subjectId }) => subjectType === 'group' || isActive.has(`${subjectType} ${subjectId}`));
  const rows = {
    orgId,
    slug,
    revision,
    grants,
    projects: [...index.projects.values()],
    environments: [...index.environments.values()],
  };
  return {
    model: MODEL_TEXT,
    policy: toText([...roleLines(BUILT_IN_ROLES), ...organizationLines(rows, active)]),
    functions,
    leftOut: index.grants.length - grants.length,
  };
};
