import assert from 'node:assert/strict';

import { accountBinding, signInBinding } from './challenges.ts';

const OWNER = { orgId: 'o1', accountId: 'a1', epoch: 1n };

describe('What a passkey ceremony is bound to', () => {
  it('is the purpose, the account in its epoch, and where it was begun: each apart', () => {
    const bindings = [
      accountBinding('register', OWNER, 'session:1'),
      accountBinding('verify', OWNER, 'session:1'),
      accountBinding('register', { ...OWNER, orgId: 'o2' }, 'session:1'),
      accountBinding('register', { ...OWNER, accountId: 'a2' }, 'session:1'),
      accountBinding('register', { ...OWNER, epoch: 2n }, 'session:1'),
      accountBinding('register', OWNER, 'session:2'),
      signInBinding('session:1'),
      signInBinding('session:2'),
    ].map((binding) => binding.toString('hex'));
    assert.equal(new Set(bindings).size, bindings.length);
    assert.equal(accountBinding('register', { ...OWNER }, 'session:1').toString('hex'), bindings[0]);
  });

  it('takes no two lists of parts for one', () => {
    const [one, other] = [
      accountBinding('verify', { ...OWNER, orgId: 'o', accountId: '1:a' }, 'x'),
      accountBinding('verify', { ...OWNER, orgId: 'o1:', accountId: 'a' }, 'x'),
    ];
    assert.notDeepEqual(one, other);
  });
});
