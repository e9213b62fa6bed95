/**
 * IP addresses and networks as 16-bit groups: two for IPv4, eight for IPv6. Strict on purpose (no leading zeros, no
 * zones, no shortened IPv4): an address two programs read differently is a way around a rule. An IPv4 address written
 * as an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address.
 */
export type Address = readonly number[];

export interface Network {
  readonly address: Address;
  readonly prefix: number;
}

const DECIMAL = /^(?:0|[1-9]\d{0,2})$/;
const HEX = /^[0-9a-f]{1,4}$/i;
const MAX_ADDRESS_CHARS = 45;

const readV4 = (text: string): Address | null => {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => DECIMAL.test(part) && Number(part) <= 255)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
  return [a * 256 + b, c * 256 + d];
};

/** Groups between colons; the last may be an IPv4 address. Null when one is none. */
const readGroups = (text: string, mayEndInV4: boolean): readonly number[] | null => {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [at, part] of parts.entries()) {
    if (HEX.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const v4 = mayEndInV4 && at === parts.length - 1 ? readV4(part) : null;
    if (v4 === null) return null;
    groups.push(...v4);
  }
  return groups;
};

const readV6 = (text: string): Address | null => {
  const halves = text.split('::');
  const [head = '', tail] = halves;
  if (halves.length > 2) return null;
  const before = readGroups(head, tail === undefined);
  const after = tail === undefined ? [] : readGroups(tail, true);
  if (before === null || after === null) return null;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  return [...before, ...Array.from({ length: missing }, () => 0), ...after];
};

const isMapped = (address: Address): boolean =>
  address.length === 8 && address[5] === 0xffff && address.slice(0, 5).every((group) => group === 0);

/** Null when the text is no address. */
export const readAddress = (text: string): Address | null => {
  if (text.length > MAX_ADDRESS_CHARS) return null;
  if (!text.includes(':')) return readV4(text);
  const address = readV6(text);
  return address !== null && isMapped(address) ? address.slice(6) : address;
};

const bitsOf = (address: Address): number => address.length * 16;

/** What of a group lies within the first `bits` bits of it. */
const maskOf = (bits: number): number => (bits <= 0 ? 0 : bits >= 16 ? 0xffff : (0xffff << (16 - bits)) & 0xffff);

/** `192.0.2.0/24` or a single address. Null when it is none, or has bits beyond its prefix. */
export const readNetwork = (text: string): Network | null => {
  const [base = '', length, ...rest] = text.split('/');
  if (rest.length > 0) return null;
  const address = readAddress(base);
  if (address === null || (address.length === 2 && base.includes(':'))) return null;
  if (length === undefined) return { address, prefix: bitsOf(address) };
  if (!DECIMAL.test(length) || Number(length) > bitsOf(address)) return null;
  const prefix = Number(length);
  const isClean = address.every((group, at) => (group & ~maskOf(prefix - at * 16)) === 0);
  return isClean ? { address, prefix } : null;
};

export const isWithin = (address: Address, network: Network): boolean => {
  if (address.length !== network.address.length) return false;
  for (let at = 0; at * 16 < network.prefix; at += 1) {
    const mask = maskOf(network.prefix - at * 16);
    if (((address[at] ?? 0) & mask) !== ((network.address[at] ?? 0) & mask)) return false;
  }
  return true;
};
