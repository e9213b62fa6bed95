import type { Filter, FilterPath, Literal } from './ast.ts';

const printLiteral = (literal: Literal): string => {
  if (literal.kind === 'string') return JSON.stringify(literal.value);
  if (literal.kind === 'number') return literal.text;
  return literal.kind === 'null' ? 'null' : String(literal.value);
};

/** A path in its canonical spelling. */
export const printPath = ({ name, elements, sub }: FilterPath): string =>
  `${name}${elements === undefined ? '' : `[${printFilter(elements)}]`}${sub === undefined ? '' : `.${sub}`}`;

const printOperand = (operand: Filter, within: 'and' | 'or'): string => {
  const text = printFilter(operand);
  const isGroup = operand.kind === 'or' || operand.kind === within;
  return isGroup ? `(${text})` : text;
};

/** A filter in its canonical spelling; parsing it gives the same filter. */
export const printFilter = (filter: Filter): string => {
  if ('operands' in filter)
    return filter.operands.map((operand) => printOperand(operand, filter.kind)).join(` ${filter.kind} `);
  const { kind } = filter;
  if (kind === 'not') return `not (${printFilter(filter.operand)})`;
  const path = printPath(filter.path);
  if (kind === 'some') return path;
  return kind === 'present' ? `${path} pr` : `${path} ${filter.operator} ${printLiteral(filter.value)}`;
};
