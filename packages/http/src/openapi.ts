import { z } from 'zod';

import { BODY_RULES } from './body.ts';
import { STRICT_SURFACES } from './compile-route.ts';
import { GUARDED, PUBLIC, SELF, type Permission, type Route } from './route.ts';

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** Public origin of the deployment, if it is known. */
  readonly serverUrl?: string;
}

type Json = Record<string, unknown>;

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: Json;
  readonly servers?: readonly Json[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: { readonly schemas: Json; readonly securitySchemes: Json };
}

const PROBLEM: Json = {
  type: 'object',
  description: 'RFC 9457 problem details; from 500 on only title, status and instance.',
  required: ['title', 'status', 'instance'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'code'],
        properties: {
          pointer: { type: 'string', description: 'JSON pointer into the body, `?name` (query) or `:name` (path)' },
          code: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
    metadata: { type: 'object', additionalProperties: { type: 'string' } },
  },
};

const SECURITY_SCHEMES: Json = {
  session: { type: 'apiKey', in: 'cookie', name: '__Host-sallyport_session' },
  bearer: { type: 'http', scheme: 'bearer' },
};

const PERMISSION_NAMES: ReadonlyMap<Permission, string> = new Map<Permission, string>([
  [PUBLIC, 'public'],
  [SELF, 'self'],
  [GUARDED, 'guarded'],
]);

/** The table as an OpenAPI 3.1 document; each operation names its permission in `x-permission`. */
export const openApi = (routes: readonly Route[], options: OpenApiOptions): OpenApiDocument => {
  const schemas = new Map<string, unknown>([['Problem', PROBLEM]]);
  const paths = new Map<string, Map<string, Json>>();
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    const operations = paths.get(path) ?? new Map<string, Json>();
    operations.set(route.method.toLowerCase(), operationOf(route, schemas));
    paths.set(path, operations);
  }
  const { title, version, description, serverUrl } = options;
  return {
    openapi: '3.1.0',
    info: { title, version, ...(description === undefined ? {} : { description }) },
    ...(serverUrl === undefined ? {} : { servers: [{ url: serverUrl }] }),
    paths: Object.fromEntries([...paths].map(([path, operations]) => [path, Object.fromEntries(operations)])),
    components: { schemas: Object.fromEntries(schemas), securitySchemes: SECURITY_SCHEMES },
  };
};

type Schemas = Map<string, unknown>;

const operationIdOf = ({ method, path }: Route): string =>
  method.toLowerCase() +
  path
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => segment.replace(/^:/, 'by-'))
    .flatMap((segment) => segment.split(/[^A-Za-z0-9]+/))
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');

const securityOf = (permission: Permission): Json[] => {
  if (permission === PUBLIC) return [];
  return permission === GUARDED ? [{ bearer: [] }] : [{ session: [] }, { bearer: [] }];
};

const operationOf = (route: Route, schemas: Schemas): Json => {
  const { permission, surface, summary, body } = route;
  const operationId = operationIdOf(route);
  const [contentType = 'application/json'] = route.contentTypes ?? BODY_RULES[surface].contentTypes;
  return {
    operationId,
    summary,
    tags: [surface],
    'x-permission': typeof permission === 'string' ? permission : PERMISSION_NAMES.get(permission),
    security: securityOf(permission),
    parameters: [...parametersOf(route, 'path', schemas), ...parametersOf(route, 'query', schemas)],
    ...(route.streamed === true ? { requestBody: streamedBody(route) } : {}),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: { [contentType]: { schema: jsonSchema(body, place(route, 'input', 'Body', schemas)) } },
          },
        }),
    responses: responsesOf(route, schemas),
  };
};

/** Read by the handler as it arrives; the summary of the route says what it is. */
const streamedBody = ({ contentTypes = [] }: Route): Json => ({
  required: true,
  content: Object.fromEntries(contentTypes.map((type) => [type, {}])),
});

const parametersOf = (route: Route, where: 'path' | 'query', schemas: Schemas): Json[] => {
  const schema = where === 'path' ? route.params : route.query;
  if (schema === undefined) {
    const names = where === 'path' ? [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name) : [];
    return names.map((name) => ({ name, in: where, required: true, schema: { type: 'string' } }));
  }
  const object = jsonSchema(schema, place(route, 'input', where, schemas));
  const required = new Set((object['required'] ?? []) as string[]);
  return Object.entries((object['properties'] ?? {}) as Json).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.has(name),
    schema: property,
  }));
};

const PROBLEM_CONTENT: Json = {
  'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
};

const responsesOf = (route: Route, schemas: Schemas): Json => {
  const entries = Object.entries(route.responses).map(([status, schema]): [string, Json] => {
    const isProblem = schema === null && Number(status) >= 400 && route.surface === 'api';
    if (isProblem) return [status, { description: 'Refused', content: PROBLEM_CONTENT }];
    if (schema === null) return [status, { description: Number(status) < 400 ? 'Done' : 'Refused' }];
    const content = { schema: jsonSchema(schema, place(route, 'output', status, schemas)) };
    const type = route.surface === 'scim' ? 'application/scim+json' : 'application/json';
    return [status, { description: Number(status) < 400 ? 'Done' : 'Refused', content: { [type]: content } }];
  });
  const fallback: Json =
    route.surface === 'api' ? { description: 'Any other error', content: PROBLEM_CONTENT } : { description: 'Error' };
  return { ...Object.fromEntries(entries), default: fallback };
};

/** Where schemas of one operation go, and the name of the one being written. */
interface Placement {
  readonly name: string;
  readonly io: 'input' | 'output';
  readonly isStrict: boolean;
  readonly schemas: Schemas;
}

const place = (route: Route, io: 'input' | 'output', part: string, schemas: Schemas): Placement => ({
  name: operationIdOf(route) + part,
  io,
  isStrict: STRICT_SURFACES.has(route.surface),
  schemas,
});

/** JSON Schema 2020-12 of a schema; named and recursive parts move to the components of the document. */
const jsonSchema = (schema: z.ZodType, { name, io, isStrict, schemas }: Placement): Json => {
  const {
    $schema: _,
    $defs = {},
    ...root
  } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (isStrict && def.type === 'object' && def.catchall === undefined) jsonSchema.additionalProperties = false;
    },
  });
  for (const [part, definition] of Object.entries($defs)) schemas.set(partName(part, name), relocate(definition, name));
  const result = relocate(root, name) as Json;
  if (!JSON.stringify(root).includes('"$ref":"#"')) return result;
  schemas.set(name, result);
  return { $ref: `#/components/schemas/${name}` };
};

/** Parts zod had to name itself (`__schema0`) are only unique within one schema. */
const partName = (part: string, name: string): string => (part.startsWith('__') ? `${name}${part}` : part);

const relocate = (node: unknown, name: string): unknown => {
  if (Array.isArray(node)) return node.map((item: unknown) => relocate(item, name));
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string' ? relocateRef(value, name) : relocate(value, name),
    ]),
  );
};

const relocateRef = (ref: string, name: string): string =>
  `#/components/schemas/${ref === '#' ? name : partName(ref.replace('#/$defs/', ''), name)}`;
