import assert from 'node:assert/strict';

import { hashPassword, verifyPassword } from './password.ts';

describe('password', () => {
  it('accepts the password it hashed and no other (RFC 9106)', async () => {
    const stored = await hashPassword('correct horse battery');
    assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.equal(await verifyPassword('correct horse battery', stored), true);
    assert.equal(await verifyPassword('correct horse batterz', stored), false);
  });

  it('salts: the same password never hashes to the same text twice', async () => {
    assert.notEqual(await hashPassword('correct horse battery'), await hashPassword('correct horse battery'));
  });

  it('treats composed and decomposed characters alike (NIST SP 800-63B-4 §3.1.1.2)', async () => {
    const stored = await hashPassword('schl\u00fcsselbund-7');
    assert.equal(await verifyPassword('schlu\u0308sselbund-7', stored), true);
  });

  it('refuses short and oversized passwords', async () => {
    await assert.rejects(hashPassword('short'), { code: 'INVALID_VALUE' });
    await assert.rejects(hashPassword('x'.repeat(1025)), { code: 'INVALID_VALUE' });
    assert.equal(await verifyPassword('x'.repeat(1025), null), false);
  });

  it('answers false for a missing or unreadable hash', async () => {
    assert.equal(await verifyPassword('correct horse battery', null), false);
    assert.equal(await verifyPassword('correct horse battery', '$2b$10$abcdefghijklmnopqrstuv'), false);
    assert.equal(await verifyPassword('', '$argon2id$v=19$m=19456,t=2,p=1$$'), false);
  });
});
