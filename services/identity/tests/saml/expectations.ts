import type { Expectations } from '../../src/saml/verify/login.ts';
import type { ResponseOptions, SigningKey } from './idp.ts';

export const IDP = 'https://idp.example/saml';
export const SP = 'https://sp.example/saml';
export const ACS = 'https://sp.example/saml/c1/acs';

/** What the strict layer expects in the tests that need no service: an IdP with one key. */
export const expectationsOf = (idp: SigningKey, nowMs: number, over: Partial<Expectations> = {}): Expectations => ({
  idpEntityId: IDP,
  spEntityId: SP,
  acsUrl: ACS,
  certificates: [idp.cert],
  requireSignedResponse: false,
  requireSignedAssertion: false,
  allowUnsolicited: false,
  maxAuthenticationAgeMs: null,
  nowMs,
  ...over,
});

/** A response that meets them. */
export const expectedResponse = (idp: SigningKey, now: number): ResponseOptions => ({
  now,
  issuer: IDP,
  audience: SP,
  acsUrl: ACS,
  inResponseTo: '_request1',
  signing: { with: idp },
});
