/**
 * Makes mutants of a source text: each differs from it in one place, in a way that takes one check away or turns it
 * around. Works on the text, as the house style writes one statement a line; a mutant that does not parse counts as
 * nothing (the runner leaves it out).
 */
export interface Mutant {
  /** 1 = the first line. */
  readonly line: number;
  /** What was done, for the report. */
  readonly change: string;
  readonly text: string;
}

interface Place {
  readonly from: number;
  readonly to: number;
  readonly by: string;
  readonly change: string;
}

const OPERATORS: readonly (readonly [operator: string, opposite: string])[] = [
  [' === ', ' !== '],
  [' !== ', ' === '],
  [' && ', ' || '],
  [' || ', ' && '],
  [' > ', ' < '],
  [' < ', ' > '],
  [' <= ', ' > '],
  [' >= ', ' < '],
];

/** Comments, imports and types decide nothing. */
const isCode = (line: string): boolean => !/^\s*(?:\*|\/\*|\/\/|import |export type |type |readonly |\|)/.test(line);

/** Blanks out what is inside quotes, so that operators in texts are left alone. Lengths stay. */
const withoutTexts = (line: string): string =>
  line.replaceAll(/'[^']*'|"[^"]*"|`[^`]*`/g, (found) => `'${' '.repeat(found.length - 2)}'`).replace(/\/\/.*$/, '');

/** The index after the bracket that closes the one at `open`. */
const closing = (text: string, open: number): number => {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
};

const conditions = (text: string, line: string, at: number): Place[] =>
  [...withoutTexts(line).matchAll(/\bif \(/g)].flatMap(({ index }) => {
    const from = at + index + 3;
    const to = closing(text, from);
    return [
      { from, to, by: '(false)', change: 'if (false)' },
      { from, to, by: '(true)', change: 'if (true)' },
    ];
  });

const operators = (line: string, at: number): Place[] =>
  OPERATORS.flatMap(([operator, opposite]) =>
    [...withoutTexts(line).matchAll(new RegExp(operator.replaceAll('|', '\\|'), 'g'))].map(({ index }) => ({
      from: at + index,
      to: at + index + operator.length,
      by: opposite,
      change: `${operator.trim()} becomes ${opposite.trim()}`,
    })),
  );

/** `refuse(…)` behind `??`, and statements that are nothing but the call of a check. */
const refusals = (text: string, line: string, at: number): Place[] => {
  const places: Place[] = [];
  for (const { index } of withoutTexts(line).matchAll(/\?\? refuse\(/g)) {
    const from = at + index;
    places.push({ from, to: closing(text, from + '?? refuse'.length), by: '', change: 'no refusal of what is absent' });
  }
  const call = /^\s*(?:return )?(?:check\w+|refuse)(?=\()/.exec(line);
  if (call !== null && !/^(?:export )?function/.test(line.trim())) {
    const from = at + (line.length - line.trimStart().length);
    const to = closing(text, at + call[0].length);
    if (text[to] === ';') places.push({ from, to: to + 1, by: ';', change: `no ${call[0].trim()}()` });
  }
  return places;
};

const quantifiers = (line: string, at: number): Place[] =>
  [
    ['.every(', '.some('],
    ['.some(', '.every('],
  ].flatMap(([one = '', other = '']) =>
    [...withoutTexts(line).matchAll(new RegExp(one.replace('(', '\\('), 'g'))].map(({ index }) => ({
      from: at + index,
      to: at + index + one.length,
      by: other,
      change: `${one}) becomes ${other})`,
    })),
  );

/** What is asked for the other way round. */
const negations = (line: string, at: number): Place[] =>
  [...withoutTexts(line).matchAll(/(?<=[ (])!(?=[A-Za-z(])/g)].map(({ index }) => ({
    from: at + index,
    to: at + index + 1,
    by: '',
    change: 'no negation',
  }));

/** How often an element may stand somewhere, where that is a rule in a table: once becomes any number of times. */
const occurrences = (line: string, at: number): Place[] =>
  [...line.matchAll(/(?<=', )'([1?])'(?=\])/g)].map(({ index, 1: occurs = '' }) => ({
    from: at + index,
    to: at + index + 3,
    by: occurs === '1' ? "'+'" : "'*'",
    change: 'may be repeated',
  }));

/** Every mutant of a text, in the order of its lines. */
export const mutantsOf = (text: string): Mutant[] => {
  const mutants: Mutant[] = [];
  let at = 0;
  for (const [index, line] of text.split('\n').entries()) {
    if (isCode(line)) {
      const places = [
        ...conditions(text, line, at),
        ...operators(line, at),
        ...refusals(text, line, at),
        ...quantifiers(line, at),
        ...negations(line, at),
        ...occurrences(line, at),
      ];
      for (const { from, to, by, change } of places) {
        mutants.push({ line: index + 1, change, text: text.slice(0, from) + by + text.slice(to) });
      }
    }
    at += line.length + 1;
  }
  return mutants;
};
