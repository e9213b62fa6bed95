import assert from 'node:assert/strict';

import { ConfigError } from '@sallyport/config';

import { readPolicyConfig } from './config.ts';

const FILE = import.meta.filename;
const ENVIRONMENT = {
  SALLYPORT_DATABASE_URL: 'postgres://sallyport_policy:secret@localhost/sallyport',
  SALLYPORT_TLS_CA_FILE: FILE,
  SALLYPORT_TLS_CERT_FILE: FILE,
  SALLYPORT_TLS_KEY_FILE: FILE,
  SALLYPORT_MASTER_KEY_FILE: FILE,
  SALLYPORT_IDENTITY_GRPC: 'localhost:9001',
};

describe('settings of policy', () => {
  it('have the defaults of the design: a lease of one second, renewed every 200 ms', () => {
    const config = readPolicyConfig(ENVIRONMENT);
    assert.deepEqual([config.leaseTtlMs, config.leaseRenewalMs], [1_000, 200]);
  });

  it('refuse a renewal that a lost message or two would turn into an outage, and a lease beyond the bound', () => {
    for (const [ttl, renewal] of [
      ['1s', '300ms'],
      ['600ms', '200ms'],
      ['6s', '200ms'],
      ['200ms', '50ms'],
    ]) {
      const environment = { ...ENVIRONMENT, SALLYPORT_LEASE_TTL: ttl, SALLYPORT_LEASE_RENEWAL: renewal };
      assert.throws(() => readPolicyConfig(environment), ConfigError, `${String(ttl)} ${String(renewal)}`);
    }
  });

  it('never show the database password', () => {
    assert.ok(!JSON.stringify(readPolicyConfig(ENVIRONMENT)).includes('secret@'));
  });
});
