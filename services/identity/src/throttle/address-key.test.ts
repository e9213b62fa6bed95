import assert from 'node:assert/strict';

import { addressKey } from './address-key.ts';

describe('addressKey', () => {
  it('counts an IPv4 address by itself and an IPv6 address by its /64, however it is written', () => {
    assert.equal(addressKey('192.0.2.1'), '192.0.2.1');
    for (const ip of [
      '2001:db8:1:2::1',
      '2001:0DB8:0001:0002:ffff:ffff:ffff:ffff',
      '2001:db8:1:2:3::',
      '2001:db8:1:2::%eth0',
    ])
      assert.equal(addressKey(ip), '2001:db8:1:2::/64', ip);
    assert.equal(addressKey('::1'), '0:0:0:0::/64');
    assert.notEqual(addressKey('2001:db8:1:3::1'), addressKey('2001:db8:1:2::1'));
  });
});
