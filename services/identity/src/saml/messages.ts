/** The sign-in requests we send, built by samlify; it never sees a message we receive. */
import { IdentityProvider, ServiceProvider, setSchemaValidator } from 'samlify';

import type { SamlFacet } from './facet/facet-store.ts';
import { acsUrlOf, entityIdOf, type SamlServiceProvider } from './service-provider.ts';
import { RSA_SHA256 } from './sign.ts';
import { HTTP_POST, HTTP_REDIRECT } from './metadata/sp-metadata.ts';

const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';

// samlify insists on a validator for what it reads. Should it ever be asked to read, it is refused.
setSchemaValidator({ validate: () => Promise.reject(new TypeError('samlify reads nothing here')) });

interface RequestOptions {
  readonly id: string;
  readonly signed: boolean;
}

const serviceProvider = (sp: SamlServiceProvider, connectionId: string, { id, signed }: RequestOptions) => {
  const settings = {
    entityID: entityIdOf(sp, connectionId),
    authnRequestsSigned: signed,
    wantAssertionsSigned: true,
    signingCert: sp.signing.certificate,
    privateKey: sp.signing.privateKey,
    requestSignatureAlgorithm: RSA_SHA256,
    nameIDFormat: [UNSPECIFIED],
    allowCreate: true, // The IdP may make up a persistent name for us at the first login.
    assertionConsumerService: [{ Binding: HTTP_POST, Location: acsUrlOf(sp, connectionId) }],
    generateID: () => id,
  };
  return ServiceProvider(settings);
};

/**
 * The address that sends a browser to the IdP with a request of this ID (HTTP-Redirect, signed if the facet says so).
 * @see SAML Bindings 2.0 §3.4
 */
export const loginRequestUrl = (
  sp: SamlServiceProvider,
  facet: SamlFacet,
  request: {
    readonly id: string;
    readonly relayState: string;
    /** The person is to sign in anew, whatever session the IdP has (Core §3.4.1). */
    readonly forceAuthn: boolean;
  },
): string => {
  // samlify demands that both sides agree on signing; what counts is what the facet says, whatever the metadata wished.
  const idp = IdentityProvider({
    entityID: facet.idpEntityId,
    wantAuthnRequestsSigned: facet.signRequests,
    singleSignOnService: [{ Binding: HTTP_REDIRECT, Location: facet.ssoUrl }],
    // Never used: without one samlify complains on the console at every request.
    singleLogoutService: [{ Binding: HTTP_REDIRECT, Location: facet.ssoUrl }],
  });
  const entity = serviceProvider(sp, facet.connectionId, { id: request.id, signed: facet.signRequests });
  return entity.createLoginRequest(idp, 'redirect', {
    relayState: request.relayState,
    ...(request.forceAuthn ? { forceAuthn: true } : {}),
  }).context;
};
