import type { Bootstrap } from '@sallyport/dev-env';
import { bearer, DemoIdp, expectStatus, Person, RelyingParty, type Caller } from '@sallyport/dev-env/actors';

const REDIRECT_URI = 'http://localhost:1/callback';
const DAY_MS = 24 * 60 * 60 * 1000;

/** Everybody who plays in the demo. */
export interface Cast {
  readonly bootstrap: Bootstrap;
  readonly idp: DemoIdp;
  readonly owner: Person;
  /** Developer: whose access will end. */
  readonly dana: Person;
  /** Release managers: one asks, the other approves. */
  readonly ravi: Person;
  readonly rosa: Person;
  /** Reads the record. */
  readonly otto: Person;
}

export const castOf = (bootstrap: Bootstrap): Cast => {
  const person = (name: string): Person => new Person(bootstrap.origin, `${name}@acme.example`);
  return {
    bootstrap,
    idp: new DemoIdp(bootstrap.idp.url),
    owner: new Person(bootstrap.origin, bootstrap.owner.email),
    dana: person('dana'),
    ravi: person('ravi'),
    rosa: person('rosa'),
    otto: person('otto'),
  };
};

/** An application of the company that signs people in through Sallyport. */
export const registerApplication = async (cast: Cast): Promise<RelyingParty> => {
  const client = await expectStatus(cast.owner, 201, 'POST', '/api/identity/v1/oauth-clients', {
    name: 'Demo application',
    // Its tokens are used at Sallyport's own API, to show that they die there too.
    apiAccess: true,
    redirectUris: [REDIRECT_URI],
  });
  return new RelyingParty(cast.bootstrap.oidc.issuer, {
    clientId: String(client['clientId']),
    clientSecret: String(client['clientSecret']),
    redirectUri: REDIRECT_URI,
  });
};

/** When tokens of the demo end. */
export const inADay = (now: Date): Date => new Date(now.getTime() + DAY_MS);

/** Asks policy over AuthZEN, as a policy enforcement point of somebody else's would. */
export const authzen = (bootstrap: Bootstrap): Caller =>
  bearer(new URL(bootstrap.policy.authzenUrl).origin, bootstrap.policy.token);

export const FLAG = 'new-checkout';
const PROJECT = '/api/flags/v1/projects/storefront';

export const flagPath = (environment: string): string => `${PROJECT}/flags/${FLAG}/environments/${environment}`;
export const changePath = (change: string, action: string): string => `${PROJECT}/changes/${change}/${action}`;
export const projectPath = PROJECT;
