import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import fc from 'fast-check';

import { OPERATORS, type Filter, type FilterPath, type Literal } from './ast.ts';
import {
  FilterParser,
  MAX_FILTER_BYTES,
  MAX_FILTER_DEPTH,
  MAX_FILTER_NODES,
  parseFilter,
  parseFilterPath,
  type ParseOptions,
} from './parse.ts';
import { printFilter } from './print.ts';

const refuses = (text: string, options?: ParseOptions): void => {
  assert.throws(
    () => parseFilter(text, options),
    (error) => isAppError(error) && error.code === 'INVALID_FILTER',
    text,
  );
};

const shape = (text: string): string => {
  const show = (filter: Filter): string => {
    if ('operands' in filter) return `(${filter.operands.map(show).join(filter.kind === 'and' ? ' & ' : ' | ')})`;
    if (filter.kind === 'not') return `!${show(filter.operand)}`;
    return filter.path.name;
  };
  return show(parseFilter(text));
};

const name = fc.constantFrom(
  'userName',
  'name.familyName',
  'urn:ietf:params:scim:schemas:core:2.0:User:userName',
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value',
  '$ref',
  'not',
  'and',
  'pr',
);
const literal: fc.Arbitrary<Literal> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => ({ kind: 'string' as const, value })),
  fc.string({ maxLength: 12 }).map((value) => ({ kind: 'string' as const, value })),
  fc.constantFrom('0', '-1', '12.50', '1e3', '-0').map((text) => ({ kind: 'number' as const, text })),
  fc.boolean().map((value) => ({ kind: 'boolean' as const, value })),
  fc.constant({ kind: 'null' as const }),
);

const filterOf = (path: fc.Arbitrary<FilterPath>, leaves: fc.Arbitrary<Filter>[] = []): fc.Arbitrary<Filter> => {
  const leaf: fc.Arbitrary<Filter> = fc.oneof(
    fc.record({ kind: fc.constant('present' as const), path }, { noNullPrototype: true }),
    fc.record(
      { kind: fc.constant('compare' as const), path, operator: fc.constantFrom(...OPERATORS), value: literal },
      { noNullPrototype: true },
    ),
    ...leaves,
  );
  return fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      leaf,
      fc.record({ kind: fc.constant('not' as const), operand: tie('filter') }, { noNullPrototype: true }),
      fc.record(
        {
          kind: fc.constantFrom('and' as const, 'or' as const),
          operands: fc.array(tie('filter'), { minLength: 2, maxLength: 4 }),
        },
        { noNullPrototype: true },
      ),
    ),
  })).filter;
};

const plainPath = name.map((text): FilterPath => ({ name: text, elements: undefined, sub: undefined }));
const elements = filterOf(plainPath);
const listPath = fc.record(
  { name: fc.constantFrom('emails', 'addresses'), elements, sub: fc.constantFrom(undefined, 'value', 'type') },
  { noNullPrototype: true },
);
const some = fc.record(
  {
    kind: fc.constant('some' as const),
    path: listPath.map((path): FilterPath => ({ ...path, sub: undefined })),
  },
  { noNullPrototype: true },
);

/** Any filter the grammar allows. */
export const anyFilter = filterOf(fc.oneof(plainPath, listPath), [some]);

describe('parseFilter (RFC 7644 §3.4.2.2)', () => {
  it('reads every operator, in any case', () => {
    for (const operator of OPERATORS)
      assert.deepEqual(parseFilter(`userName ${operator.toUpperCase()} "bjensen"`), {
        kind: 'compare',
        path: { name: 'userName', elements: undefined, sub: undefined },
        operator,
        value: { kind: 'string', value: 'bjensen' },
      });
    assert.equal(parseFilter('title PR').kind, 'present');
  });

  it('binds not before and, and before or; parentheses before all', () => {
    assert.equal(shape('a pr or b pr and c pr'), '(a | (b & c))');
    assert.equal(shape('a pr and b pr or c pr and d pr'), '((a & b) | (c & d))');
    assert.equal(shape('(a pr or b pr) and c pr'), '((a | b) & c)');
    assert.equal(shape('not (a pr) and b pr'), '(!a & b)');
    assert.equal(shape('not(a pr or b pr) OR c pr'), '(!(a | b) | c)');
    assert.equal(shape('a pr and b pr and c pr'), '(a & b & c)');
  });

  it('reads value paths, alone and with a part behind them', () => {
    const { kind, path } = parseFilter('emails[type eq "work" and value co "@example.com"]') as Extract<
      Filter,
      { kind: 'some' }
    >;
    assert.deepEqual([kind, path.name, path.elements?.kind, path.sub], ['some', 'emails', 'and', undefined]);
    const compared = parseFilter('emails[type eq "work"].value eq "a"');
    assert.deepEqual([compared.kind, compared.kind === 'compare' && compared.path.sub], ['compare', 'value']);
    const { name: attribute, sub } = parseFilterPath('addresses[type eq "x.y]["].streetAddress');
    assert.deepEqual([attribute, sub], ['addresses', 'streetAddress']);
    assert.deepEqual(parseFilterPath('name.givenName'), {
      name: 'name.givenName',
      elements: undefined,
      sub: undefined,
    });
  });

  it('reads strings as JSON strings, escapes included', () => {
    const filter = parseFilter(String.raw`userName eq "a\"b\\c\u00e9] and x eq 1"`);
    assert.deepEqual(filter.kind === 'compare' && filter.value, { kind: 'string', value: 'a"b\\cé] and x eq 1' });
  });

  it('takes a bare word for a string only where that is allowed (Entra: externalId eq jyoung)', () => {
    const valueOf = (text: string): unknown => {
      const filter = parseFilter(text);
      return filter.kind === 'compare' ? filter.value : undefined;
    };
    assert.deepEqual(valueOf('externalId eq jyoung'), { kind: 'string', value: 'jyoung' });
    assert.deepEqual(valueOf('externalId eq 007'), { kind: 'string', value: '007' });
    assert.deepEqual(valueOf('active eq True'), { kind: 'boolean', value: true });
    for (const word of ["'jyoung'", '`x`', '{}', 'a;b', '-', '$1', 'a%']) refuses(`externalId eq ${word}`);
    for (const word of ['jyoung', '007', 'True', 'NULL']) refuses(`a eq ${word}`, { allowBareWords: false });
    for (const word of ['true', 'null', '7', '"x"'])
      assert.equal(parseFilter(`a eq ${word}`, { allowBareWords: false }).kind, 'compare');
  });

  it('refuses everything else: a filter is never ignored', () => {
    for (const text of [
      '',
      '   ',
      'userName',
      'userName eq',
      'userName eq (',
      'userName is "a"',
      'userName eq "a" userName eq "b"',
      'userName eq "a" and',
      'and userName eq "a"',
      'userName eq "a" or or userName eq "b"',
      '(userName eq "a"',
      'userName eq "a")',
      '()',
      'userName eq "a',
      String.raw`userName eq "\x"`,
      String.raw`userName eq "\ud800"`,
      String.raw`userName eq "\u0000"`,
      'userName eq "a\nb"',
      'userName\neq "a"',
      'not userName eq "a"',
      'not',
      'emails[',
      'emails[]',
      'emails[type eq "work"',
      'emails[type eq "work"]]',
      'emails [type eq "work"]',
      'emails[type eq "work"].value',
      'emails[type eq "work"]value eq "x"',
      'emails[type eq "work"]. eq "x"',
      'emails[type eq "work"] .value eq "x"',
      'emails[parts[a eq 1]]',
      'emails[type]',
      '"userName" eq "a"',
      "userName eq 'a' or '1'='1'",
    ])
      refuses(text);
  });

  it('bounds length, depth and number of comparisons', () => {
    refuses(`userName eq "${'a'.repeat(MAX_FILTER_BYTES)}"`);
    refuses(`userName eq "${'é'.repeat(MAX_FILTER_BYTES / 2)}"`);
    const nested = (depth: number): string => `${'('.repeat(depth)}a eq 1${')'.repeat(depth)}`;
    parseFilter(nested(MAX_FILTER_DEPTH));
    refuses(nested(MAX_FILTER_DEPTH + 1));
    refuses(`${'not ('.repeat(MAX_FILTER_DEPTH + 1)}a eq 1${')'.repeat(MAX_FILTER_DEPTH + 1)}`);
    refuses(`emails[${nested(MAX_FILTER_DEPTH)}]`);
    for (const connective of [' and ', ' or ']) {
      parseFilter(Array.from({ length: MAX_FILTER_NODES }, () => 'a eq 1').join(connective));
      refuses(Array.from({ length: MAX_FILTER_NODES + 1 }, () => 'a eq 1').join(connective));
    }
  });

  it('gives what nobody can change', () => {
    const filter = parseFilter('not (emails[type eq "work"] and a eq true)');
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      assert.ok(Object.isFrozen(value));
      Object.values(value).forEach(walk);
    };
    walk(filter);
  });

  it('reads back what it prints (property)', () => {
    fc.assert(
      fc.property(anyFilter, (filter) => {
        const text = printFilter(filter);
        fc.pre(Buffer.byteLength(text) <= MAX_FILTER_BYTES);
        assert.deepEqual(parseFilter(text, { allowBareWords: false }), filter);
        assert.equal(printFilter(parseFilter(text)), text);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never fails in another way, whatever it is given: 100,000 texts', () => {
    const words = ['userName', 'emails', 'eq', 'PR', 'and', 'or', 'not', '(', ')', '[', ']', '"', '\\', ' ', '.value'];
    const piece = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...words, 'true', 'null', '1e9', '"x"', 'not (', 'a eq 1', '\u0000') },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
    );
    let read = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), fc.boolean(), (pieces, spaced) => {
        const text = pieces.join(spaced ? ' ' : '');
        try {
          printFilter(parseFilter(text));
          read += 1;
        } catch (error) {
          assert.ok(isAppError(error) && error.code === 'INVALID_FILTER', text);
        }
      }),
      { numRuns: 100_000 },
    );
    assert.ok(read > 500, `only ${String(read)} of the texts were filters`);
  }).timeout(180_000);

  it('is linear: it looks at no character more than four times', () => {
    const hostile = [
      '('.repeat(8_000),
      `a eq "${String.raw`\"`.repeat(4_000)}`,
      'a '.repeat(4_000),
      'a eq 1 and '.repeat(700),
      `${' '.repeat(8_000)}a`,
      '['.repeat(8_000),
      `a${'[a'.repeat(4_000)}`,
      'not ('.repeat(1_600),
      'x'.repeat(8_192),
    ];
    const steps = (text: string): number => {
      let parser: FilterParser | undefined;
      try {
        parser = new FilterParser(text);
        parser.filter();
      } catch (error) {
        assert.ok(isAppError(error));
      }
      return parser?.steps ?? 0;
    };
    for (const text of hostile) assert.ok(steps(text) <= 4 * text.length + 4, text.slice(0, 20));
    fc.assert(
      fc.property(anyFilter, (filter) => {
        const text = printFilter(filter);
        assert.ok(steps(text) <= 4 * text.length + 4);
      }),
    );
  });
});
