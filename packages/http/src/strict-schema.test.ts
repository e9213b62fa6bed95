import assert from 'node:assert/strict';

import fc from 'fast-check';
import { z } from 'zod';

import { strictly } from './strict-schema.ts';

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
const lazyTree: z.ZodType<Tree> = z.lazy(() => z.object({ name: z.string(), children: z.array(lazyTree) }));
const leaf = z.object({ a: z.number() });

/** A schema, a value it accepts, and the same value with one undeclared field somewhere inside. */
const cases: readonly (readonly [string, z.ZodType, unknown, unknown])[] = [
  ['object', leaf, { a: 1 }, { a: 1, x: 1 }],
  ['nested', z.object({ l: leaf }), { l: { a: 1 } }, { l: { a: 1, x: 1 } }],
  ['array', z.array(leaf), [{ a: 1 }], [{ a: 1, x: 1 }]],
  ['tuple', z.tuple([leaf]), [{ a: 1 }], [{ a: 1, x: 1 }]],
  ['record', z.record(z.string(), leaf), { k: { a: 1 } }, { k: { a: 1, x: 1 } }],
  ['optional', z.object({ l: leaf.optional() }), {}, { l: { a: 1, x: 1 } }],
  ['nullable', leaf.nullable(), null, { a: 1, x: 1 }],
  ['default', leaf.default({ a: 1 }), undefined, { a: 1, x: 1 }],
  ['readonly', leaf.readonly(), { a: 1 }, { a: 1, x: 1 }],
  ['union', z.union([leaf, z.object({ b: z.string() })]), { b: '' }, { b: '', x: 1 }],
  [
    'discriminated union',
    z.discriminatedUnion('t', [z.object({ t: z.literal('a'), l: leaf }), z.object({ t: z.literal('b') })]),
    { t: 'a', l: { a: 1 } },
    { t: 'a', l: { a: 1, x: 1 } },
  ],
  ['intersection', z.intersection(leaf, z.object({ b: z.string() })), { a: 1, b: '' }, { a: 1, b: '', x: 1 }],
  ['transform', leaf.transform(({ a }) => a), { a: 1 }, { a: 1, x: 1 }],
  ['pipe', z.object({ s: z.string() }).pipe(z.object({ s: z.string().min(1) })), { s: 'a' }, { s: 'a', x: 1 }],
  [
    'recursive getter',
    tree,
    { name: 'a', children: [{ name: 'b', children: [] }] },
    { name: 'a', children: [{ name: 'b', children: [], x: 1 }] },
  ],
  ['lazy', lazyTree, { name: 'a', children: [] }, { name: 'a', children: [{ name: 'b', children: [], x: 1 }] }],
];

describe('strictly', () => {
  for (const [name, schema, good, bad] of cases) {
    it(`refuses undeclared fields inside: ${name}`, () => {
      assert.equal(schema.safeParse(bad).success, true, 'the schema itself would drop the field');
      assert.equal(strictly(schema).safeParse(good).success, true);
      const refused = strictly(schema).safeParse(bad);
      assert.equal(refused.success, false);
      assert.deepEqual(strictly(schema).parse(good), schema.parse(good));
    });
  }

  it('keeps refinements, and objects that say what becomes of unknown fields', () => {
    const refined = z.object({ a: z.number(), b: z.number() }).refine(({ a, b }) => a < b, { path: ['b'] });
    assert.equal(strictly(refined).safeParse({ a: 1, b: 2 }).success, true);
    assert.equal(strictly(refined).safeParse({ a: 2, b: 1 }).success, false);
    assert.deepEqual(strictly(z.looseObject({ a: z.number() })).parse({ a: 1, x: 2 }), { a: 1, x: 2 });
    assert.deepEqual(strictly(z.object({}).catchall(z.number())).parse({ x: 2 }), { x: 2 });
    assert.equal(strictly(z.strictObject({})).safeParse({ x: 2 }).success, false);
  });

  it('leaves schemas without objects as they are', () => {
    const schema = z.array(z.union([z.string(), z.number()]));
    assert.equal(strictly(schema), schema);
  });

  it('accepts of any object exactly the declared keys (property)', () => {
    const schema = strictly(z.object({ a: z.unknown(), b: z.unknown() }));
    fc.assert(
      fc.property(
        fc.dictionary(fc.oneof(fc.constantFrom('a', 'b'), fc.string()), fc.anything(), { noNullPrototype: true }),
        (value) => {
          const keys = Object.keys(value);
          assert.equal(
            schema.safeParse(value).success,
            ['a', 'b'].every((key) => keys.includes(key)) && keys.length === 2,
          );
        },
      ),
    );
  });
});
