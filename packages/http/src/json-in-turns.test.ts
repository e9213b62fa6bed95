import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { IN_TURNS_ABOVE, parseJsonInTurns } from './json-in-turns.ts';
import { MAX_JSON_KEYS } from './json-structure.ts';
import { parseJson } from './json.ts';

const strict = { refusePollutingKeys: true };

type Outcome = { readonly value: unknown } | { readonly code: string; readonly pointer: string | undefined };

const refusal = (error: unknown): Outcome => {
  assert.ok(isAppError(error), String(error));
  return { code: error.code, pointer: error.fields?.[0]?.pointer };
};

const inOnePiece = (text: string): Outcome => {
  try {
    return { value: parseJson(text, strict) };
  } catch (error) {
    return refusal(error);
  }
};

const inTurns = async (text: string): Promise<Outcome> => {
  try {
    return { value: await parseJsonInTurns(text, strict) };
  } catch (error) {
    return refusal(error);
  }
};

const objectOf = (keys: number): string =>
  JSON.stringify(Object.fromEntries(Array.from({ length: keys }, (_, at) => [`k${String(at)}`, at])));

describe('parseJsonInTurns', () => {
  it('gives what parseJson gives for any JSON, however it is spaced (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue({ stringUnit: 'binary', maxDepth: 6 }),
        fc.constantFrom(undefined, 1, '\t'),
        async (value, space) => {
          const text = JSON.stringify(value, null, space);
          assert.deepEqual(await inTurns(text), inOnePiece(text));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('refuses what parseJson refuses, and nothing else (property)', async () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ',',
      ':',
      '1',
      '-',
      '.',
      'e',
      'true',
      'nul',
      ' ',
      '\n',
      '\\u0000',
      '"a":',
      '\u0001',
      '"\\ud800"',
      '01',
      '"__proto__":1',
      '"a":1,"a":2',
    );
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
    );
    await fc.assert(
      fc.asyncProperty(text, async (input) => {
        const [ours, theirs] = [await inTurns(input), inOnePiece(input)];
        // Of several faults they may tell another one.
        if ('value' in ours || 'value' in theirs) assert.deepEqual(ours, theirs, input);
      }),
      { numRuns: 5_000 },
    );
  });

  const REFUSED = [
    ['{"a":1,"a":2}', 'a key twice'],
    ['{"a":1,"\\u0061":2}', 'a key twice, once escaped'],
    ['{"x":{"__proto__":1}}', '__proto__'],
    ['{"x":[{"\\u005f_proto__":1}]}', '__proto__, escaped'],
    ['{"constructor":{"prototype":1}}', 'constructor'],
    ['{"x":["ok","\\u0000"]}', 'U+0000'],
    ['{"x":["ok",{"y":"\\ud800"}]}', 'half a character'],
    ['['.repeat(65) + ']'.repeat(65), 'deep nesting'],
    ['["\u0001"]', 'a control character'],
    ['[1,]', 'a comma too many'],
    ['[1] 2', 'two values'],
    ['', 'nothing'],
    ['["a', 'a text without an end'],
    ['["\\', 'an escape without an end'],
    ['{"a"}', 'a key without a value'],
    ['{1:2}', 'a key that is no text'],
    ['[01]', 'a leading zero'],
    [objectOf(MAX_JSON_KEYS + 1), 'more keys than a message has'],
  ] as const;
  for (const [text, what] of REFUSED)
    it(`refuses ${what}, in the same words`, async () => {
      const refused = await inTurns(text);
      assert.ok('code' in refused);
      assert.deepEqual(refused, inOnePiece(text));
    });

  it('takes as many keys as a message may have, as parseJson does', async () => {
    assert.deepEqual(await inTurns(objectOf(MAX_JSON_KEYS)), inOnePiece(objectOf(MAX_JSON_KEYS)));
    assert.ok('value' in inOnePiece(objectOf(MAX_JSON_KEYS)));
  });

  it('refuses more values than memory is to be spent on', async () => {
    assert.deepEqual(await inTurns(`[${'[],'.repeat(1_000_000)}[]]`), { code: 'INVALID_REQUEST', pointer: undefined });
  });

  it('takes 64 levels, as parseJson does', async () => {
    const text = '['.repeat(64) + ']'.repeat(64);
    assert.deepEqual(await inTurns(text), inOnePiece(text));
  });

  it('refuses a text or number that is too long to be read in one turn', async () => {
    for (const long of [
      `"${'x'.repeat(1024 * 1024 + 1)}"`,
      `"\\n${'x'.repeat(7 * 1024 * 1024)}"`,
      '1'.repeat(1024 * 1024 + 1),
    ])
      assert.deepEqual(await inTurns(`[${long}]`), { code: 'INVALID_REQUEST', pointer: undefined });
  });

  it('lets others have their turn while it reads a long text', async () => {
    const text = JSON.stringify({
      members: Array.from({ length: 60_000 }, (_, number) => ({ value: `member ${String(number)}` })),
    });
    assert.ok(text.length > IN_TURNS_ABOVE);
    let turns = 0;
    let done = false;
    const others = (): void => {
      turns += 1;
      if (!done) setImmediate(others);
    };
    setImmediate(others);
    const read = await inTurns(text);
    done = true;
    assert.deepEqual(read, { value: JSON.parse(text) as unknown });
    assert.ok(turns >= 1, 'nobody else had a turn');
  });
});
