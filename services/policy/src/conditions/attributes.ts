import { MAX_LIST_ITEMS, MAX_PROPERTY_CHARS, type Entity, type Scalar } from './condition.ts';

type Properties = Readonly<Record<string, unknown>>;

/** What a caller says about the four entities of a request; unread. */
export type GivenProperties = Partial<Readonly<Record<Entity, Properties | undefined>>>;

/** Everything a condition may look at. */
export interface Attributes {
  readonly subjectType: string;
  readonly subjectId: string;
  readonly action: string;
  /** As the caller describes it; empty: not said. */
  readonly resourceType: string;
  readonly resourceId: string;
  /** From the registry of scopes. */
  readonly place: string;
  readonly projectId: string | null;
  readonly environmentId: string | null;
  /** ms since 1970. */
  readonly nowMs: number;
  readonly given: GivenProperties | undefined;
}

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string'
    ? value.length <= MAX_PROPERTY_CHARS
    : typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));

/** A value conditions can compare, or undefined: objects, null, long texts and longer lists are as good as missing. */
export const usable = (value: unknown): Scalar | readonly Scalar[] | undefined => {
  if (isScalar(value)) return value;
  if (!Array.isArray(value) || value.length > MAX_LIST_ITEMS || !value.every(isScalar)) return undefined;
  return value;
};

export type Accessor = (attributes: Attributes) => Scalar | readonly Scalar[] | undefined;

const said = (text: string | null): string | undefined => (text === null || text === '' ? undefined : text);

const OWN: ReadonlyMap<string, Accessor> = new Map<string, Accessor>([
  ['subject.type', ({ subjectType }) => subjectType],
  ['subject.id', ({ subjectId }) => subjectId],
  ['action.name', ({ action }) => action],
  ['resource.type', ({ resourceType }) => said(resourceType)],
  ['resource.id', ({ resourceId }) => said(resourceId)],
  ['resource.place', ({ place }) => place],
  ['resource.projectId', ({ projectId }) => said(projectId)],
  ['resource.environmentId', ({ environmentId }) => said(environmentId)],
  ['context.now', ({ nowMs }) => nowMs],
]);

const ownOf = (entity: Entity): readonly (readonly [name: string, read: Accessor])[] =>
  [...OWN]
    .filter(([property]) => property.startsWith(`${entity}.`))
    .map(([property, read]) => [property.slice(entity.length + 1), read] as const);

/** Reads one property of a request: our own knowledge first, then what the caller says; own keys only. */
export const accessorOf = (property: string): Accessor => {
  const own = OWN.get(property);
  if (own !== undefined) return own;
  const dot = property.indexOf('.');
  const entity = property.slice(0, dot) as Entity;
  const name = property.slice(dot + 1);
  return ({ given }) => {
    const properties = given?.[entity];
    return properties !== undefined && Object.hasOwn(properties, name) ? usable(properties[name]) : undefined;
  };
};

const ENTITIES: readonly Entity[] = ['subject', 'resource', 'action', 'context'];

const OWN_OF: Readonly<Record<Entity, readonly (readonly [name: string, read: Accessor])[]>> = {
  subject: ownOf('subject'),
  resource: ownOf('resource'),
  action: ownOf('action'),
  context: ownOf('context'),
};

/** The attributes as Casbin gets them: the JSON text of what can be compared, our own knowledge over the caller's. */
export const attributesText = (attributes: Attributes): string => {
  const entities = new Map<Entity, unknown>();
  for (const entity of ENTITIES) {
    const fields = new Map<string, unknown>();
    const given = attributes.given?.[entity];
    if (given !== undefined)
      for (const [name, value] of Object.entries(given)) if (usable(value) !== undefined) fields.set(name, value);
    // An own property that has no value hides what the caller sends under its name.
    for (const [name, read] of OWN_OF[entity]) fields.set(name, read(attributes));
    entities.set(entity, Object.fromEntries(fields));
  }
  return JSON.stringify(Object.fromEntries(entities));
};
