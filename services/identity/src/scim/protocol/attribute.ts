/** One attribute of a SCIM schema, as `/Schemas` publishes it (RFC 7643 §7). */
export interface AttributeDefinition {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'reference' | 'binary' | 'dateTime' | 'complex';
  readonly multiValued: boolean;
  readonly description: string;
  readonly required: boolean;
  readonly caseExact: boolean;
  readonly mutability: 'readOnly' | 'readWrite' | 'immutable' | 'writeOnly';
  readonly returned: 'always' | 'never' | 'default' | 'request';
  readonly uniqueness: 'none' | 'server' | 'global';
  readonly canonicalValues?: readonly string[];
  readonly referenceTypes?: readonly string[];
  readonly subAttributes?: readonly AttributeDefinition[];
}

export interface SchemaDefinition {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly attributes: readonly AttributeDefinition[];
}

/** One resource type: its core schema, its extensions, and the attributes every resource has. */
export interface ResourceDefinition {
  readonly name: 'User' | 'Group';
  readonly endpoint: '/Users' | '/Groups';
  readonly description: string;
  readonly core: SchemaDefinition;
  readonly extensions: readonly SchemaDefinition[];
  /** URNs a client may list in `schemas` although we know no attribute of theirs (Entra's group schema). */
  readonly toleratedSchemas: readonly string[];
}

type Overrides = Partial<Omit<AttributeDefinition, 'name' | 'description' | 'type'>>;

const define = (
  type: AttributeDefinition['type'],
  name: string,
  description: string,
  overrides: Overrides = {},
): AttributeDefinition => ({
  name,
  type,
  multiValued: false,
  description,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...overrides,
});

export const text = (name: string, description: string, overrides?: Overrides): AttributeDefinition =>
  define('string', name, description, overrides);
export const flag = (name: string, description: string, overrides?: Overrides): AttributeDefinition =>
  define('boolean', name, description, overrides);
export const reference = (name: string, description: string, overrides?: Overrides): AttributeDefinition =>
  define('reference', name, description, { caseExact: true, ...overrides });
export const instant = (name: string, description: string, overrides?: Overrides): AttributeDefinition =>
  define('dateTime', name, description, overrides);
export const complex = (
  name: string,
  description: string,
  subAttributes: readonly AttributeDefinition[],
  overrides?: Overrides,
): AttributeDefinition => define('complex', name, description, { ...overrides, subAttributes });

/** A list of `{value, display, type, primary}` (RFC 7643 §2.4). */
export const plural = (name: string, description: string, value: AttributeDefinition, types: readonly string[] = []) =>
  complex(
    name,
    description,
    [
      value,
      text('display', 'A human-readable name, for display.'),
      text('type', 'What the value is for.', types.length === 0 ? {} : { canonicalValues: types }),
      flag('primary', 'The preferred value; at most one has it.'),
    ],
    { multiValued: true },
  );

/** The attributes every resource has and no schema document lists (RFC 7643 §3.1). */
export const COMMON_ATTRIBUTES: readonly AttributeDefinition[] = [
  text('id', 'Identifier given by this service.', {
    caseExact: true,
    mutability: 'readOnly',
    returned: 'always',
    uniqueness: 'server',
  }),
  text('externalId', 'Identifier given by the client; unique within its connection.', { caseExact: true }),
  complex(
    'meta',
    'Metadata of the resource.',
    [
      text('resourceType', 'Type of the resource.', { caseExact: true, mutability: 'readOnly' }),
      instant('created', 'When it was created.', { mutability: 'readOnly' }),
      instant('lastModified', 'When it last changed.', { mutability: 'readOnly' }),
      reference('location', 'Address of the resource.', { mutability: 'readOnly', referenceTypes: ['uri'] }),
      text('version', 'Its version; the ETag.', { caseExact: true, mutability: 'readOnly' }),
    ],
    { mutability: 'readOnly' },
  ),
  // URNs of schemas ignore case (RFC 8141 §3.1, RFC 7643 §2.1).
  text('schemas', 'The schemas of the resource.', {
    multiValued: true,
    mutability: 'readOnly',
    returned: 'always',
  }),
];

const byName = (attributes: readonly AttributeDefinition[]): ReadonlyMap<string, AttributeDefinition> =>
  new Map(attributes.map((attribute) => [attribute.name.toLowerCase(), attribute]));

// Maps, never objects: "constructor" and "toString" are not attributes.
const indexes = new WeakMap<readonly AttributeDefinition[], ReadonlyMap<string, AttributeDefinition>>();

/** Finds an attribute by its name, in any case (RFC 7643 §2.1). */
export const findAttribute = (
  attributes: readonly AttributeDefinition[],
  name: string,
): AttributeDefinition | undefined => {
  let index = indexes.get(attributes);
  if (index === undefined) {
    index = byName(attributes);
    indexes.set(attributes, index);
  }
  return index.get(name.toLowerCase());
};

/** Finds a core or common attribute of a resource type. */
export const findCoreAttribute = (resource: ResourceDefinition, name: string): AttributeDefinition | undefined =>
  findAttribute(resource.core.attributes, name) ?? findAttribute(COMMON_ATTRIBUTES, name);
