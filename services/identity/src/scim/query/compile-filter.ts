import { foldCase } from '../../accounts/index.ts';
import type { AttributeDefinition } from '../protocol/attribute.ts';
import {
  leafOf,
  type FilterTarget,
  type Instant,
  type Operand,
  type Operator,
  type ResolvedFilter,
} from '../protocol/filter/index.ts';
import { canonicalName, type ElementSource, type Layout, type LookUp } from './layout.ts';
import type { Params } from './params.ts';

/** A condition, and whether an index finds its rows, a handful at most. */
export interface Condition {
  readonly sql: string;
  readonly isLookUp: boolean;
}

type Comparison = Extract<ResolvedFilter, { kind: 'compare' }>;

const ORDER_SIGNS: Readonly<Partial<Record<Operator, string>>> = { gt: '>', ge: '>=', lt: '<', le: '<=' };

const scan = (sql: string): Condition => ({ sql, isLookUp: false });

/**
 * Compiles a filter into a condition on the rows of a layout. Values are parameters; names come from the schema.
 *
 * A condition may be NULL where it is not true: `and` and `or` keep that meaning, and `not` is IS NOT TRUE.
 */
class FilterCompiler {
  readonly #layout: Layout;
  readonly #params: Params;

  constructor(layout: Layout, params: Params) {
    this.#layout = layout;
    this.#params = params;
  }

  compile(filter: ResolvedFilter): Condition {
    if ('operands' in filter) return this.#junction(filter.kind, filter.operands);
    if (filter.kind === 'not') return scan(`(${this.compile(filter.operand).sql}) IS NOT TRUE`);
    if (filter.kind === 'constant') return { sql: filter.value ? 'TRUE' : 'FALSE', isLookUp: !filter.value };
    if (filter.kind === 'compare') return this.#compare(filter);
    const { target } = filter;
    return target.attribute.multiValued ? this.#some(target) : scan(this.#isPresent(target));
  }

  #junction(kind: 'and' | 'or', operands: readonly ResolvedFilter[]): Condition {
    const conditions = operands.map((operand) => this.compile(operand));
    const found = conditions.map(({ isLookUp }) => isLookUp);
    return {
      sql: conditions.map(({ sql }) => `(${sql})`).join(kind === 'and' ? ' AND ' : ' OR '),
      isLookUp: kind === 'and' ? found.includes(true) : !found.includes(false),
    };
  }

  #isPresent(target: FilterTarget): string {
    const leaf = leafOf(target);
    if (leaf.type === 'complex') return this.#layout.hasObject(target);
    return leaf.type === 'dateTime' ? 'TRUE' : `${this.#layout.text(target)} <> ''`;
  }

  /** Some element (that meets the filter in brackets) has the part, or is there at all. */
  #some(target: FilterTarget): Condition {
    return this.#withLookUp(target, undefined, () => {
      const source = this.#layout.elements(target.attribute);
      return this.#exists(source, target, target.sub === undefined ? 'TRUE' : `${source.part(target.sub)} <> ''`);
    });
  }

  #compare(filter: Comparison): Condition {
    const { target, operator, operand } = filter;
    // No value is empty.
    if (isEmptyText(filter)) return { sql: 'FALSE', isLookUp: true };
    if (target.attribute.multiValued) return this.#compareList(filter);
    const lookUp = operator === 'eq' ? this.#lookUp(canonicalName(target), operand) : undefined;
    if (lookUp !== undefined) return { sql: lookUp.sql, isLookUp: lookUp.isNarrow };
    if (operand.kind === 'instant')
      return scan(this.#testInstant(this.#layout.instant(leafOf(target)), operator, operand.value));
    return scan(this.#test(this.#layout.text(target), leafOf(target), operator, operand));
  }

  /** A list meets a comparison when one of its values does; where there is no value, only `ne` holds. */
  #compareList(filter: Comparison): Condition {
    const { target, operator, operand } = filter;
    // It holds for who has nothing that meets the brackets: an index of those who have would leave them out.
    if (operator === 'ne') return scan(this.#differs(filter));
    const value = operator === 'eq' && target.sub?.name === 'value' ? operand : undefined;
    return this.#withLookUp(target, value, () => {
      const source = this.#layout.elements(target.attribute);
      const text = comparedText(source, leafOf(target), target.sub);
      return this.#exists(source, target, this.#test(text, leafOf(target), operator, operand));
    });
  }

  #differs({ target, operand }: Comparison): string {
    const source = this.#layout.elements(target.attribute);
    const text = comparedText(source, leafOf(target), target.sub);
    const hasValue = `${text} <> ''`;
    const test = this.#test(text, leafOf(target), 'ne', operand);
    const hasOther = this.#exists(source, target, `${hasValue} AND ${test}`);
    return `(${hasOther} OR NOT ${this.#exists(source, target, hasValue)})`;
  }

  #lookUp(name: string, operand: Operand): LookUp | undefined {
    return operand.kind === 'text' ? this.#layout.lookUp(name, operand.value) : undefined;
  }

  #exists(source: ElementSource, { elements }: FilterTarget, test: string): string {
    const selected = elements === undefined ? '' : ` AND (${this.#onElement(source, elements)})`;
    return `EXISTS (SELECT FROM ${source.rows}${selected} AND ${test})`;
  }

  /** A filter in brackets, as a condition on one row of the elements. */
  #onElement(source: ElementSource, filter: ResolvedFilter): string {
    if ('operands' in filter)
      return filter.operands
        .map((operand) => `(${this.#onElement(source, operand)})`)
        .join(filter.kind === 'and' ? ' AND ' : ' OR ');
    if (filter.kind === 'not') return `(${this.#onElement(source, filter.operand)}) IS NOT TRUE`;
    if (filter.kind === 'constant') return filter.value ? 'TRUE' : 'FALSE';
    const part = filter.target.attribute;
    if (filter.kind === 'compare' && isEmptyText(filter)) return 'FALSE';
    if (filter.kind !== 'compare') return `${source.part(part)} <> ''`;
    return this.#test(comparedText(source, part, part), part, filter.operator, filter.operand);
  }

  /** Where a value of the list must be equal to one that is indexed, the index narrows the rows down first. */
  #withLookUp(target: FilterTarget, value: Operand | undefined, condition: () => string): Condition {
    const { attribute, elements } = target;
    const required = value ?? (elements === undefined ? undefined : requiredValue(elements));
    const lookUp = required === undefined ? undefined : this.#lookUp(`${attribute.name}.value`, required);
    if (lookUp === undefined) return scan(condition());
    const { sql, isNarrow } = lookUp;
    return { sql: elements === undefined ? sql : `${sql} AND ${condition()}`, isLookUp: isNarrow };
  }

  #test(text: string, { caseExact }: AttributeDefinition, operator: Operator, operand: Operand): string {
    const value = this.#params.add(wantedText(operand, caseExact), 'text');
    if (operator === 'eq') return `${text} = ${value}`;
    if (operator === 'ne') return `${text} IS DISTINCT FROM ${value}`;
    // Functions, not LIKE: a value has no metacharacters.
    if (operator === 'co') return `strpos(${text}, ${value}) > 0`;
    if (operator === 'sw') return `starts_with(${text}, ${value})`;
    if (operator === 'ew') return `right(${text}, length(${value})) = ${value}`;
    return `${text} COLLATE "C" ${ORDER_SIGNS[operator] ?? '='} ${value}`;
  }

  /** Ours are answered in whole milliseconds, so each stands for all the moments within its millisecond. */
  #testInstant(column: string, operator: Operator, { ms, hasMore }: Instant): string {
    const at = (instantMs: number): string =>
      `'epoch'::timestamptz + ${this.#params.add(String(instantMs), 'bigint')} * interval '1 millisecond'`;
    const isLater = (): string => `${column} >= ${at(ms + 1)}`;
    if (operator === 'gt' || (operator === 'ge' && hasMore)) return isLater();
    if (operator === 'le' || (operator === 'lt' && hasMore)) return `NOT ${isLater()}`;
    if (hasMore) return operator === 'ne' ? 'TRUE' : 'FALSE';
    const isNotEarlier = `${column} >= ${at(ms)}`;
    if (operator === 'ge') return isNotEarlier;
    if (operator === 'lt') return `NOT ${isNotEarlier}`;
    return `${operator === 'ne' ? 'NOT ' : ''}(${isNotEarlier} AND NOT ${isLater()})`;
  }
}

const wantedText = (operand: Operand, caseExact: boolean): string => {
  if (operand.kind === 'boolean') return String(operand.value);
  const text = operand.kind === 'text' ? operand.value : '';
  return caseExact ? text : foldCase(text);
};

/** An absent `primary` is a primary that is false (RFC 7643 §2.4). */
const comparedText = (
  source: ElementSource,
  leaf: AttributeDefinition,
  part: AttributeDefinition | undefined,
): string => {
  const text = source.part(part);
  return leaf.type === 'boolean' && leaf.name === 'primary' ? `coalesce(${text}, 'false')` : text;
};

const isEmptyText = ({ operator, operand }: Comparison): boolean =>
  operator === 'eq' && operand.kind === 'text' && operand.value === '';

/** The `value` every element that meets the filter has. */
const requiredValue = (filter: ResolvedFilter): Operand | undefined => {
  if (filter.kind === 'and')
    return filter.operands.map(requiredValue).find((value): value is Operand => value !== undefined);
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || isEmptyText(filter)) return undefined;
  return filter.target.attribute.name === 'value' ? filter.operand : undefined;
};

/**
 * The condition under which a row meets the filter; the same rows for which the evaluator answers true.
 *
 * @see RFC 7644 §3.4.2.2
 */
export const compileFilter = (layout: Layout, params: Params, filter: ResolvedFilter): Condition =>
  new FilterCompiler(layout, params).compile(filter);
