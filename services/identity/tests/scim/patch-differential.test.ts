import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { DIALECTS } from '../../src/scim/profiles/index.ts';
import { applyPatch } from '../../src/scim/protocol/apply-patch.ts';
import { normalisePatch } from '../../src/scim/protocol/normalise-patch.ts';
import { USER } from '../../src/scim/protocol/user-schema.ts';
import { ReferenceDirectory } from './model/directory.ts';
import { illegalUserOperation } from './model/illegal-operations.ts';
import { userResource } from './model/resources.ts';
import { openSeed } from './model/seed.ts';
import { userOperation, type Operation } from './model/user-operations.ts';
import { equal, type Doc, type Json } from './model/vocabulary.ts';

const OPERATIONS = 100_000;
const BATCH = 2_000;
/** The words of the model for our codes. */
const WORDS: Readonly<Record<string, string>> = {
  INVALID_SYNTAX: 'invalidSyntax',
  INVALID_PATH: 'invalidPath',
  INVALID_FILTER: 'invalidFilter',
  INVALID_VALUE: 'invalidValue',
  MUTABILITY: 'mutability',
  NO_TARGET: 'noTarget',
  TOO_MANY: 'tooMany',
};

type Outcome = { readonly doc: Json } | { readonly word: string };

const ours = (before: Doc, operations: readonly Operation[]): Outcome => {
  try {
    const body = { Operations: operations.map(({ wire }) => wire) };
    const steps = normalisePatch(USER, body, DIALECTS.auto).filter((step) => step.kind !== 'members');
    return { doc: applyPatch(USER, before, steps) as Json };
  } catch (error) {
    if (isAppError(error)) return { word: WORDS[error.code] ?? error.code };
    throw error;
  }
};

const theirs = (before: Doc, operations: readonly Operation[]): { doc: Json } | { words: readonly string[] } => {
  const directory = new ReferenceDirectory();
  const created = directory.create('Users', 'c', before);
  const stored = created.outcome === 'exact' ? created.commit('u') : undefined;
  assert.ok(stored !== undefined);
  const verdict = directory.patch(
    'Users',
    stored,
    operations.flatMap(({ intents }) => intents),
  );
  if (verdict.outcome === 'refused') return { words: verdict.words };
  return { doc: verdict.commit('u')?.doc ?? null };
};

const name = fc.constantFrom('ann@x', 'bob@x');
const operations = fc.array(
  fc.oneof({ weight: 60, arbitrary: userOperation(name) }, { weight: 1, arbitrary: illegalUserOperation }),
  { minLength: 1, maxLength: 12, size: 'max' },
);
const document = userResource(name, fc.constantFrom('e1', 'e2')).map(({ doc }): Doc => ({ active: true, ...doc }));

describe('PATCH in memory against the reference model', function () {
  this.timeout(180_000);

  it('leaves exactly the document of the model, or refuses with one of its words (property, 100,000 operations)', () => {
    const seed = openSeed('SCIM PATCH differential');
    let [played, exact] = [0, 0];
    for (let batch = 0; played < OPERATIONS; batch += 1)
      for (const [before, list] of fc.sample(fc.tuple(document, operations), { seed: seed + batch, numRuns: BATCH })) {
        const kept = structuredClone(before);
        const [is, should] = [ours(before, list), theirs(before, list)];
        const story = (): string => JSON.stringify({ before, operations: list, is, should }, undefined, 1);
        if ('word' in is) assert.ok('words' in should && should.words.includes(is.word), story());
        else assert.ok('doc' in should && equal(is.doc, should.doc), story());
        assert.ok(equal(before, kept), 'the input is left as it was');
        played += list.length;
        exact += 'doc' in is ? list.length : 0;
      }
    console.log(`      ${String(played)} operations, ${String(exact)} with their exact effect, 0 disagreements`);
    assert.ok(exact > OPERATIONS / 4);
  });
});
