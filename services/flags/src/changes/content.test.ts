import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import fc from 'fast-check';

import * as any from '../../tests/support/arbitraries.ts';
import { canonicalJson, type JsonValue } from '../vocabulary/index.ts';
import {
  type ChangeContent,
  type ChangeDraft,
  contentHash,
  contentText,
  parseContent,
  requirementsOf,
  toContent,
} from './content.ts';
import type { Operation } from './operation.ts';

const id = fc.uuid();
const state = fc.constantFrom('ENABLED' as const, 'DISABLED' as const);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant('set-state' as const),
    flagId: id,
    flagKey: fc.constant('f'),
    environmentId: id,
    state,
  }),
  fc.record({
    kind: fc.constant('set-targeting' as const),
    flagId: id,
    flagKey: fc.constant('f'),
    environmentId: id,
    rules: any.rules,
    defaultVariant: fc.option(fc.constantFrom('on', 'off'), { nil: null }),
  }),
  fc.record({
    kind: fc.constantFrom('archive-flag' as const, 'restore-flag' as const, 'delete-flag' as const),
    flagId: id,
    flagKey: fc.constant('f'),
  }),
);

const versions = fc.uniqueArray(fc.record({ environmentId: id, version: fc.nat() }), {
  selector: ({ environmentId }) => environmentId,
  maxLength: 3,
});

const draft: fc.Arbitrary<ChangeDraft> = fc.record({
  organization: id,
  project: id,
  changes: fc.array(operation, { minLength: 1, maxLength: 4 }),
  base: fc.uniqueArray(fc.record({ flagId: id, version: fc.nat(), environments: versions }), {
    selector: ({ flagId }) => flagId,
    maxLength: 3,
  }),
  environments: fc.uniqueArray(fc.record({ environmentId: id, key: fc.constant('e'), ruleVersion: fc.nat() }), {
    selector: ({ environmentId }) => environmentId,
    maxLength: 3,
  }),
});

/** The same JSON value with the properties of every object in another order. */
const reordered = (value: JsonValue, seed: number): JsonValue => {
  if (Array.isArray(value)) return value.map((item: JsonValue) => reordered(item, seed + 1));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, member]) => [name, reordered(member, seed + 1)] as const);
  const turn = entries.length === 0 ? 0 : seed % entries.length;
  return Object.fromEntries([...entries.slice(turn), ...entries.slice(0, turn)].reverse());
};

const isSame = (left: unknown, right: unknown): boolean =>
  canonicalJson(left as JsonValue) === canonicalJson(right as JsonValue);

/** Every path to a leaf of a JSON value. */
const paths = (value: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] => {
  if (typeof value !== 'object' || value === null) return [at];
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([name, member]) => paths(member, [...at, name]));
};

const changed = (value: unknown): unknown => {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  return typeof value === 'string' ? `${value}x` : 'set';
};

const withChange = (content: ChangeContent, path: readonly (string | number)[]): ChangeContent => {
  const copy = structuredClone(content);
  let target: Record<string | number, unknown> = copy as unknown as Record<string, unknown>;
  for (const name of path.slice(0, -1)) target = target[name] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  target[last] = changed(target[last]);
  return copy;
};

describe('the content of a change set', () => {
  it('has one hash whatever the order of properties, base versions and environments', () => {
    fc.assert(
      fc.property(draft, fc.nat(), (input, seed) => {
        const hash = contentHash(toContent(input));
        const shuffled = reordered(input as unknown as JsonValue, seed) as unknown as ChangeDraft;
        assert.equal(contentHash(toContent(shuffled)), hash);
        const backwards = { ...input, base: input.base.toReversed(), environments: input.environments.toReversed() };
        assert.equal(contentHash(toContent(backwards)), hash);
      }),
    );
  });

  it('has another hash when any field is changed, whichever it is', () => {
    fc.assert(
      fc.property(draft, (input) => {
        const content = toContent(input);
        const hash = contentHash(content);
        for (const path of paths(content))
          assert.notEqual(contentHash(withChange(content, path)), hash, path.join('/'));
      }),
      { numRuns: 50 },
    );
  });

  it('has another hash when the order of the changes is another', () => {
    fc.assert(
      fc.property(draft, (input) => {
        const turned = { ...input, changes: input.changes.toReversed() };
        fc.pre(!isSame(turned.changes, input.changes));
        assert.notEqual(contentHash(toContent(turned)), contentHash(toContent(input)));
      }),
    );
  });

  it('is hashed over its exact text and read back as it was written', () => {
    fc.assert(
      fc.property(draft, (input) => {
        const content = toContent(input);
        const text = contentText(content);
        assert.equal(contentHash(content), createHash('sha256').update(text).digest('hex'));
        assert.ok(isSame(parseContent(text), content));
      }),
    );
  });
});

describe('what a change set needs', () => {
  const named = { flagId: 'f1', flagKey: 'f' };
  const base = [
    {
      flagId: 'f1',
      version: 3,
      environments: [
        { environmentId: 'a', version: 1 },
        { environmentId: 'b', version: 2 },
      ],
    },
  ];

  it('is the permission of its kind, where it takes effect', () => {
    const changes: Operation[] = [
      { kind: 'set-state', ...named, environmentId: 'a', state: 'ENABLED' },
      { kind: 'set-targeting', ...named, environmentId: 'b', rules: [], defaultVariant: null },
    ];
    assert.deepEqual(requirementsOf({ changes, base }), [
      { permission: 'flag:toggle', environmentId: 'a' },
      { permission: 'flag:target', environmentId: 'b' },
    ]);
  });

  it('is every environment the flag is in, when the flag itself changes', () => {
    assert.deepEqual(requirementsOf({ changes: [{ kind: 'archive-flag', ...named }], base }), [
      { permission: 'flag:delete', environmentId: 'a' },
      { permission: 'flag:delete', environmentId: 'b' },
    ]);
  });

  it('is the project, when no environment is touched', () => {
    const changes: Operation[] = [{ kind: 'archive-flag', ...named }];
    assert.deepEqual(requirementsOf({ changes, base: [] }), [{ permission: 'flag:delete', environmentId: null }]);
  });
});
