/**
 * YAML as data and nothing else: one document, plain values, no anchors, aliases, tags or merge keys, bounded in size and
 * depth; every value knows its line.
 */
import {
  LineCounter,
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  visit,
  type Document,
  type Node,
  type YAMLMap,
} from 'yaml';
import type { z } from 'zod';

import { refuseFile, type FileProblem } from './policy.ts';

/** Characters. */
export const MAX_FILE_CHARS = 1024 * 1024;
const MAX_DEPTH = 16;
const MAX_NODES = 200_000;

type Path = readonly PropertyKey[];

/** Looks up lines of values by their path. */
export interface Lines {
  /** 1 when there is nothing there. */
  of(path: Path): number;
}

/** A value and the line it begins on. */
export interface Located<T> {
  readonly line: number;
  readonly value: T;
}

/** The entries of a list of the file, with their lines. */
export const located = <T>(lines: Lines, list: string, items: readonly T[]): readonly Located<T>[] =>
  items.map((value, at) => ({ line: lines.of([list, at]), value }));

const problem = (line: number, code: string, detail: string): FileProblem => ({ line, code, detail });

const keyOf = (node: unknown): unknown => (isScalar(node) ? node.value : undefined);

/** The node at a path, or the last one on the way there. */
const nodeAt = (document: Document, path: Path): Node | null => {
  let node: Node | null = document.contents;
  for (const step of path) {
    const next: unknown = isMap(node)
      ? node.items.find(({ key }) => keyOf(key) === step)
      : isSeq(node)
        ? node.items[Number(step)]
        : undefined;
    if (next === undefined) return node;
    const value = isMap(node) ? (next as { key: Node; value: Node | null }).value : (next as Node);
    if (value === null) return isMap(node) ? (next as { key: Node }).key : node;
    node = value;
  }
  return node;
};

/** The first key a map has twice. (The library would look each key up among all before it.) */
const repeatedIn = ({ items }: YAMLMap): unknown => {
  const known = new Set<unknown>();
  return items.find(({ key }) => {
    const isRepeated = known.has(keyOf(key));
    known.add(keyOf(key));
    return isRepeated;
  })?.key;
};

/** What may not be in it, wherever it stands. */
const forbidden = (document: Document, lineOf: (node: unknown) => number): readonly FileProblem[] => {
  const found: FileProblem[] = [];
  let nodes = 0;
  visit(document, {
    Alias: (_, node) => {
      found.push(problem(lineOf(node), 'ALIAS', 'Aliases are not allowed.'));
      return visit.SKIP;
    },
    Node: (_, node, path) => {
      nodes += 1;
      if (node.anchor !== undefined) found.push(problem(lineOf(node), 'ANCHOR', 'Anchors are not allowed.'));
      if (node.tag !== undefined && !/^tag:yaml\.org,2002:(?:map|seq|str|int|float|bool|null)$/.test(node.tag))
        found.push(problem(lineOf(node), 'TAG', 'Tags are not allowed.'));
      const repeated = isMap(node) ? repeatedIn(node) : undefined;
      if (repeated !== undefined) found.push(problem(lineOf(repeated), 'DUPLICATE_KEY', 'Map keys must be unique.'));
      // Maps have a pair between them and their values.
      if (path.length > 2 * MAX_DEPTH || nodes > MAX_NODES) {
        found.push(problem(lineOf(node), 'TOO_DEEP', 'The file is too deep, or holds too much.'));
        return visit.BREAK;
      }
      return found.length > 0 ? visit.BREAK : undefined;
    },
  });
  return found;
};

const parse = (text: string): { readonly document: Document; readonly lineCounter: LineCounter } => {
  const lineCounter = new LineCounter();
  const options = {
    lineCounter,
    version: '1.2',
    schema: 'core',
    // Looked at below, and lines of problems found by the counter: for either the library takes the square of the time.
    uniqueKeys: false,
    prettyErrors: false,
    stringKeys: true,
    merge: false,
  } as const;
  // Nested so deeply that the parser runs out of stack, it would end with a RangeError.
  const deepest = /(?:[[{][\s]*){64}|(?:-[ \t]+){64}|^ {400}/m.exec(text);
  if (deepest !== null) throw refuseFile([problem(1, 'TOO_DEEP', 'The file is too deep.')]);
  const documents = parseAllDocuments(text, options);
  const [document] = Array.isArray(documents) ? documents : [];
  if (document === undefined) throw refuseFile([problem(1, 'EMPTY', 'The file is empty.')]);
  if (documents.length > 1) throw refuseFile([problem(1, 'DOCUMENTS', 'One document a file.')]);
  const wrong = [...document.errors, ...document.warnings].map(({ message, pos, code }) =>
    problem(Math.max(1, lineCounter.linePos(pos[0]).line), code, message.split('\n', 1)[0] ?? ''),
  );
  if (wrong.length > 0) throw refuseFile(wrong);
  return { document, lineCounter };
};

/**
 * Reads a file by its schema.
 *
 * @throws INVALID_REQUEST naming the lines
 */
export const readYaml = <S extends z.ZodType>(
  text: string,
  schema: S,
): { readonly value: z.output<S>; readonly lines: Lines } => {
  if (text.length > MAX_FILE_CHARS) throw refuseFile([problem(1, 'TOO_LARGE', 'At most one MiB.')]);
  const { document, lineCounter } = parse(text);
  const lineOf = (node: unknown): number => {
    const range = (node as { range?: readonly number[] | null } | null)?.range;
    return range?.[0] === undefined ? 1 : Math.max(1, lineCounter.linePos(range[0]).line);
  };
  const wrong = forbidden(document, lineOf);
  if (wrong.length > 0) throw refuseFile(wrong);
  const lines: Lines = { of: (path) => lineOf(nodeAt(document, path)) };
  const parsed = schema.safeParse(document.toJS({ maxAliasCount: 0 }));
  if (!parsed.success)
    throw refuseFile(
      parsed.error.issues.map(({ path, message, code }) => {
        const where = path.map(String).join('/');
        return problem(lines.of(path), code.toUpperCase(), `${where === '' ? '' : `${where}: `}${message}`);
      }),
    );
  return { value: parsed.data, lines };
};
