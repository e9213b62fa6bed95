import assert from 'node:assert/strict';

import fc from 'fast-check';

import { isAllowedAddress, networkProblem } from './network.ts';

describe('networks of a directory', () => {
  it('accepts addresses and CIDR networks of both families', () => {
    for (const text of ['192.0.2.1', '192.0.2.0/24', '10.0.0.0/8', '2001:db8::/32', '2001:db8::1', '192.0.2.1/32'])
      assert.equal(networkProblem(text), undefined, text);
  });

  it('refuses everything else, above all what would let everybody in', () => {
    const wrong = [
      '',
      '192.0.2.0/',
      '192.0.2.0/33',
      '192.0.2.0/-1',
      '192.0.2.0/08',
      '192.0.2.0/24/24',
      '192.0.2.0/ 24',
      '192.0.2',
      '192.0.2.256',
      '0300.0.2.1',
      '0.0.0.0/0',
      '::/0',
      '2001:db8::/129',
      'fe80::1%eth0',
      '::ffff:192.0.2.0/120',
      'example.com',
      '192.0.2.0/24 ',
      '192.0.2.0/1e1',
    ];
    for (const text of wrong) assert.notEqual(networkProblem(text), undefined, text);
  });

  it('an empty list allows everybody; any other only its own, whatever stands in it', () => {
    assert.equal(isAllowedAddress('198.51.100.7', []), true);
    assert.equal(isAllowedAddress('not an address', []), true);
    const list = ['192.0.2.0/24', '2001:db8:1::/48', '198.51.100.7'];
    for (const ip of ['192.0.2.255', '2001:db8:1:ffff::9', '198.51.100.7']) assert.ok(isAllowedAddress(ip, list), ip);
    for (const ip of ['192.0.3.0', '2001:db8:2::1', '198.51.100.8', '', 'x', '::ffff:203.0.113.1'])
      assert.ok(!isAllowedAddress(ip, list), ip);
    assert.equal(isAllowedAddress('192.0.2.1', ['garbage']), false);
  });

  it('agrees with arithmetic on the bits (IPv4)', () => {
    const toText = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(address, address, fc.integer({ min: 1, max: 32 }), (network, ip, bits) => {
        const isInside = network >>> (32 - bits) === ip >>> (32 - bits);
        assert.equal(isAllowedAddress(toText(ip), [`${toText(network)}/${String(bits)}`]), isInside);
        assert.equal(isAllowedAddress(toText(network), [`${toText(network)}/${String(bits)}`]), true);
      }),
    );
  });
});
