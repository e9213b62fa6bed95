import { Document, isScalar } from 'yaml';

import { findRole, PLACES, type GrantRow, type OrganizationIndex } from '../model/index.ts';
import type { StoredSeparationRule } from '../roles/index.ts';
import { VERSION } from './read-document.ts';

/** What an export is made of besides the index. */
export interface ExportParts {
  /** Ids of grants that are group mappings. */
  readonly mappingIds: ReadonlySet<string>;
  readonly rules: readonly StoredSeparationRule[];
  /** Names for people to read; never read back. */
  readonly groupName: (groupId: string) => string | undefined;
  /** ms since 1970: what is over by then is left out. */
  readonly nowMs: number;
}

const byText = (one: object, other: object): number => {
  const [left, right] = [JSON.stringify(one), JSON.stringify(other)];
  return left < right ? -1 : Number(left > right);
};

const placeOf = (index: OrganizationIndex, { projectId, environmentId }: GrantRow): object => {
  const keys = [...index.projects.values()].map(({ key }) => key);
  const project = projectId === null ? undefined : index.projects.get(projectId);
  const isPlain = project !== undefined && keys.indexOf(project.key) === keys.lastIndexOf(project.key);
  const environment = environmentId === null ? undefined : index.environments.get(environmentId);
  const siblings = [...index.environments.values()].filter(
    (each) => each.projectId === projectId && each.key === environment?.key,
  );
  return {
    ...(projectId === null ? {} : { project: isPlain ? project.key : projectId }),
    ...(environmentId === null ? {} : { environment: siblings.length === 1 ? siblings[0]?.key : environmentId }),
  };
};

const toGrant = (index: OrganizationIndex, row: GrantRow): object => ({
  subject: `${row.subjectType}:${row.subjectId}`,
  role: row.roleKey,
  ...placeOf(index, row),
  ...(row.effect === 'deny' ? { effect: 'deny' } : {}),
  ...(row.tier === undefined ? {} : { tier: row.tier }),
  ...(row.resourceType === undefined ? {} : { resourceType: row.resourceType }),
  ...(row.condition === undefined ? {} : { condition: row.condition }),
  ...(row.validFromMs === null ? {} : { validFrom: new Date(row.validFromMs).toISOString() }),
  ...(row.validUntilMs === null ? {} : { validUntil: new Date(row.validUntilMs).toISOString() }),
});

const toMapping = (index: OrganizationIndex, row: GrantRow): object => ({
  group: row.subjectId,
  role: row.roleKey,
  ...placeOf(index, row),
});

/** A name as a comment: one line, whatever is in it. */
const commentOf = (text: string): string => ` ${text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')}`;

const addNames = (document: Document, groupName: ExportParts['groupName']): void => {
  for (const [list, field] of [
    ['grants', 'subject'],
    ['mappings', 'group'],
  ] as const) {
    const items = (document.get(list) as { items?: readonly unknown[] } | undefined)?.items ?? [];
    for (const at of items.keys()) {
      const node = document.getIn([list, at, field], true);
      if (!isScalar(node)) continue;
      const name = groupName(String(node.value).replace(/^group:/, ''));
      if (name !== undefined) node.comment = commentOf(name);
    }
  }
};

/** The policy of an organisation as a YAML file: the same policy gives the same text. */
export const writeDocument = (index: OrganizationIndex, parts: ExportParts): string => {
  const { mappingIds, rules, groupName, nowMs } = parts;
  const rows = index.grants
    .map(({ row }) => row)
    .filter(({ validUntilMs }) => validUntilMs === null || validUntilMs > nowMs);
  const own = [...index.roles.values()].filter(({ key }) => findRole(key) === undefined);
  const document = new Document({
    version: VERSION,
    organization: index.slug,
    roles: own
      .map(({ key, name, description, levels, permissions }) => ({
        key,
        name,
        description,
        levels,
        permissions: Object.fromEntries(
          PLACES.filter((place) => permissions[place].length > 0).map((place) => [place, permissions[place]]),
        ),
      }))
      .sort(byText),
    separationRules: rules
      .map(({ name, description, roleKeys }) => ({ name, description, roles: [...roleKeys].sort() }))
      .sort(byText),
    mappings: rows
      .filter(({ grantId }) => mappingIds.has(grantId))
      .map((row) => toMapping(index, row))
      .sort(byText),
    grants: rows
      .filter(({ grantId }) => !mappingIds.has(grantId))
      .map((row) => toGrant(index, row))
      .sort(byText),
  });
  addNames(document, groupName);
  return document.toString({ lineWidth: 0 });
};
