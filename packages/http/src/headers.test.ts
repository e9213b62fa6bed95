import assert from 'node:assert/strict';

import { contentSecurityPolicy, securityHeaders } from './headers.ts';
import { escapeHtml } from './problem.ts';

describe('security headers', () => {
  it('promise https only where the public origin is https', () => {
    assert.equal(securityHeaders(false)('api')['strict-transport-security'], undefined);
    assert.match(
      securityHeaders(true)('browser')['strict-transport-security'] ?? '',
      /^max-age=\d{8}; includeSubDomains$/,
    );
  });

  it('keep inline scripts out, except those named by hash', () => {
    const policy = contentSecurityPolicy({ formAction: ['https://idp.example'], scriptHashes: ['sha256-abc'] });
    assert.ok(policy.includes("script-src 'self' 'sha256-abc'"));
    assert.ok(policy.includes("form-action 'self' https://idp.example"));
    assert.ok(policy.includes("default-src 'none'") && policy.includes("base-uri 'none'"));
  });

  it('keep pages apart from other windows, from the referrer of strangers and from the device', () => {
    const headers = securityHeaders(true)('browser');
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['referrer-policy'], 'same-origin');
    assert.match(headers['permissions-policy'] ?? '', /camera=\(\).*publickey-credentials-get=\(self\)/);
    assert.equal(headers['cache-control'], 'no-store');
  });

  it('refuse sources that would widen the policy', () => {
    for (const source of [
      "'unsafe-inline'",
      'https://a; script-src *',
      '*',
      'https:',
      'data:',
      'https://a https://b',
      "'self'",
    ]) {
      assert.throws(() => contentSecurityPolicy({ formAction: [source] }), { code: 'INVALID_VALUE' }, source);
      assert.throws(() => contentSecurityPolicy({ imgSrc: [source] }), { code: 'INVALID_VALUE' }, source);
      assert.throws(() => contentSecurityPolicy({ scriptHashes: [source] }), { code: 'INVALID_VALUE' }, source);
    }
  });
});

describe('escapeHtml', () => {
  it('leaves nothing that could end text or an attribute', () => {
    assert.equal(escapeHtml(`<a href="x" id='y'>&amp;`), '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;');
  });
});
