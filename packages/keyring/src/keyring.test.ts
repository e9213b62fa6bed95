import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import fc from 'fast-check';

import { openKeyring } from './index.ts';

const keyring = openKeyring({ masterKey: randomBytes(32) });
const name = fc.string({ maxLength: 12 });
const value = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));

describe('keyring', () => {
  it('opens what it sealed, for the same organisation, purpose and context', () => {
    fc.assert(
      fc.property(name, name, name, value, (org, purpose, context, plain) => {
        assert.deepEqual(keyring.open(org, purpose, context, keyring.seal(org, purpose, context, plain)), plain);
      }),
    );
  });

  it('opens nothing under any other organisation, purpose or context, however the names are split', () => {
    fc.assert(
      fc.property(fc.tuple(name, name, name), fc.tuple(name, name, name), value, (sealedFor, openedFor, plain) => {
        fc.pre(sealedFor.join('\0') !== openedFor.join('\0'));
        const sealed = keyring.seal(...sealedFor, plain);
        assert.throws(() => keyring.open(...openedFor, sealed), { code: 'INTERNAL' });
      }),
    );
    const sealed = keyring.seal('ab', 'c', '', Buffer.from('x'));
    assert.throws(() => keyring.open('a', 'bc', '', sealed), { code: 'INTERNAL' });
  });

  it('refuses a value with any bit changed', () => {
    const sealed = keyring.seal('org', 'purpose', 'context', Buffer.from('value'));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.throws(() => keyring.open('org', 'purpose', 'context', changed), { code: 'INTERNAL' });
    }
    assert.throws(() => keyring.open('org', 'purpose', 'context', sealed.subarray(0, 12)), { code: 'INTERNAL' });
  });

  it('binds a data key to its organisation and owner', () => {
    const { key, wrapped } = keyring.createDataKey('org', 'alice');
    assert.ok(keyring.unwrapDataKey('org', 'alice', wrapped).equals(key));
    assert.throws(() => keyring.unwrapDataKey('org', 'bob', wrapped), { code: 'INTERNAL' });
    assert.throws(() => keyring.unwrapDataKey('other', 'alice', wrapped), { code: 'INTERNAL' });
    const other = openKeyring({ masterKey: randomBytes(32) });
    assert.throws(() => other.unwrapDataKey('org', 'alice', wrapped), { code: 'INTERNAL' });
  });

  it('demands a master key of 32 bytes', () => {
    for (const bytes of [0, 16, 31, 33]) {
      assert.throws(() => openKeyring({ masterKey: randomBytes(bytes) }), { code: 'INTERNAL' });
    }
  });
});
