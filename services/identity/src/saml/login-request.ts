/** The sign-in requests we send, built by samlify and signed by us; it never sees a message we receive. */
import { IdentityProvider, ServiceProvider, setSchemaValidator } from 'samlify';

import type { MessageFacet } from './facet/facet-store.ts';
import { HTTP_POST, HTTP_REDIRECT } from './metadata/sp-metadata.ts';
import { acsUrlOf, entityIdOf, type SamlServiceProvider } from './service-provider.ts';
import { signedAddress } from './sign.ts';
import { NAME_ID_UNSPECIFIED } from './verify/names.ts';

// samlify insists on a validator for what it reads. Should it ever be asked to read, it is refused.
setSchemaValidator({ validate: () => Promise.reject(new TypeError('samlify reads nothing here')) });

/** A sign-in that is about to be asked for. */
export interface LoginRequest {
  /** xs:ID; what the answer names it by. */
  readonly id: string;
  readonly relayState: string;
  /** The person is to sign in anew, whatever session the IdP has (Core §3.4.1). */
  readonly forceAuthn: boolean;
}

/** Both ends of one connection as samlify knows them: it writes and reads metadata of them when they are made. */
interface Ends {
  readonly sp: ReturnType<typeof ServiceProvider>;
  readonly idp: ReturnType<typeof IdentityProvider>;
  /** Of the request being built; building does not wait for anything. */
  id: string;
}

type Addresses = Record<'entityId' | 'acsUrl' | 'idpEntityId' | 'ssoUrl', string>;

/** Connections whose ends are kept: making them takes twenty times as long as a request. */
const MAX_KEPT = 500;
const kept = new Map<string, Ends>();

const makeEnds = ({ entityId, acsUrl, idpEntityId, ssoUrl }: Addresses): Ends => {
  // Neither end is told to sign: what is signed, and with which of our keys, is not samlify's to know.
  const settings = {
    entityID: entityId,
    authnRequestsSigned: false,
    wantAssertionsSigned: true,
    nameIDFormat: [NAME_ID_UNSPECIFIED],
    allowCreate: true, // The IdP may make up a persistent name for us at the first login.
    assertionConsumerService: [{ Binding: HTTP_POST, Location: acsUrl }],
    generateID: () => ends.id,
  };
  const ends: Ends = {
    id: '',
    sp: ServiceProvider(settings),
    idp: IdentityProvider({
      entityID: idpEntityId,
      wantAuthnRequestsSigned: false,
      singleSignOnService: [{ Binding: HTTP_REDIRECT, Location: ssoUrl }],
      // Never used: without one samlify complains on the console at every request.
      singleLogoutService: [{ Binding: HTTP_REDIRECT, Location: ssoUrl }],
    }),
  };
  return ends;
};

const endsOf = (addresses: Addresses): Ends => {
  const key = JSON.stringify(addresses);
  const ends = kept.get(key) ?? makeEnds(addresses);
  // Written anew each time, so that the order of the map is the order of use.
  kept.delete(key);
  kept.set(key, ends);
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  return ends;
};

/**
 * The address that sends a browser to the IdP with an AuthnRequest (HTTP-Redirect, signed if the facet says so).
 * @see SAML Core 2.0 §3.4.1, SAML Bindings 2.0 §3.4
 */
export const loginRequestUrl = (
  sp: SamlServiceProvider,
  facet: Pick<MessageFacet, 'connectionId' | 'idpEntityId' | 'ssoUrl' | 'signRequests'>,
  { id, relayState, forceAuthn }: LoginRequest,
): string => {
  const ends = endsOf({
    entityId: entityIdOf(sp, facet.connectionId),
    acsUrl: acsUrlOf(sp, facet.connectionId),
    idpEntityId: facet.idpEntityId,
    ssoUrl: facet.ssoUrl,
  });
  ends.id = id;
  const options = { relayState, ...(forceAuthn ? { forceAuthn } : {}) };
  const { context: address } = ends.sp.createLoginRequest(ends.idp, 'redirect', options);
  return facet.signRequests ? signedAddress(address, 'SAMLRequest', sp.signing) : address;
};
