/**
 * The condition function of the Casbin model, for whoever loads an exported policy: give it to Casbin under the name
 * `met`. It stands alone (no imports), is a function of its arguments only, and is written apart from the index: one is
 * tested against the other. Undecided (null) is a property that is missing or of another type; all, any and not carry
 * it through, and at the end it counts for a denial and not for an allowance.
 *
 *   enforcer.addFunction('met', met);
 */
type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type Fields = { readonly [key: string]: Json };
type Outcome = boolean | null;

const own = (fields: Json | undefined, key: string): Json | undefined =>
  typeof fields === 'object' && fields !== null && Object.hasOwn(fields, key) ? (fields as Fields)[key] : undefined;

const propertyOf = (attributes: Json, path: string): Json | undefined => {
  const dot = path.indexOf('.');
  return own(own(attributes, path.slice(0, dot)), path.slice(dot + 1));
};

// An address as a text of bits: what lies in a network begins with the network's bits.
const bitsOfV4 = (text: string): string | null => {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let bits = '';
  for (const part of parts) {
    if (!/^[0-9]{1,3}$/.test(part) || String(Number(part)) !== part || Number(part) > 255) return null;
    bits += Number(part).toString(2).padStart(8, '0');
  }
  return `4:${bits}`;
};

const bitsOfV6 = (text: string): string | null => {
  let rest = text;
  const tail = /^(.*:)([0-9.]+\.[0-9.]+)$/.exec(rest);
  if (tail !== null) {
    const v4 = bitsOfV4(tail[2] ?? '');
    if (v4 === null) return null;
    const group = (from: number): string => Number.parseInt(v4.slice(2 + from, 18 + from), 2).toString(16);
    rest = `${tail[1] ?? ''}${group(0)}:${group(16)}`;
  }
  const sides = rest.split('::');
  if (sides.length > 2) return null;
  const groups = (side: string | undefined): string[] => (side === undefined || side === '' ? [] : side.split(':'));
  const [before, after] = [groups(sides[0]), groups(sides[1])];
  const gap = 8 - before.length - after.length;
  if (sides.length === 1 ? gap !== 0 : gap < 1) return null;
  const all = [...before, ...Array.from({ length: gap }, () => '0'), ...after];
  if (!all.every((each) => /^[0-9a-fA-F]{1,4}$/.test(each))) return null;
  const bits = all.map((each) => Number.parseInt(each, 16).toString(2).padStart(16, '0')).join('');
  const mapped = `${'0'.repeat(80)}${'1'.repeat(16)}`;
  return bits.startsWith(mapped) ? `4:${bits.slice(mapped.length)}` : `6:${bits}`;
};

const bitsOf = (text: string): string | null => {
  if (text.length > 45) return null;
  return text.includes(':') ? bitsOfV6(text) : bitsOfV4(text);
};

const inNetwork = (address: string, network: string): boolean | null => {
  const bits = bitsOf(address);
  if (bits === null) return null;
  const [base = '', length] = network.split('/');
  const wanted = bitsOf(base) ?? '';
  return bits.startsWith(length === undefined ? wanted : wanted.slice(0, 2 + Number(length)));
};

// Two cursors: after a mismatch the last * takes one character more, so the work is bounded by text times pattern.
const like = (text: string, pattern: string): boolean => {
  let [t, p, star, taken] = [0, 0, -1, 0];
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p;
      taken = t;
      p += 1;
    } else if (p < pattern.length && pattern[p] === text[t]) {
      t += 1;
      p += 1;
    } else if (star >= 0) {
      taken += 1;
      t = taken;
      p = star + 1;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
};

const duringUtc = (moment: number, hours: Json): boolean | null => {
  if (Math.abs(moment) > 8.64e15) return null;
  const date = new Date(Math.floor(moment));
  const clock = date.toISOString().slice(-13, -8);
  const weekday = date.getUTCDay() === 0 ? 7 : date.getUTCDay();
  const days = own(hours, 'days') as readonly number[];
  return days.includes(weekday) && clock >= text(own(hours, 'from')) && clock < text(own(hours, 'until'));
};

type Comparison = (given: Json, wanted: Json, attributes: Json) => Outcome;

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const listOf = (value: Json): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);

const ofNumbers =
  (decide: (given: number, wanted: number) => boolean): Comparison =>
  (given, wanted) =>
    typeof given === 'number' ? decide(given, Number(wanted)) : null;

const COMPARISONS: ReadonlyMap<Json | undefined, Comparison> = new Map<string, Comparison>([
  ['equals', (given, wanted) => (typeof given === typeof wanted ? given === wanted : null)],
  [
    'in',
    (given, wanted) =>
      typeof given === typeof listOf(wanted)[0] ? listOf(wanted).some((each) => each === given) : null,
  ],
  ['contains', (given, wanted) => (Array.isArray(given) ? given.some((each) => each === wanted) : null)],
  ['like', (given, wanted) => (typeof given === 'string' ? like(given, text(wanted)) : null)],
  [
    'inNetwork',
    (given, wanted) => {
      if (typeof given !== 'string' || bitsOf(given) === null) return null;
      return listOf(wanted).some((network) => inNetwork(given, text(network)) === true);
    },
  ],
  ['atLeast', ofNumbers((given, wanted) => given >= wanted)],
  ['atMost', ofNumbers((given, wanted) => given <= wanted)],
  ['moreThan', ofNumbers((given, wanted) => given > wanted)],
  ['lessThan', ofNumbers((given, wanted) => given < wanted)],
  [
    'equalsProperty',
    (given, wanted, attributes) => {
      const other = propertyOf(attributes, text(wanted));
      return typeof given === 'object' || typeof given !== typeof other ? null : given === other;
    },
  ],
  ['duringUtc', (given, wanted) => (typeof given === 'number' ? duringUtc(given, wanted) : null)],
]);

const compare = (operator: Json | undefined, given: Json, wanted: Json, attributes: Json): Outcome =>
  COMPARISONS.get(operator)?.(given, wanted, attributes) ?? null;

const outcomeOf = (condition: Json, attributes: Json): Outcome => {
  const all = own(condition, 'all') as readonly Json[] | undefined;
  const any = own(condition, 'any') as readonly Json[] | undefined;
  const not = own(condition, 'not');
  if (all !== undefined || any !== undefined) {
    const outcomes = (all ?? any ?? []).map((each) => outcomeOf(each, attributes));
    const decisive = any !== undefined;
    if (outcomes.includes(decisive)) return decisive;
    return outcomes.includes(null) ? null : !decisive;
  }
  if (not !== undefined) {
    const outcome = outcomeOf(not, attributes);
    return outcome === null ? null : !outcome;
  }
  const given = propertyOf(attributes, text(own(condition, 'property')));
  if (given === undefined || given === null) return null;
  return compare(own(condition, 'operator'), given, own(condition, 'value') ?? null, attributes);
};

// `condition:` and its JSON text, where every character but letters, digits and hyphens is written as _hhhh.
const decode = (name: string): Json =>
  JSON.parse(
    name
      .slice('condition:'.length)
      .replace(/_([0-9a-f]{4})/g, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16))),
  ) as Json;

/**
 * True when a policy line applies as far as its condition goes.
 *
 * @param attributes JSON text of the request's four entities: `{"subject":{…},"resource":{…},"action":{…},"context":{…}}`
 * @param condition the line's `cond`: `always`, or an encoded condition
 * @param effect the line's `eft`
 */
export const met = (attributes: string, condition: string, effect: string): boolean => {
  if (condition === 'always') return true;
  let outcome: Outcome = null;
  try {
    outcome = outcomeOf(decode(condition), JSON.parse(attributes) as Json);
  } catch {
    // What cannot be read is undecided.
  }
  return outcome ?? effect === 'deny';
};
