import { BlockList, isIP } from 'node:net';

import { AppError } from '@sallyport/errors';

/** `::ffff:192.0.2.1` is how a dual-stack socket spells an IPv4 peer. */
const plain = (address: string): string =>
  address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

const toBlockList = (networks: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = familyOf(address);
    const widest = family === 'ipv4' ? 32 : 128;
    // Not Number('') === 0: a slash left behind must not make everybody a trusted proxy.
    const prefix = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
    const isValid = isIP(address) !== 0 && prefix >= 0 && prefix <= widest;
    if (!isValid) throw new AppError('INVALID_VALUE', `${network} is not an address or a network of a trusted proxy.`);
    list.addSubnet(address, prefix, family);
  }
  return list;
};

export type ClientIpOf = (remoteAddress: string | undefined, forwardedFor: string | string[] | undefined) => string;

/**
 * Finds the client's address: from the right of `X-Forwarded-For`, the first hop no trusted proxy is at.
 *
 * What stands further left was written by the client and counts for nothing. Without trusted proxies the header is
 * never read.
 */
export const clientIpReader = (trustedProxies: readonly string[]): ClientIpOf => {
  const trusted = toBlockList(trustedProxies);
  const isTrusted = (address: string): boolean => trusted.check(address, familyOf(address));
  return (remoteAddress, forwardedFor) => {
    let client = plain(remoteAddress ?? '');
    if (trustedProxies.length === 0 || forwardedFor === undefined) return client;
    const hops = (typeof forwardedFor === 'string' ? forwardedFor : forwardedFor.join(',')).split(',');
    while (isIP(client) !== 0 && isTrusted(client)) {
      const next = plain(hops.pop()?.trim() ?? '');
      if (isIP(next) === 0) break;
      client = next;
    }
    return client;
  };
};
