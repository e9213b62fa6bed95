import assert from 'node:assert/strict';

import fc from 'fast-check';

import { serviceIdentity, serviceUri } from './peer-identity.ts';

/** As Node prints a SAN value: JSON-quoted when it holds a quote, a comma or a control character (CVE-2021-44532). */
const printed = (value: string): string =>
  /^[\u0020-\u007e]*$/.test(value) && !/[",']/.test(value) ? value : JSON.stringify(value);

describe('serviceIdentity', () => {
  it('finds the service of the one URI name, among names of other kinds', () => {
    assert.equal(serviceIdentity('URI:spiffe://localhost/service/flags', 'localhost'), 'flags');
    assert.equal(
      serviceIdentity('DNS:localhost, IP Address:127.0.0.1, URI:spiffe://a.example/service/policy', 'a.example'),
      'policy',
    );
  });

  it('refuses several URI names, also when they agree (SPIFFE X.509-SVID §2)', () => {
    const uri = 'URI:spiffe://localhost/service/flags';
    assert.equal(serviceIdentity(`${uri}, ${uri}`, 'localhost'), null);
    assert.equal(serviceIdentity(`${uri}, URI:https://example.com`, 'localhost'), null);
  });

  for (const [what, names] of [
    ['no names', undefined],
    ['an empty list', ''],
    ['another trust domain', 'URI:spiffe://elsewhere/service/flags'],
    ['a trust domain that only begins alike', 'URI:spiffe://localhost.evil/service/flags'],
    ['another scheme', 'URI:https://localhost/service/flags'],
    ['another path', 'URI:spiffe://localhost/workload/flags'],
    ['a deeper path', 'URI:spiffe://localhost/service/flags/x'],
    ['no service name', 'URI:spiffe://localhost/service/'],
    ['capitals', 'URI:spiffe://localhost/service/Flags'],
    ['a query', 'URI:spiffe://localhost/service/flags?x'],
    ['a name of another kind', 'DNS:spiffe://localhost/service/flags'],
    ['a quoted URI', 'URI:"spiffe://localhost/service/flags"'],
    ['text that is no list', 'spiffe://localhost/service/flags'],
    ['an unclosed quote', 'DNS:"a, URI:spiffe://localhost/service/flags'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.equal(serviceIdentity(names, 'localhost'), null);
    });
  }

  it('cannot be talked into an identity by any other name of the certificate (CVE-2021-44532)', () => {
    const type = fc.constantFrom('DNS', 'IP Address', 'email', 'DirName', 'Registered ID', 'othername');
    const lure = fc.constantFrom('URI:spiffe://localhost/service/flags', '", URI:spiffe://localhost/service/flags');
    const value = fc.oneof(
      fc.string(),
      fc.tuple(fc.string(), lure, fc.string()).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(type, value), { maxLength: 5 }), (names) => {
        const text = names.map(([kind, name]) => `${kind}:${printed(name)}`).join(', ');
        assert.equal(serviceIdentity(text, 'localhost'), null);
        const withOurs = [
          ...names.map(([kind, name]) => `${kind}:${printed(name)}`),
          'URI:spiffe://localhost/service/a',
        ];
        assert.equal(serviceIdentity(withOurs.join(', '), 'localhost'), 'a');
      }),
    );
  });

  it('reads what serviceUri writes', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/), (name) => {
        assert.equal(serviceIdentity(`URI:${serviceUri('prod.example', name)}`, 'prod.example'), name);
      }),
    );
  });
});
