import assert from 'node:assert/strict';

import { z } from 'zod';

import { GUARDED, PUBLIC, listOf, listQuery, openApi, route } from '../src/index.ts';

interface Tree {
  name: string;
  children: Tree[];
}
const tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get children() {
    return z.array(tree);
  },
});
const flag = z.object({ key: z.string(), on: z.boolean() }).meta({ id: 'Flag' });
const done = () => Promise.resolve({ status: 204 });

const document = openApi(
  [
    route({
      method: 'GET',
      path: '/api/flags/v1/projects/:projectId/flags',
      permission: 'flag:read',
      surface: 'api',
      summary: 'Lists flags',
      params: z.object({ projectId: z.uuid() }),
      query: listQuery.extend({ tag: z.string().describe('Only with this tag').optional() }),
      responses: { 200: listOf(flag), 404: null },
      handler: done,
    }),
    route({
      method: 'POST',
      path: '/api/flags/v1/projects/:projectId/flags',
      permission: 'flag:create',
      surface: 'api',
      summary: 'Creates a flag',
      body: z.object({ key: z.string(), rules: tree, more: z.object({ a: z.number().default(1) }) }),
      responses: { 201: flag, 409: null },
      handler: done,
    }),
    route({
      method: 'POST',
      path: '/api/flags/v1/trees',
      permission: PUBLIC,
      surface: 'api',
      summary: 'Plants a tree',
      body: tree,
      responses: { 204: null },
      handler: done,
    }),
    route({
      method: 'POST',
      path: '/scim/v2/Users',
      permission: GUARDED,
      surface: 'scim',
      summary: 'Creates a user',
      guard: () => Promise.resolve(1),
      body: z.looseObject({ userName: z.string() }),
      responses: { 201: z.looseObject({ id: z.string() }) },
      handler: done,
    }),
  ],
  { title: 'Sallyport', version: '0.1.0', serverUrl: 'https://sallyport.test' },
);

type Operation = Record<string, never> & { parameters: { name: string; required: boolean }[] };
const operation = (path: string, method: string): Operation => document.paths[path]?.[method] as Operation;
const FLAGS = '/api/flags/v1/projects/{projectId}/flags';

describe('openApi', () => {
  it('names every operation, its permission and its security', () => {
    assert.equal(document.openapi, '3.1.0');
    const get = operation(FLAGS, 'get');
    assert.equal(get['operationId'], 'getApiFlagsV1ProjectsByProjectIdFlags');
    assert.equal(get['x-permission'], 'flag:read');
    assert.deepEqual(get['security'], [{ session: [] }, { bearer: [] }]);
    assert.deepEqual(operation('/api/flags/v1/trees', 'post')['security'], []);
    assert.deepEqual(operation('/scim/v2/Users', 'post')['security'], [{ bearer: [] }]);
    const ids = Object.values(document.paths).flatMap((item) =>
      Object.values(item).map((entry) => entry['operationId']),
    );
    assert.equal(new Set(ids).size, 4);
  });

  it('describes path and query as parameters', () => {
    assert.deepEqual(
      operation(FLAGS, 'get').parameters.map(({ name, required }) => [name, required]),
      [
        ['projectId', true],
        ['limit', false],
        ['cursor', false],
        ['tag', false],
      ],
    );
    assert.deepEqual(operation(FLAGS, 'post').parameters[0]?.name, 'projectId');
  });

  it('says that undeclared fields are refused on the api surface, and only there', () => {
    const text = JSON.stringify(operation(FLAGS, 'post')['requestBody']);
    assert.equal(text.match(/"additionalProperties":false/g)?.length, 2);
    assert.equal(JSON.stringify(operation('/scim/v2/Users', 'post')).includes('"additionalProperties":false'), false);
  });

  it('resolves every reference, recursive ones included', () => {
    const names = new Set(Object.keys(document.components.schemas));
    assert.ok(names.has('Flag') && names.has('Problem'));
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = '']) => ref);
    assert.ok(refs.length > 4);
    for (const ref of refs) assert.ok(names.has(ref.replace('#/components/schemas/', '')), ref);
    assert.equal(JSON.stringify(document).includes('$defs'), false);
  });
});
