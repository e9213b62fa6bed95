/**
 * Reads model.conf and holds it against what the index implements. The grammar is closed: sections of `name = value`
 * lines, a matcher that is a conjunction of the six forms below, one effect. Anything else is refused when the
 * service starts (or a policy is published), never at decision time.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { AppError } from '@sallyport/errors';

/** The built-in model, as shipped beside this file. */
export const MODEL_TEXT = readFileSync(fileURLToPath(new URL('model.conf', import.meta.url)), 'utf8');

/** What a model says, in canonical form: two models that mean the same have equal statements. */
export interface PolicyModel {
  readonly request: readonly string[];
  readonly policy: readonly string[];
  readonly relations: ReadonlyMap<string, number>;
  readonly effect: string;
  /** The conjuncts of the matcher, sorted: their order carries no meaning. */
  readonly conjuncts: readonly string[];
}

const SECTIONS = ['request_definition', 'policy_definition', 'role_definition', 'policy_effect', 'matchers'] as const;
type Section = (typeof SECTIONS)[number];

const NAME = '[a-z][a-z0-9]*';
const CONJUNCT_FORMS: readonly RegExp[] = [
  // r.org == p.org
  new RegExp(`^r\\.${NAME} == p\\.${NAME}$`),
  // r.now >= p.from, r.now < p.until
  new RegExp(`^r\\.${NAME} (?:>=|<) p\\.${NAME}$`),
  // (p.tier == "any" || r.place == p.tier)
  new RegExp(`^\\(p\\.(${NAME}) == "any" \\|\\| r\\.${NAME} == p\\.\\1\\)$`),
  // g(r.sub, p.sub, r.org)
  new RegExp(`^g[0-9]?\\(r\\.${NAME}, p\\.${NAME}, r\\.${NAME}\\)$`),
  // met(r.attrs, p.cond, p.eft)
  new RegExp(`^met\\(r\\.${NAME}, p\\.${NAME}, p\\.eft\\)$`),
];

const EFFECT = 'some(where (p.eft == allow)) && !some(where (p.eft == deny))';

/** What compile.ts implements, conjunct by conjunct. */
const IMPLEMENTED: PolicyModel = {
  request: ['org', 'sub', 'act', 'type', 'place', 'scope', 'now', 'attrs'],
  policy: ['org', 'sub', 'role', 'scope', 'tier', 'type', 'from', 'until', 'cond', 'eft'],
  relations: new Map([
    ['g', 3],
    ['g2', 3],
    ['g3', 3],
  ]),
  effect: EFFECT,
  conjuncts: [
    '(p.tier == "any" || r.place == p.tier)',
    '(p.type == "any" || r.type == p.type)',
    'g(r.sub, p.sub, r.org)',
    'g2(r.scope, p.scope, r.org)',
    'g3(r.act, p.role, r.place)',
    'met(r.attrs, p.cond, p.eft)',
    'r.now < p.until',
    'r.now >= p.from',
    'r.org == p.org',
  ],
};

const refuse = (problem: string): AppError =>
  new AppError('INVALID_VALUE', `The policy model says something the decision index does not implement: ${problem}.`);

type Statements = ReadonlyMap<Section, readonly (readonly [name: string, value: string])[]>;

const readStatements = (text: string): Statements => {
  const sections = new Map<Section, (readonly [string, string])[]>();
  let current: (readonly [string, string])[] | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const heading = /^\[([a-z_]+)\]$/.exec(line)?.[1];
    if (heading !== undefined) {
      const section = SECTIONS.find((each) => each === heading);
      if (section === undefined || sections.has(section)) throw refuse(`section ${heading}`);
      sections.set(section, (current = []));
      continue;
    }
    const [, name, value] = /^([a-z][0-9]?) = (\S.*)$/.exec(line) ?? [];
    if (current === undefined || name === undefined || value === undefined) throw refuse(`line ${String(index + 1)}`);
    current.push([name, value]);
  }
  return sections;
};

const single = (statements: Statements, section: Section, name: string): string => {
  const found = statements.get(section) ?? [];
  const [statement] = found;
  if (found.length !== 1 || statement?.[0] !== name) throw refuse(`section ${section}`);
  return statement[1];
};

const readRelations = (statements: Statements): ReadonlyMap<string, number> => {
  const relations = new Map<string, number>();
  for (const [name, value] of statements.get('role_definition') ?? []) {
    const places = value.split(',').map((each) => each.trim());
    if (relations.has(name) || !places.every((each) => each === '_')) throw refuse(`relation ${name}`);
    relations.set(name, places.length);
  }
  return relations;
};

const readConjuncts = (matcher: string): readonly string[] => {
  const conjuncts = matcher.split('&&').map((each) => each.trim());
  const unknown = conjuncts.find((each) => !CONJUNCT_FORMS.some((form) => form.test(each)));
  if (unknown !== undefined) throw refuse(`"${unknown}"`);
  return conjuncts.sort();
};

const fields = (text: string): readonly string[] => text.split(',').map((each) => each.trim());

/** Parses a model. @throws INVALID_VALUE for anything outside the grammar */
export const readModel = (text: string): PolicyModel => {
  const statements = readStatements(text);
  return {
    request: fields(single(statements, 'request_definition', 'r')),
    policy: fields(single(statements, 'policy_definition', 'p')),
    relations: readRelations(statements),
    effect: single(statements, 'policy_effect', 'e'),
    conjuncts: readConjuncts(single(statements, 'matchers', 'm')),
  };
};

const sameList = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((each, index) => each === right[index]);

/**
 * Checks that the index implements exactly this model: nothing more, nothing less.
 *
 * @throws INVALID_VALUE naming the first difference
 */
export const assertImplemented = (text: string): void => {
  const model = readModel(text);
  if (!sameList(model.request, IMPLEMENTED.request)) throw refuse('the request definition');
  if (!sameList(model.policy, IMPLEMENTED.policy)) throw refuse('the policy definition');
  const relations = (each: PolicyModel): readonly string[] =>
    [...each.relations].map(([name, arity]) => `${name}/${String(arity)}`).sort();
  if (!sameList(relations(model), relations(IMPLEMENTED))) throw refuse('the role definitions');
  if (model.effect !== IMPLEMENTED.effect) throw refuse('the effect');
  if (!sameList(model.conjuncts, IMPLEMENTED.conjuncts)) throw refuse('the matcher');
};
