import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** What a kind makes of the text of a variable: its value, or the end of the sentence "NAME …". */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** One environment variable: its name, what it may hold, and what it is for. Made by {@link setting}. */
export interface Setting<T> {
  readonly name: string;
  /** In words, for the reference: `integer from 1 to 10`. */
  readonly kind: string;
  readonly doc: string;
  /** A secret is never printed, neither in problems nor by inspecting the config. */
  readonly isSecret: boolean;
  /** Absent: the variable must be set. */
  readonly fallback: { readonly value: T; readonly text: string } | undefined;
  readonly parse: (text: string) => Parsed<T>;
}

/** `default` and `optional` exclude each other; with neither the variable is required. */
export interface SettingOptions<T> {
  readonly doc: string;
  readonly default?: T;
  /** Unset gives undefined. */
  readonly optional?: boolean;
}

type ValueOf<T, O> = O extends { readonly optional: true } ? T | undefined : T;

const accept = <T>(value: T): Parsed<T> => ({ ok: true, value });
const refuse = <T>(problem: string): Parsed<T> => ({ ok: false, problem });

interface Kind<T> {
  readonly kind: string;
  readonly isSecret?: boolean;
  readonly parse: (text: string) => Parsed<T>;
  readonly show?: (value: T) => string;
}

const define = <T, O extends SettingOptions<T>>(name: string, options: O, kind: Kind<T>): Setting<ValueOf<T, O>> => {
  const { default: value, optional = false } = options;
  const show = kind.show ?? String;
  const fallback =
    value !== undefined ? { value, text: show(value) } : optional ? { value: undefined, text: '' } : undefined;
  return Object.freeze({
    name,
    kind: kind.kind,
    doc: options.doc,
    isSecret: kind.isSecret ?? false,
    fallback: fallback as Setting<ValueOf<T, O>>['fallback'],
    parse: kind.parse,
  });
};

const parseUrl = (text: string, protocols: readonly string[]): Parsed<string> => {
  if (!URL.canParse(text)) return refuse('is not a URL');
  const { protocol } = new URL(text);
  return protocols.includes(protocol)
    ? accept(text)
    : refuse(`must start with ${protocols.map((one) => `${one}//`).join(' or ')}`);
};

const parseOrigin = (text: string): Parsed<string> => {
  const parsed = parseUrl(text, ['https:', 'http:']);
  if (!parsed.ok) return parsed;
  const url = new URL(text);
  return url.href === `${url.origin}/`
    ? accept(url.origin)
    : refuse(`must be an origin (scheme, host and port), like ${url.origin}`);
};

const parseInteger = (text: string, min: number, max: number): Parsed<number> => {
  if (!/^-?(0|[1-9]\d{0,15})$/.test(text)) return refuse('is not a whole number');
  const value = Number(text);
  return value >= min && value <= max ? accept(value) : refuse(`must be from ${String(min)} to ${String(max)}`);
};

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const parseDuration = (text: string, min: number, max: number): Parsed<number> => {
  const match = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text);
  if (match === null)
    return refuse('is not a duration such as 200ms, 5s, 10m, 1h or 7d (a bare number is milliseconds)');
  const value = Number(match[1]) * (UNITS_MS.get(match[2] ?? 'ms') ?? 1);
  return value >= min && value <= max ? accept(value) : refuse(`must be from ${String(min)} ms to ${String(max)} ms`);
};

const parseHostPort = (text: string): Parsed<string> => {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]{1,253}):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? 0);
  return port >= 1 && port <= 65_535 ? accept(text) : refuse('is not an address such as identity.internal:9090');
};

const parsePath = (text: string, mustExist: 'file' | 'directory' | undefined): Parsed<string> => {
  const path = resolve(text);
  if (mustExist === undefined) return accept(path);
  try {
    accessSync(path, constants.R_OK);
    const isRight = mustExist === 'file' ? statSync(path).isFile() : statSync(path).isDirectory();
    return isRight ? accept(path) : refuse(`names ${path}, which is not a ${mustExist}`);
  } catch {
    return refuse(`names ${path}, which cannot be read`);
  }
};

const parseList = (text: string, pattern: RegExp | undefined): Parsed<readonly string[]> => {
  const items = text.split(',').map((item) => item.trim());
  const wrong = items.findIndex((item) => item === '' || (pattern !== undefined && !pattern.test(item)));
  return wrong === -1
    ? accept(Object.freeze(items))
    : refuse(`has an entry that is not valid (number ${String(wrong + 1)})`);
};

const isWebOrDatabase = ['https:', 'http:', 'postgres:', 'postgresql:'];

/** The kinds of settings. Text is never trimmed or guessed at: what is not exactly of the kind is a problem. */
export const setting = Object.freeze({
  /** Any text `pattern` matches (anchor it); `hint` ends the sentence "NAME must be …". */
  string: <O extends SettingOptions<string> & { readonly pattern?: RegExp; readonly hint?: string }>(
    name: string,
    options: O,
  ) =>
    define<string, O>(name, options, {
      kind: options.hint ?? 'text',
      parse: (text) =>
        options.pattern === undefined || options.pattern.test(text)
          ? accept(text)
          : refuse(`must be ${options.hint ?? 'of another form'}`),
    }),
  /** An absolute URL, kept as written; `protocols` like `['https:']`, default http and https. */
  url: <O extends SettingOptions<string> & { readonly protocols?: readonly string[] }>(name: string, options: O) =>
    define<string, O>(name, options, {
      kind: 'URL',
      parse: (text) => parseUrl(text, options.protocols ?? ['https:', 'http:']),
    }),
  /** Scheme, host and port as browsers send them in `Origin`: no path, no trailing slash. */
  origin: <O extends SettingOptions<string>>(name: string, options: O) =>
    define<string, O>(name, options, { kind: 'origin', parse: parseOrigin }),
  /** `host:port` */
  hostPort: <O extends SettingOptions<string>>(name: string, options: O) =>
    define<string, O>(name, options, { kind: 'host:port', parse: parseHostPort }),
  /** 0 (a free one) to 65535. */
  port: <O extends SettingOptions<number>>(name: string, options: O) =>
    define<number, O>(name, options, { kind: 'port', parse: (text) => parseInteger(text, 0, 65_535) }),
  integer: <O extends SettingOptions<number> & { readonly min: number; readonly max: number }>(
    name: string,
    options: O,
  ) =>
    define<number, O>(name, options, {
      kind: `integer from ${String(options.min)} to ${String(options.max)}`,
      parse: (text) => parseInteger(text, options.min, options.max),
    }),
  /** ms; written as a bare number of milliseconds or with ms, s, m, h or d. Default range 0 to 365 d. */
  durationMs: <O extends SettingOptions<number> & { readonly min?: number; readonly max?: number }>(
    name: string,
    options: O,
  ) =>
    define<number, O>(name, options, {
      kind: 'duration',
      parse: (text) => parseDuration(text, options.min ?? 0, options.max ?? 365 * 86_400_000),
      show: (value) => `${String(value)} ms`,
    }),
  /** Exactly `true` or `false`. */
  boolean: <O extends SettingOptions<boolean>>(name: string, options: O) =>
    define<boolean, O>(name, options, {
      kind: 'true or false',
      parse: (text) =>
        text === 'true' || text === 'false' ? accept(text === 'true') : refuse('must be true or false'),
    }),
  oneOf: <const V extends string, O extends SettingOptions<V>>(name: string, values: readonly V[], options: O) =>
    define<V, O>(name, options, {
      kind: `one of ${values.join(', ')}`,
      parse: (text) => {
        const value = values.find((one) => one === text);
        return value === undefined ? refuse(`must be one of ${values.join(', ')}`) : accept(value);
      },
    }),
  /** Made absolute against the working directory; `mustExist` also demands that it can be read. */
  path: <O extends SettingOptions<string> & { readonly mustExist?: 'file' | 'directory' }>(name: string, options: O) =>
    define<string, O>(name, options, { kind: 'path', parse: (text) => parsePath(text, options.mustExist) }),
  /** Text that must never be printed. */
  secret: <O extends SettingOptions<string> & { readonly minLength?: number }>(name: string, options: O) =>
    define<string, O>(name, options, {
      kind: 'secret',
      isSecret: true,
      parse: (text) =>
        text.length >= (options.minLength ?? 1)
          ? accept(text)
          : refuse(`must have at least ${String(options.minLength)} characters`),
    }),
  /** A URL that carries a password. */
  secretUrl: <O extends SettingOptions<string> & { readonly protocols?: readonly string[] }>(
    name: string,
    options: O,
  ) =>
    define<string, O>(name, options, {
      kind: 'secret URL',
      isSecret: true,
      parse: (text) => parseUrl(text, options.protocols ?? isWebOrDatabase),
    }),
  /** Separated by commas; every entry must match `pattern`, if there is one. */
  list: <O extends SettingOptions<readonly string[]> & { readonly pattern?: RegExp }>(name: string, options: O) =>
    define<readonly string[], O>(name, options, {
      kind: 'list',
      parse: (text) => parseList(text, options.pattern),
      show: (value) => value.join(','),
    }),
});
