import assert from 'node:assert/strict';

import fc from 'fast-check';

import { clientIpReader } from './client-ip.ts';

describe('client address', () => {
  const behindProxy = clientIpReader(['10.0.0.0/8', '::1']);

  it('never reads the header without trusted proxies', () => {
    assert.equal(clientIpReader([])('198.51.100.7', '203.0.113.1'), '198.51.100.7');
  });

  it('is the first hop from the right no trusted proxy is at', () => {
    assert.equal(behindProxy('10.0.0.1', '203.0.113.1'), '203.0.113.1');
    assert.equal(behindProxy('10.0.0.1', '203.0.113.1, 10.2.2.2,10.3.3.3'), '203.0.113.1');
    assert.equal(behindProxy('::1', ['1.1.1.1', '203.0.113.1']), '203.0.113.1');
    assert.equal(behindProxy('::ffff:10.0.0.1', '2001:db8::1'), '2001:db8::1');
    assert.equal(behindProxy('10.0.0.1', undefined), '10.0.0.1');
    assert.equal(behindProxy('10.0.0.1', 'unknown, 10.1.1.1'), '10.1.1.1');
    assert.equal(behindProxy(undefined, '203.0.113.1'), '');
  });

  it('cannot be chosen by a client: what it writes on the left changes nothing (property)', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4()), fc.ipV4(), (forged, own) => {
        fc.pre(!own.startsWith('10.'));
        assert.equal(behindProxy('10.0.0.1', `${forged}, ${own}`), own);
        // Not through the proxy: the header counts for nothing at all.
        assert.equal(behindProxy(own, forged), own);
      }),
    );
  });

  it('does not start with a network that is none', () => {
    for (const network of ['10.0.0.0/33', '10.0.0/8', 'proxy.internal', '10.0.0.0/', '10.0.0.0/-1', '::1/129', ''])
      assert.throws(() => clientIpReader([network]), { code: 'INVALID_VALUE' }, network);
  });
});
