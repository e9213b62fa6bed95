import { foldCase } from '../../accounts/index.ts';
import type { AttributeDefinition } from '../protocol/attribute.ts';
import type { FilterTarget } from '../protocol/filter/index.ts';
import { USER } from '../protocol/user-schema.ts';
import {
  canonicalName,
  idEquals,
  metaInstant,
  metaText,
  narrow,
  type ElementSource,
  type LayoutInput,
  type LookUp,
  type MakeLayout,
} from './layout.ts';
import type { Params } from './params.ts';

const COLUMNS: ReadonlyMap<string, string> = new Map([
  ['id', 't.id::text'],
  ['userName', 't.user_name_key'],
  ['externalId', "nullif(t.external_id, '')"],
  ['active', 't.directory_active::text'],
]);

/** The profile itself where case counts, what was folded from it where not. */
const documentOf = ({ caseExact }: AttributeDefinition): string => (caseExact ? 't.profile' : 't.search_document');

const pathOf = ({ extension, attribute, sub }: FilterTarget): string[] => [
  ...(extension === undefined ? [] : [extension.id]),
  attribute.name,
  ...(sub === undefined ? [] : [sub.name]),
];

const schemas = (params: Params): ElementSource => {
  const extensions = USER.extensions.map(({ id }) => {
    const hasExtension = `t.search_document -> ${params.add(id, 'text')} IS NOT NULL`;
    return `(CASE WHEN ${hasExtension} THEN ${params.add(foldCase(id), 'text')} END)`;
  });
  return {
    rows: `(VALUES (${params.add(foldCase(USER.core.id), 'text')}), ${extensions.join(', ')}) AS e(urn) WHERE TRUE`,
    part: () => 'e.urn',
    ordinal: undefined,
  };
};

const groups = ({ params, origin }: LayoutInput): ElementSource => ({
  rows: `group_member m JOIN directory_group g ON g.org_id = m.org_id AND g.id = m.group_id
    WHERE m.org_id = t.org_id AND m.account_id = t.id`,
  part: (part) => {
    if (part?.name === 'display') return 'g.display_name_key';
    if (part?.name === 'type') return params.add('direct', 'text');
    return part?.name === '$ref' ? `(${params.add(`${origin}/scim/v2/Groups/`, 'text')} || g.id)` : 'g.id::text';
  },
  ordinal: undefined,
});

/** What `userEtag` says of a user with all their groups. */
const VERSION = `(t.version || coalesce((
  SELECT '.' || left(translate(encode(sha256(convert_to(
           string_agg(g.id || ' ' || g.display_name, E'\\n' ORDER BY g.id), 'UTF8')), 'base64'), '+/', '-_'), 12)
    FROM group_member m JOIN directory_group g ON g.org_id = m.org_id AND g.id = m.group_id
   WHERE m.org_id = t.org_id AND m.account_id = t.id), ''))`;

/** Elements of a list in the profile, and beside them, in the same order, what was folded from them. */
const listed = (params: Params, { name, subAttributes = [] }: AttributeDefinition): ElementSource => {
  const path = params.add(`$."${name}"[*]`, 'jsonpath');
  const folded = `jsonb_path_query(t.search_document, ${path})`;
  const hasExact = subAttributes.some(({ caseExact }) => caseExact);
  const rows = hasExact
    ? `ROWS FROM (${folded}, jsonb_path_query(t.profile, ${path})) WITH ORDINALITY AS e(folded, exact, n)`
    : `${folded} WITH ORDINALITY AS e(folded, n)`;
  return {
    rows: `${rows} WHERE e.folded <> '{}'`,
    part: (part) =>
      `nullif(${part?.caseExact === true ? 'e.exact' : 'e.folded'} ->> ${params.add(part?.name ?? 'value', 'text')}, '')`,
    ordinal: 'e.n',
  };
};

const lookUp = (params: Params, name: string, value: string): LookUp | undefined => {
  switch (name) {
    case 'id':
      return idEquals(params, value, (id) => `t.id = ${id}`);
    case 'userName':
      return narrow(`t.user_name_key = ${params.add(foldCase(value), 'text')}`);
    case 'externalId':
      return narrow(`t.external_id = ${params.add(value, 'text')}`);
    case 'emails.value':
      // An array, so that an index finds its rows beside another condition, too ("or").
      return narrow(`t.id = ANY (ARRAY(SELECT account_id FROM account_email
        WHERE org_id = $1 AND email_key = ${params.add(foldCase(value), 'text')}))`);
    case 'groups.value':
      return {
        ...idEquals(
          params,
          value,
          (id) => `t.id IN (SELECT account_id FROM group_member WHERE org_id = $1 AND group_id = ${id})`,
        ),
        isNarrow: false,
      };
    default:
      return undefined;
  }
};

/** Users: names, ids and addresses in columns of their own, everything else in the profile. */
export const userLayout: MakeLayout = (input) => {
  const { params } = input;
  return {
    resource: USER,
    table: 'account t',
    scope: "t.org_id = $1 AND t.connection_id = $2 AND t.kind = 'user' AND t.status <> 'deleted'",
    text: (target) => {
      const { attribute, sub } = target;
      if (attribute.name === 'meta') return metaText(sub?.name ?? '', input, { resource: USER, version: VERSION });
      const column = COLUMNS.get(canonicalName(target));
      return column ?? `nullif(${documentOf(sub ?? attribute)} #>> ${params.add(pathOf(target), 'text[]')}, '')`;
    },
    instant: metaInstant,
    hasObject: (target) =>
      target.attribute.name === 'meta'
        ? 'TRUE'
        : `(t.search_document #> ${params.add(pathOf(target), 'text[]')}) IS NOT NULL`,
    elements: (attribute) => {
      if (attribute.name === 'groups') return groups(input);
      return attribute.name === 'schemas' ? schemas(params) : listed(params, attribute);
    },
    lookUp: (name, value) => lookUp(params, name, value),
  };
};
