import { BlockList, isIP } from 'node:net';

export const MAX_NETWORKS = 100;

type Family = 'ipv4' | 'ipv6';

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: Family;
}

const WIDTH: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** An address, or a network in CIDR notation; undefined for anything else. */
const parse = (text: string): Network | undefined => {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  // A zone id names an interface of one machine.
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined;
  const family: Family = version === 4 ? 'ipv4' : 'ipv6';
  // Not Number(''): a slash left behind must not let everybody in.
  if (bits !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(bits)) return undefined;
  const width = bits === undefined ? WIDTH[family] : Number(bits);
  return width > WIDTH[family] ? undefined : { address, bits: width, family };
};

const listOf = (networks: readonly Network[]): BlockList => {
  const list = new BlockList();
  for (const { address, bits, family } of networks) list.addSubnet(address, bits, family);
  return list;
};

/**
 * Says what is wrong with an entry of an allow list; undefined when nothing is. Every address is written in its own
 * family: requests from `::ffff:192.0.2.1` come from 192.0.2.1.
 */
export const networkProblem = (text: string): string | undefined => {
  const network = parse(text);
  if (network === undefined) return 'Not an IP address or a network in CIDR notation.';
  if (network.family === 'ipv6' && /^::ffff:/i.test(network.address)) return 'Write an IPv4 address as one.';
  if (network.bits === 0) return 'A network of every address allows what an empty list allows.';
  return undefined;
};

/** True when the address is in one of the networks; an empty list allows every address, one that fails to parse none. */
export const isAllowedAddress = (ip: string, networks: readonly string[]): boolean => {
  if (networks.length === 0) return true;
  const version = isIP(ip);
  if (version === 0) return false;
  const parsed = networks.map(parse).filter((network) => network !== undefined);
  return listOf(parsed).check(ip, version === 4 ? 'ipv4' : 'ipv6');
};
