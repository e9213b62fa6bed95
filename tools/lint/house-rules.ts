// The project's own lint rules, as an oxlint plugin. Each turns a sentence of CONTRIBUTING.md into a check.
import { relative, sep } from 'node:path';

import { importLaw } from './import-law.ts';

interface Node {
  readonly type: string;
  readonly [property: string]: unknown;
}
interface Context {
  readonly filename: string;
  readonly cwd?: string;
  readonly sourceCode: { getAllComments(): readonly Node[] };
  report(problem: { node: Node; message: string }): void;
}
type Visitor = Record<string, (node: Node) => void>;
interface Rule {
  create(context: Context): Visitor;
}

const pathOf = (context: Context): string =>
  relative(context.cwd ?? process.cwd(), context.filename)
    .split(sep)
    .join('/');

const isMember = (node: unknown, object: string, property: string): boolean => {
  const member = node as { type?: string; object?: { name?: string }; property?: { name?: string } } | undefined;
  return member?.type === 'MemberExpression' && member.object?.name === object && member.property?.name === property;
};

const importLawRule: Rule = {
  create: (context) => {
    const from = pathOf(context);
    const check = (node: Node): void => {
      const source = (node['source'] as { value?: unknown } | null)?.value;
      const problem = typeof source === 'string' ? importLaw(from, source) : undefined;
      if (problem !== undefined) context.report({ node, message: `Import law: ${problem}.` });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
    };
  },
};

const ENV_READERS = /(^|\/)config\.ts$|^packages\/(config|dev-env)\/|^apps\/launcher\/|^tools\//;

const noProcessEnv: Rule = {
  create: (context) =>
    ENV_READERS.test(pathOf(context))
      ? {}
      : {
          MemberExpression: (node) => {
            if (isMember(node, 'process', 'env'))
              context.report({ node, message: 'Settings are read in config.ts only.' });
          },
        },
};

const clockOnly: Rule = {
  create: (context) => {
    const isClock = /(^|\/)clock\.ts$/.test(pathOf(context));
    const message = 'Time comes from the clock that was passed in.';
    return isClock
      ? {}
      : {
          CallExpression: (node) => {
            const callee = node['callee'];
            if (isMember(callee, 'Date', 'now') || isMember(callee, 'performance', 'now'))
              context.report({ node, message });
          },
          NewExpression: (node) => {
            const callee = node['callee'] as { name?: string };
            const args = node['arguments'] as unknown[];
            if (callee.name === 'Date' && args.length === 0) context.report({ node, message });
          },
        };
  },
};

const noMathRandom: Rule = {
  create: (context) => ({
    MemberExpression: (node) => {
      if (isMember(node, 'Math', 'random'))
        context.report({ node, message: 'Math.random is never random enough here.' });
    },
  }),
};

const PLAIN_ERROR_ALLOWED = /^(apps\/demo-idp|packages\/dev-env|tools|bench)\//;

const appErrorsOnly: Rule = {
  create: (context) =>
    PLAIN_ERROR_ALLOWED.test(pathOf(context))
      ? {}
      : {
          NewExpression: (node) => {
            if ((node['callee'] as { name?: string }).name === 'Error') {
              context.report({ node, message: 'Throw an AppError with a code of the registry.' });
            }
          },
        },
};

const SQL = /^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\()/;
const SQL_ALLOWED = /(^|\/)([a-z-]+-)?store\.ts$|\/migrations\/|^packages\/(storage|audit|dev-env)\/|^apps\/demo-idp\//;

const sqlInStoresOnly: Rule = {
  create: (context) => {
    if (SQL_ALLOWED.test(pathOf(context))) return {};
    const check = (node: Node, text: unknown): void => {
      if (typeof text === 'string' && SQL.test(text)) context.report({ node, message: 'SQL belongs into a store.' });
    };
    return {
      Literal: (node) => {
        check(node, node['value']);
      },
      TemplateElement: (node) => {
        check(node, (node['value'] as { raw?: string }).raw);
      },
    };
  },
};

const suppressionsHaveReasons: Rule = {
  create: (context) => ({
    Program: () => {
      for (const comment of context.sourceCode.getAllComments()) {
        const text = String(comment['value']);
        const isSuppression = /^\s*(oxlint|eslint)-disable|^\s*@ts-(ignore|expect-error|nocheck)/.test(text);
        if (isSuppression && !/\s--\s+\S{3,}|@ts-expect-error:?\s+\S{3,}/.test(text)) {
          context.report({ node: comment, message: 'A suppression says why: "-- reason".' });
        }
      }
    },
  }),
};

export default {
  meta: { name: 'sallyport' },
  rules: {
    'import-law': importLawRule,
    'no-process-env': noProcessEnv,
    'clock-only': clockOnly,
    'no-math-random': noMathRandom,
    'app-errors-only': appErrorsOnly,
    'sql-in-stores-only': sqlInStoresOnly,
    'suppressions-have-reasons': suppressionsHaveReasons,
  },
};
