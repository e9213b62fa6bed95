import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import { computingMs } from '@sallyport/testing';
import fc from 'fast-check';

import { decodeUtf8, parseJson } from './json.ts';
import { MAX_JSON_DEPTH } from './json-structure.ts';

const strict = { refusePollutingKeys: true };
const lenient = { refusePollutingKeys: false };

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    assert.ok(isAppError(error), String(error));
    return error.code;
  }
};

/** JSON values whose keys and strings are all acceptable. */
const cleanText = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
const cleanKey = cleanText.filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key));
const clean = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    cleanText,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(cleanKey, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

describe('parseJson', () => {
  it('gives back every clean value, however it is spaced (property)', () => {
    fc.assert(
      fc.property(clean, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        assert.deepEqual(parseJson(JSON.stringify(value, null, space), strict), value);
      }),
    );
  });

  it('refuses what JSON.parse refuses, and never fails in another way (property)', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', 'a') }),
    );
    fc.assert(
      fc.property(text, (input) => {
        const isJson = codeOf(() => JSON.parse(input) as unknown) === 'accepted';
        const code = codeOf(() => parseJson(input, strict));
        assert.equal(code === 'MALFORMED_JSON', !isJson, `${input} is ${code}`);
      }),
      { numRuns: 2_000 },
    );
    function codeOf(work: () => unknown): string {
      try {
        work();
        return 'accepted';
      } catch (error) {
        return isAppError(error) ? error.code : 'MALFORMED_JSON';
      }
    }
  });

  it('finds a repeated key wherever it hides, also when spelled with escapes (property)', () => {
    const spell = (key: string, escaped: boolean): string =>
      escaped
        ? `"${[...key].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
        : JSON.stringify(key);
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z"\\{}[\],:]{1,8}$/),
        fc.boolean(),
        clean,
        fc.array(clean, { maxLength: 2 }),
        (key, escaped, value, around) => {
          const json = JSON.stringify(value);
          const object = `{${JSON.stringify(key)}:${json},"zz-other":[${json}],${spell(key, escaped)}:${json}}`;
          const text = `[${[...around.map((item) => JSON.stringify(item)), object].join(',')}]`;
          assert.equal(
            codeOf(() => parseJson(text, lenient)),
            'INVALID_REQUEST',
          );
        },
      ),
    );
  });

  it('does not take equal keys of different objects for repeated ones', () => {
    assert.deepEqual(parseJson('[{"a":{"a":[{"a":1},{"a":"a"}]}},{"a":2}]', strict), [
      { a: { a: [{ a: 1 }, { a: 'a' }] } },
      { a: 2 },
    ]);
  });

  it('never changes Object.prototype, and refuses __proto__ on every surface (property)', () => {
    const path = fc.array(fc.constantFrom('a', 'b', '0'), { maxLength: 4 });
    fc.assert(
      fc.property(path, fc.constantFrom('__proto__', 'constructor', 'prototype'), (parents, key) => {
        const text = parents.reduce((inner, parent) => `{"${parent}":[${inner}]}`, `{"${key}":{"polluted":true}}`);
        assert.equal(
          codeOf(() => parseJson(text, strict)),
          'INVALID_REQUEST',
        );
        assert.equal(
          codeOf(() => parseJson(text, lenient)),
          key === '__proto__' ? 'INVALID_REQUEST' : 'accepted',
        );
        assert.equal(Reflect.get({}, 'polluted'), undefined);
      }),
    );
  });

  it('bounds the depth exactly, whatever is nested', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const nested = (depth: number): string => open.repeat(depth) + '1' + close.repeat(depth);
      assert.equal(
        codeOf(() => parseJson(nested(MAX_JSON_DEPTH), strict)),
        'accepted',
      );
      assert.equal(
        codeOf(() => parseJson(nested(MAX_JSON_DEPTH + 1), strict)),
        'INVALID_REQUEST',
      );
    }
    assert.equal(
      codeOf(() => parseJson('['.repeat(100_000) + ']'.repeat(100_000), strict)),
      'INVALID_REQUEST',
    );
  });

  it('points at the text PostgreSQL could not store', () => {
    const fields = (text: string): unknown => {
      try {
        return parseJson(text, strict);
      } catch (error) {
        assert.ok(isAppError(error));
        return error.fields.map(({ pointer, code }) => [pointer, code]);
      }
    };
    assert.deepEqual(fields('{"a/b":["ok","\\u0000"]}'), [['/a~1b/1', 'INVALID_TEXT']]);
    assert.deepEqual(fields('{"a":{"\\udfff":1}}'), [['/a', 'INVALID_TEXT']]);
    assert.equal(fields('"\\ud83d\\udd11"'), '\u{1F511}');
  });

  it('stays near JSON.parse for the worst bodies a megabyte can hold, so that no cap of ours blocks the process long', () => {
    const best = (work: () => unknown): number => Math.min(...Array.from({ length: 3 }, () => computingMs(work)));
    const keys = Array.from({ length: 10_000 }, (_, index) => `"k${String(index)}":1`).join(',');
    const escaped = keys.replaceAll('"k', '"\\u006b');
    for (const text of [
      `[${'{"":""},'.repeat(130_000)}0]`,
      `[${'[],'.repeat(340_000)}0]`,
      `[${`{${keys}},`.repeat(8)}0]`,
      `[${`{${escaped}},`.repeat(4)}0]`,
      `["${'\\\\'.repeat(500_000)}"]`,
    ]) {
      const oursMs = best(() => parseJson(text, strict));
      const floorMs = best(() => JSON.parse(text) as unknown);
      // A quadratic step would be thousands of times slower.
      assert.ok(
        oursMs < 20 * floorMs + 20,
        `${text.slice(0, 20)}… took ${String(oursMs)} ms, JSON.parse ${String(floorMs)} ms`,
      );
    }
  });
});

describe('decodeUtf8', () => {
  it('gives back what was encoded and refuses everything else (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => decodeUtf8(Buffer.from(`x${text}`)) === `x${text}`),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Buffer.from(bytes).toString('utf8');
        const isValid = Buffer.from(text).equals(Buffer.from(bytes));
        assert.equal(codeOf(() => decodeUtf8(bytes)) === 'accepted', isValid);
      }),
    );
  });
});
