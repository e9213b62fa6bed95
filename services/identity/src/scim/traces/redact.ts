import type { JsonValue } from '@sallyport/audit';

/**
 * What of a request is kept. Names, structure, operators and ids stay: that is what a failed request is understood by.
 * Values become their type and length. The one exception is a userName, of which the first character and the domain
 * stay, because support begins with "which of them". Passwords, tokens and secrets leave not even their length.
 */

/** What is kept of a body, after redaction. */
export const MAX_BODY_BYTES = 8 * 1024;
const MAX_NODES = 400;
const MAX_DEPTH = 10;
const MAX_KEPT = 200;
const MAX_NAME = 80;
const MAX_FILTER = 1_000;
/** Array elements shown, tried in this order until the body is small enough. */
const ARRAY_LIMITS = [20, 5, 1] as const;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const E_MAIL = /[^\s"'<>(),;:/]+@[^\s"'<>(),;:/]+/g;

/** Lower-case names whose values say what is asked for, not about whom. */
const KEPT: ReadonlySet<string> = new Set([
  'op',
  'path',
  'active',
  'id',
  'externalid',
  'schemas',
  'type',
  'primary',
  'resourcetype',
  'method',
  'bulkid',
  'version',
  'attributes',
  'excludedattributes',
  'sortby',
  'sortorder',
  'startindex',
  'count',
  'failonerrors',
]);
const SECRET = /pass(?:word|wd)?|secret|token|credential|authorization|private.?key|^pin$/i;

/** Safe for PostgreSQL's jsonb and text: no NUL, no half characters. */
const clean = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD');

const shorten = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max)}…`);

export const cleanText = (text: string, max: number): string => shorten(clean(text.slice(0, max + 1)), max);

const describe = (text: string): string => `string(${String(text.length)})`;

const maskUserName = (text: string): string => {
  if (text === '') return describe(text);
  const at = text.lastIndexOf('@');
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0);
  return at > 0 ? `${first}…${shorten(text.slice(at), MAX_NAME)}` : `${first}… ${describe(text)}`;
};

/** E-mail addresses in a text that is otherwise ours: details of errors echo parts of a request. */
export const maskText = (text: string, max = 500): string =>
  cleanText(text.slice(0, max * 2), max).replace(E_MAIL, '…@…');

const lastName = (path: string): string => path.slice(Math.max(path.lastIndexOf('.'), path.lastIndexOf(':')) + 1);

const keepText = (name: string, text: string): string => {
  const key = name.toLowerCase();
  if (SECRET.test(name)) return 'redacted';
  if (UUID.test(text)) return text;
  if (key === 'username') return maskUserName(text);
  if (key === 'path') return maskFilter(shorten(text, 2 * MAX_KEPT));
  return KEPT.has(key) ? shorten(text, MAX_KEPT).replace(E_MAIL, '…@…') : describe(text);
};

const LITERAL = /"(?:[^"\\]|\\.)*"?/g;
const COMPARED = /([\w$:.-]{1,200})\s{1,20}[a-z]{2}\s{0,20}$/i;

/** A filter or a path: what its quoted values are compared with decides what is left of them. */
export const maskFilter = (whole: string): string => {
  const filter = shorten(whole, MAX_FILTER);
  let end = 0;
  let masked = '';
  for (const { 0: literal, index } of filter.matchAll(LITERAL)) {
    const before = filter.slice(end, index);
    const attribute = COMPARED.exec(before.slice(-300))?.[1] ?? '';
    masked += `${before}"${keepText(lastName(attribute), literal.replace(/^"|"$/g, ''))}"`;
    end = index + literal.length;
  }
  // Entra also sends values without quotes: addresses are told by their @.
  return clean(masked + filter.slice(end)).replace(E_MAIL, (found) => (found.includes('…') ? found : '…@…'));
};

interface Walk {
  nodes: number;
  readonly maxItems: number;
  readonly isGroup: boolean;
}

const redactText = (walk: Walk, name: string, text: string, depth: number): string => {
  // The name of a group is no personal value, and the first thing anybody looks for.
  const isGroupName = walk.isGroup && name.toLowerCase() === 'displayname' && depth <= 4;
  return clean(isGroupName ? shorten(text, MAX_KEPT) : keepText(name, text));
};

const redactArray = (walk: Walk, name: string, list: readonly unknown[], depth: number): JsonValue => {
  const shown = list.slice(0, walk.maxItems).map((item) => redactValue(walk, name, item, depth + 1));
  return list.length > shown.length ? [...shown, `… ${String(list.length - shown.length)} more`] : shown;
};

/** The value of a PATCH operation belongs to the attribute its path names. */
const nameOf = (object: Readonly<Record<string, unknown>>, key: string, outer: string): string => {
  if (key.toLowerCase() !== 'value') return lastName(key);
  const path = Object.entries(object).find(([name]) => name.toLowerCase() === 'path')?.[1];
  if (typeof path === 'string') return lastName(path.replace(/\[.*\]/s, ''));
  return outer;
};

const redactObject = (
  walk: Walk,
  outer: string,
  object: Readonly<Record<string, unknown>>,
  depth: number,
): JsonValue => {
  const entries: [string, JsonValue][] = [];
  for (const [key, value] of Object.entries(object)) {
    if (walk.nodes >= MAX_NODES) {
      entries.push(['…', 'cut']);
      break;
    }
    entries.push([cleanText(key, MAX_NAME), redactValue(walk, nameOf(object, key, outer), value, depth + 1)]);
  }
  return Object.fromEntries(entries);
};

const redactValue = (walk: Walk, name: string, value: unknown, depth: number): JsonValue => {
  walk.nodes += 1;
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return KEPT.has(name.toLowerCase()) ? value : 'number';
  if (typeof value === 'string') return redactText(walk, name, value, depth);
  if (typeof value !== 'object') return typeof value;
  if (SECRET.test(name)) return 'redacted';
  if (depth > MAX_DEPTH || walk.nodes > MAX_NODES) return '…';
  return Array.isArray(value)
    ? redactArray(walk, name, value, depth)
    : redactObject(walk, name, value as Readonly<Record<string, unknown>>, depth);
};

/**
 * The body of a request as it is kept: at most 8 KiB of JSON, whatever was sent. The work is bounded too: a list of
 * 100,000 members costs as much as one of 20.
 */
export const redactBody = (body: unknown, path: string): JsonValue => {
  const isGroup = path.startsWith('/scim/v2/Groups');
  for (const maxItems of ARRAY_LIMITS) {
    const redacted = redactValue({ nodes: 0, maxItems, isGroup }, '', body, 0);
    if (Buffer.byteLength(JSON.stringify(redacted)) <= MAX_BODY_BYTES) return redacted;
  }
  return '… too large to keep';
};

const KEPT_PARAMETERS: ReadonlySet<string> = new Set([
  'startindex',
  'count',
  'attributes',
  'excludedattributes',
  'sortby',
  'sortorder',
]);

/** The query of a request as it is kept: names of parameters, paging and projection, the filter without its values. */
export const redactQuery = (query: string): string => {
  const parts = [...new URLSearchParams(query.slice(0, 10_000))].slice(0, 20).map(([name, value]) => {
    const key = name.toLowerCase();
    const shown = key === 'filter' ? maskFilter(value) : KEPT_PARAMETERS.has(key) ? maskText(value) : describe(value);
    return value === '' ? cleanText(name, MAX_NAME) : `${cleanText(name, MAX_NAME)}=${shown}`;
  });
  return shorten(parts.join('&'), 2_000);
};

/** The path as it is kept: an id that is none of ours may be anything, also an address. */
export const redactPath = (path: string): string => maskText(decodedOf(path), 300);

const decodedOf = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};
