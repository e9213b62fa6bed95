import { foldCase } from '../../accounts/index.ts';
import { GROUP } from '../protocol/group-schema.ts';
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
  ['displayName', 't.display_name_key'],
  ['externalId', "nullif(t.external_id, '')"],
]);

const schemas = (params: Params): ElementSource => ({
  rows: `(VALUES (${params.add(foldCase(GROUP.core.id), 'text')})) AS e(urn) WHERE TRUE`,
  part: () => 'e.urn',
  ordinal: undefined,
});

const members = ({ params, origin }: LayoutInput): ElementSource => ({
  rows: `group_member m JOIN account a ON a.org_id = m.org_id AND a.id = m.account_id
    WHERE m.org_id = t.org_id AND m.group_id = t.id AND a.status <> 'deleted'`,
  part: (part) => {
    if (part?.name === 'display') return 'a.display_name_key';
    if (part?.name === 'type') return params.add(foldCase('User'), 'text');
    return part?.name === '$ref' ? `(${params.add(`${origin}/scim/v2/Users/`, 'text')} || a.id)` : 'a.id::text';
  },
  ordinal: undefined,
});

const lookUp = (params: Params, name: string, value: string): LookUp | undefined => {
  switch (name) {
    case 'id':
      return idEquals(params, value, (id) => `t.id = ${id}`);
    case 'displayName':
      return narrow(`t.display_name_key = ${params.add(foldCase(value), 'text')}`);
    case 'externalId':
      return narrow(`t.external_id = ${params.add(value, 'text')}`);
    case 'members.value':
      return idEquals(
        params,
        value,
        (id) => `t.id = ANY (ARRAY(SELECT group_id FROM group_member WHERE org_id = $1 AND account_id = ${id}))`,
      );
    default:
      return undefined;
  }
};

/** Groups: everything in columns; members in the membership table. */
export const groupLayout: MakeLayout = (input) => {
  const { params } = input;
  return {
    resource: GROUP,
    table: 'directory_group t',
    scope: 't.org_id = $1 AND t.connection_id = $2',
    text: (target) =>
      target.attribute.name === 'meta'
        ? metaText(target.sub?.name ?? '', input, { resource: GROUP, version: 't.version' })
        : (COLUMNS.get(canonicalName(target)) ?? 'NULL::text'),
    instant: metaInstant,
    hasObject: () => 'TRUE',
    elements: ({ name }) => (name === 'schemas' ? schemas(params) : members(input)),
    lookUp: (name, value) => lookUp(params, name, value),
  };
};
