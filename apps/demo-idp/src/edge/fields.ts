import { DemoIdpError } from '../errors.ts';

/** Typed reading of one JSON object; every getter answers undefined for an absent field and refuses a wrong type. */
export interface Fields {
  has(name: string): boolean;
  string(name: string): string | undefined;
  /** A string or an explicit null. */
  nullableString(name: string): string | null | undefined;
  /** @throws REQUEST_MALFORMED also when the field is absent or empty. */
  requiredString(name: string): string;
  boolean(name: string): boolean | undefined;
  integer(name: string): number | undefined;
  strings(name: string): string[] | undefined;
  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined;
  /** As `oneOf`, or an explicit null. */
  nullableOneOf<T extends string>(name: string, allowed: readonly T[]): T | null | undefined;
  /** An object or an explicit null, as it came. */
  object(name: string): Readonly<Record<string, unknown>> | null | undefined;
}

/**
 * Opens a parsed JSON body for reading.
 * @param known the only field names taken: a misspelt option must not be ignored silently.
 * @throws REQUEST_MALFORMED when the body is not an object or has other fields.
 */
export function openFields(body: unknown, known: readonly string[]): Fields {
  if (!isRecord(body)) throw malformed('The body must be a JSON object.');
  const values = new Map(Object.entries(body));
  for (const name of values.keys()) {
    if (!known.includes(name)) throw malformed(`${name} is not a field here (known: ${known.join(', ')}).`);
  }

  function read<T>(name: string, accept: (value: unknown) => value is T, what: string): T | undefined {
    const value = values.get(name);
    if (value === undefined) return undefined;
    if (!accept(value)) throw malformed(`${name} must be ${what}.`);
    return value;
  }

  function oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = read(name, isString, 'a string');
    if (value === undefined) return undefined;
    const match = allowed.find((one) => one === value);
    if (match === undefined) throw malformed(`${name} must be one of ${allowed.join(', ')}.`);
    return match;
  }

  return {
    has: (name) => values.has(name),
    string: (name) => read(name, isString, 'a string'),
    nullableString: (name) => read(name, (value) => value === null || isString(value), 'a string or null'),
    requiredString(name) {
      const value = read(name, isString, 'a string');
      if (value === undefined || value === '') throw malformed(`${name} is required.`);
      return value;
    },
    boolean: (name) => read(name, (value) => typeof value === 'boolean', 'true or false'),
    integer: (name) => read(name, (value): value is number => Number.isSafeInteger(value), 'a whole number'),
    strings: (name) =>
      read(name, (value): value is string[] => Array.isArray(value) && value.every(isString), 'a list of strings'),
    oneOf,
    nullableOneOf: (name, allowed) => (values.get(name) === null ? null : oneOf(name, allowed)),
    object: (name) => read(name, (value) => value === null || isRecord(value), 'an object or null'),
  };
}

/** True for a JSON object (not null, not a list). */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function malformed(message: string): DemoIdpError {
  return new DemoIdpError('REQUEST_MALFORMED', message);
}
