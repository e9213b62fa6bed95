import { inspect } from 'node:util';

import { nearest } from './nearest.ts';
import type { Setting } from './setting.ts';

export type ConfigDefinition = Readonly<Record<string, Setting<unknown>>>;

/** The values of a definition, under the names of its keys. */
export type Config<D extends ConfigDefinition> = { readonly [K in keyof D]: D[K] extends Setting<infer T> ? T : never };

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadConfigOptions {
  /** Variables that belong to another program and share our prefix. */
  readonly ignore?: readonly string[];
}

const PREFIX = 'SALLYPORT_';
const REDACTED = '[secret]';
const MAX_SHOWN_CHARS = 60;

/** The settings are wrong. Lists every problem as a sentence; no sentence holds the value of a secret. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? 'a problem' : `${String(problems.length)} problems`;
    super(`The settings have ${count}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = Object.freeze([...problems]);
  }
}

/**
 * Names the settings of a program once, with their kinds.
 *
 * Use names that start with `SALLYPORT_`: only in those a typo is noticed. Others (`PORT`) are for what the platform sets.
 *
 * @throws ConfigError when two keys read the same variable, or a name is not in upper case
 */
export const defineConfig = <const D extends ConfigDefinition>(definition: D): Readonly<D> => {
  const problems: string[] = [];
  const names = new Set<string>();
  for (const { name } of Object.values(definition)) {
    if (!/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(name))
      problems.push(`${name} is not a name in upper case, like SALLYPORT_HTTP_PORT.`);
    if (names.has(name)) problems.push(`${name} is defined twice.`);
    names.add(name);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({ ...definition });
};

/**
 * Reads all settings at once.
 *
 * The result is frozen; printing it (JSON, console, `inspect`) shows `[secret]` for secrets.
 *
 * @throws ConfigError with every problem: missing, empty, malformed, and every unknown `SALLYPORT_…` variable
 */
export const readConfig = <D extends ConfigDefinition>(
  definition: D,
  env: Environment,
  options: ReadConfigOptions = {},
): Config<D> => {
  const problems = unknownNames(definition, env, options.ignore ?? []);
  const values = new Map<string, unknown>();
  for (const [key, setting] of Object.entries(definition)) {
    const result = readSetting(setting, env[setting.name]);
    if ('problem' in result) problems.push(result.problem);
    else values.set(key, result.value);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return seal(definition, values) as Config<D>;
};

const readSetting = (setting: Setting<unknown>, text: string | undefined): { value: unknown } | { problem: string } => {
  const { name, fallback } = setting;
  if (text === undefined)
    return fallback ? { value: fallback.value } : { problem: `${name} is not set; it is required (${setting.kind}).` };
  if (text === '') return { problem: `${name} is empty; give it a value (${setting.kind}) or remove it.` };
  const parsed = setting.parse(text);
  if (parsed.ok) return { value: parsed.value };
  const shown = setting.isSecret ? '' : ` (it is ${JSON.stringify(text.slice(0, MAX_SHOWN_CHARS))})`;
  return { problem: `${name} ${parsed.problem}${shown}.` };
};

const unknownNames = (definition: ConfigDefinition, env: Environment, ignore: readonly string[]): string[] => {
  const known = Object.values(definition).map(({ name }) => name);
  const allowed = new Set([...known, ...ignore]);
  return Object.keys(env)
    .filter((name) => name.toUpperCase().startsWith(PREFIX) && env[name] !== undefined && !allowed.has(name))
    .toSorted()
    .map((name) => {
      const near = nearest(name, known);
      return `${name} is not a known setting${near === undefined ? '.' : `; did you mean ${near}?`}`;
    });
};

/** Values as frozen properties; what prints the object gets the secrets replaced. */
const seal = (definition: ConfigDefinition, values: ReadonlyMap<string, unknown>): object => {
  const printable = (): Record<string, unknown> =>
    Object.fromEntries(
      [...values].map(([key, value]) => [key, isSecretKey(definition, key) && value !== undefined ? REDACTED : value]),
    );
  const config = Object.fromEntries(values);
  for (const name of ['toJSON', inspect.custom]) Object.defineProperty(config, name, { value: printable });
  return Object.freeze(config);
};

const isSecretKey = (definition: ConfigDefinition, key: string): boolean => definition[key]?.isSecret ?? false;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();

/** A Markdown table of the settings for the reference: name, kind, default and purpose, in the order of definition. */
export const describeConfig = (definition: ConfigDefinition): string => {
  const rows = Object.values(definition).map(({ name, kind, fallback, isSecret, doc }) => {
    const shown = isSecret && fallback?.text !== '' ? REDACTED : `\`${fallback?.text ?? ''}\``;
    const standard = fallback === undefined ? '**required**' : fallback.text === '' ? 'none' : shown;
    return `| \`${name}\` | ${cell(kind)} | ${cell(standard)} | ${cell(doc)} |`;
  });
  return ['| Variable | Kind | Default | Purpose |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
};
