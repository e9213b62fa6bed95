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

/** What is written one after the other between two chances to rest. */
const ITEMS_PER_STEP = 256;

/** In an order that is that of nothing but themselves. */
const sorted = <T extends object>(items: readonly T[]): readonly T[] =>
  items
    .map((item) => ({ item, text: JSON.stringify(item) }))
    .sort((one, other) => (one.text < other.text ? -1 : Number(one.text > other.text)))
    .map(({ item }) => item);

/** How places are called in the file: by their key, unless another has the same. */
class PlaceKeys {
  readonly #index: OrganizationIndex;
  readonly #projects: ReadonlyMap<string, number>;
  readonly #environments: ReadonlyMap<string, number>;

  constructor(index: OrganizationIndex) {
    this.#index = index;
    const count = (names: readonly string[]): ReadonlyMap<string, number> => {
      const counts = new Map<string, number>();
      for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
      return counts;
    };
    this.#projects = count([...index.projects.values()].map(({ key }) => key));
    // No id has a space in it.
    this.#environments = count([...index.environments.values()].map(({ projectId, key }) => `${projectId} ${key}`));
  }

  of({ projectId, environmentId }: GrantRow): object {
    const project = projectId === null ? undefined : this.#index.projects.get(projectId);
    const environment = environmentId === null ? undefined : this.#index.environments.get(environmentId);
    const isPlain = project !== undefined && this.#projects.get(project.key) === 1;
    const isOne = environment !== undefined && this.#environments.get(`${String(projectId)} ${environment.key}`) === 1;
    return {
      ...(projectId === null ? {} : { project: isPlain ? project.key : projectId }),
      ...(environmentId === null ? {} : { environment: isOne ? environment.key : environmentId }),
    };
  }
}

const toGrant = (places: PlaceKeys, row: GrantRow): object => ({
  subject: `${row.subjectType}:${row.subjectId}`,
  role: row.roleKey,
  ...places.of(row),
  ...(row.effect === 'deny' ? { effect: 'deny' } : {}),
  ...(row.tier === undefined ? {} : { tier: row.tier }),
  ...(row.resourceType === undefined ? {} : { resourceType: row.resourceType }),
  ...(row.condition === undefined ? {} : { condition: row.condition }),
  ...(row.validFromMs === null ? {} : { validFrom: new Date(row.validFromMs).toISOString() }),
  ...(row.validUntilMs === null ? {} : { validUntil: new Date(row.validUntilMs).toISOString() }),
});

const toMapping = (places: PlaceKeys, row: GrantRow): object => ({
  group: row.subjectId,
  role: row.roleKey,
  ...places.of(row),
});

/** A name as a comment: one line, whatever is in it. */
const commentOf = (text: string): string => ` ${text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')}`;

/** One list of the file, in steps: as the library writes it, below its key. */
function* writeList(
  name: string,
  items: readonly object[],
  comment: (item: object) => readonly [field: string, text: string] | undefined,
): Generator<undefined, string> {
  if (items.length === 0) return `${name}: []\n`;
  const parts = [`${name}:\n`];
  for (let from = 0; from < items.length; from += ITEMS_PER_STEP) {
    const some = items.slice(from, from + ITEMS_PER_STEP);
    const document = new Document(some);
    for (const [at, item] of some.entries()) {
      const [field, text] = comment(item) ?? [];
      const node = field === undefined ? undefined : document.getIn([at, field], true);
      if (isScalar(node) && text !== undefined) node.comment = text;
    }
    // Line feeds only: what else ends a line elsewhere is part of a text here.
    const lines = document.toString({ lineWidth: 0 }).split('\n');
    parts.push(lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n'));
    yield;
  }
  return parts.join('');
}

/** The policy of an organisation as a YAML file, in steps: the same policy gives the same text. */
export function* writeDocument(index: OrganizationIndex, parts: ExportParts): Generator<undefined, string> {
  const { mappingIds, rules, groupName, nowMs } = parts;
  const rows = index.grants
    .map(({ row }) => row)
    .filter(({ validUntilMs }) => validUntilMs === null || validUntilMs > nowMs);
  const own = [...index.roles.values()].filter(({ key }) => findRole(key) === undefined);
  const roles = own.map(({ key, name, description, levels, permissions }) => ({
    key,
    name,
    description,
    levels,
    permissions: Object.fromEntries(
      PLACES.filter((place) => permissions[place].length > 0).map((place) => [place, permissions[place]]),
    ),
  }));
  const separationRules = rules.map(({ name, description, roleKeys }) => ({
    name,
    description,
    roles: [...roleKeys].sort(),
  }));
  yield;
  const places = new PlaceKeys(index);
  const mappings = sorted(rows.filter(({ grantId }) => mappingIds.has(grantId)).map((row) => toMapping(places, row)));
  yield;
  const grants = sorted(rows.filter(({ grantId }) => !mappingIds.has(grantId)).map((row) => toGrant(places, row)));
  yield;
  const naming = (field: 'group' | 'subject') => (item: object) => {
    const id = String((item as Readonly<Record<string, unknown>>)[field]).replace(/^group:/, '');
    const name = groupName(id);
    return name === undefined ? undefined : ([field, commentOf(name)] as const);
  };
  const head = new Document({
    version: VERSION,
    organization: index.slug,
    roles: sorted(roles),
    separationRules: sorted(separationRules),
  });
  return [
    head.toString({ lineWidth: 0 }),
    yield* writeList('mappings', mappings, naming('group')),
    yield* writeList('grants', grants, naming('subject')),
  ].join('');
}
