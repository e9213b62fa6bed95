/** Config OP: the discovery document. Names and source: plans.ts. */
import assert from 'node:assert/strict';

import { startIdentity } from '../support/identity.ts';
import type { ConfigModule } from './plans.ts';
import { conforms, type Modules } from './stage.ts';

const REQUIRED = ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri'];
/** Members of a JWK that nobody but its owner may see (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const assertIncludes = (document: Record<string, unknown>, name: string, values: readonly string[]): void => {
  const found = document[name];
  assert.ok(Array.isArray(found), name);
  for (const value of values) assert.ok(found.includes(value), `${name} without ${value}`);
};

export const configOp: Modules<ConfigModule> = {
  'oidcc-discovery-endpoint-verification': conforms('OIDC Discovery §3, §4.2, §4.3, RFC 8414 §2', async (stage) => {
    const document = await stage.discovery();
    assert.equal(document['issuer'], stage.issuer);
    assert.deepEqual(document['response_types_supported'], ['code']); // Implicit and hybrid are off (RFC 9700 §2.1.2).
    assertIncludes(document, 'subject_types_supported', ['public']);
    assertIncludes(document, 'id_token_signing_alg_values_supported', ['RS256']);
    assertIncludes(document, 'grant_types_supported', ['authorization_code']);
    assertIncludes(document, 'scopes_supported', ['openid']);
    assertIncludes(document, 'claims_supported', ['sub', 'iss', 'auth_time', 'acr', 'name', 'email']);
    assert.deepEqual(document['code_challenge_methods_supported'], ['S256']);
    assertIncludes(document, 'token_endpoint_auth_methods_supported', ['client_secret_basic', 'client_secret_post']);
    assert.ok((document['scopes_supported'] as string[]).every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)));
    assert.equal(document['claims_parameter_supported'], false);
    assert.equal(document['request_parameter_supported'] ?? false, false);
    assert.equal(document['request_uri_parameter_supported'], false); // Absent would mean true.
    assert.equal(document['registration_endpoint'], undefined); // Applications are registered in our API.
    const { keys } = (await (await fetch(String(document['jwks_uri']))).json()) as { keys: Record<string, unknown>[] };
    assert.ok(keys.length > 0);
    for (const key of keys) {
      assert.ok(['RSA', 'EC'].includes(String(key['kty'])) && key['use'] === 'sig' && typeof key['kid'] === 'string');
      for (const member of PRIVATE) assert.equal(member in key, false, member);
    }
    assert.equal(new Set(keys.map(({ kid }) => kid)).size, keys.length);
    // As it is served to the world: every address is https, whatever the last hop is.
    const identity = await startIdentity({ config: { publicOrigin: 'https://login.example' } });
    try {
      const url = `http://127.0.0.1:${identity.server.httpPort}/oidc/.well-known/openid-configuration`;
      const served = (await (await fetch(url)).json()) as Record<string, unknown>;
      for (const name of REQUIRED) assert.equal(typeof served[name], 'string', name);
      for (const [name, value] of Object.entries(served)) {
        if (name === 'issuer' || name.endsWith('_endpoint') || name.endsWith('_uri'))
          assert.ok(String(value).startsWith('https://login.example/oidc'), name);
      }
    } finally {
      await identity.close();
    }
  }),
};
