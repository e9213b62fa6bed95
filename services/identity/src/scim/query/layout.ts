import type { AttributeDefinition, ResourceDefinition } from '../protocol/attribute.ts';
import type { FilterTarget } from '../protocol/filter/index.ts';
import type { Params } from './params.ts';

/** The elements of a multi-valued attribute as rows. */
export interface ElementSource {
  /** What stands behind FROM, its own WHERE included; conditions can be added with AND. */
  readonly rows: string;
  /** The text of one part (of the element itself, for a list of texts): folded when the part ignores case. */
  part(part: AttributeDefinition | undefined): string;
  /** Their order within the attribute; undefined where they have none. */
  readonly ordinal: string | undefined;
}

/** Where the attributes of one type of resource are kept. `$1` is the organisation, `$2` the connection. */
export interface Layout {
  readonly resource: ResourceDefinition;
  /** Table and alias `t`. */
  readonly table: string;
  /** Which rows are resources of the connection at all. */
  readonly scope: string;
  /** The text of a single-valued attribute: folded when it ignores case, NULL when it has no value. */
  text(target: FilterTarget): string;
  /** The column of a point in time. */
  instant(attribute: AttributeDefinition): string;
  /** Whether a single-valued object has a value. */
  hasObject(target: FilterTarget): string;
  elements(attribute: AttributeDefinition): ElementSource;
  /** An indexed condition for `name eq value`; undefined when there is no index. */
  lookUp(name: string, value: string): LookUp | undefined;
}

export interface LookUp {
  readonly sql: string;
  /** It finds a handful of rows at most, whatever is stored. */
  readonly isNarrow: boolean;
}

/** What a layout is made with: the parameters of the statement and the origin of addresses. */
export interface LayoutInput {
  readonly params: Params;
  readonly origin: string;
}

export type MakeLayout = (input: LayoutInput) => Layout;

const CANONICAL_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Equality with an id, which is text to a client: what is not spelled as we spell ids is nobody's. */
export const idEquals = (params: Params, value: string, condition: (id: string) => string): LookUp =>
  narrow(CANONICAL_ID.test(value) ? condition(params.add(value, 'uuid')) : 'FALSE');

export const narrow = (sql: string): LookUp => ({ sql, isNarrow: true });

/** `name.givenName`, `urn:…:User:manager.value`: canonical. */
export const canonicalName = ({ extension, attribute, sub }: FilterTarget): string =>
  `${extension === undefined ? '' : `${extension.id}:`}${attribute.name}${sub === undefined ? '' : `.${sub.name}`}`;

/** `meta` of every type of resource; `version` is what stands between the quotes of its ETag. */
export const metaText = (
  part: string,
  { params, origin }: LayoutInput,
  { resource, version }: { readonly resource: ResourceDefinition; readonly version: string },
): string => {
  if (part === 'resourceType') return params.add(resource.name, 'text');
  if (part === 'version') return `('W/"' || ${version} || '"')`;
  return `(${params.add(`${origin}/scim/v2${resource.endpoint}/`, 'text')} || t.id)`;
};

/** Where `meta.created` and `meta.lastModified` are. */
export const metaInstant = ({ name }: AttributeDefinition): string =>
  name === 'created' ? 't.created_at' : 't.updated_at';
