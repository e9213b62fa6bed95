/** People and machines whose clicks are scripted: for the demo and for tests that cross services. */
export { Authenticator, type Deviation } from './authenticator.ts';
export { bearer, expectStatus, listAll, patient, Person, SESSION_COOKIE, type Answer, type Caller } from './person.ts';
export { fromBase32, totpCode } from './totp.ts';
export { WebClient, type Page, type WebRequest } from './web-client.ts';
export { DemoIdp, type IdpPerson } from './demo-idp.ts';
export { holdEverything, issueApiToken, type HoldingsScene } from './holdings.ts';
export { RelyingParty, type Tokens } from './relying-party.ts';
export {
  measureRevocation,
  type CredentialClass,
  type Holdings,
  type RevocationMeasurement,
  type RevocationTimes,
  type Use,
} from './revocation.ts';
