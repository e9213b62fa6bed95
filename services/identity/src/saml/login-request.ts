import type { MessageFacet } from './facet/facet-store.ts';
import { HTTP_POST } from './metadata/sp-metadata.ts';
import { acsUrlOf, entityIdOf, type SamlServiceProvider } from './service-provider.ts';
import { redirectAddress, signedRedirect } from './sign.ts';
import { NAME_ID_UNSPECIFIED, SAML, SAMLP } from './verify/names.ts';
import { element, text } from './xml/write.ts';

/** A sign-in that is about to be asked for. */
export interface LoginRequest {
  /** xs:ID; what the answer names it by. */
  readonly id: string;
  readonly relayState: string;
  /** The person is to sign in anew, whatever session the IdP has (Core §3.4.1). */
  readonly forceAuthn: boolean;
  readonly now: Date;
}

/**
 * The address that sends a browser to the IdP with an AuthnRequest (HTTP-Redirect, signed if the facet says so).
 * @see SAML Core 2.0 §3.4.1, SAML Bindings 2.0 §3.4
 */
export const loginRequestUrl = (
  sp: SamlServiceProvider,
  facet: Pick<MessageFacet, 'connectionId' | 'ssoUrl' | 'signRequests'>,
  request: LoginRequest,
): string => {
  const attributes = {
    'xmlns:samlp': SAMLP,
    ID: request.id,
    Version: '2.0',
    IssueInstant: request.now.toISOString(),
    Destination: facet.ssoUrl,
    ForceAuthn: request.forceAuthn ? 'true' : null,
    ProtocolBinding: HTTP_POST,
    AssertionConsumerServiceURL: acsUrlOf(sp, facet.connectionId),
  };
  const issuer = element('saml:Issuer', { 'xmlns:saml': SAML }, text(entityIdOf(sp, facet.connectionId)));
  // The IdP may make up a persistent name for us at the first login.
  const policy = element('samlp:NameIDPolicy', { Format: NAME_ID_UNSPECIFIED, AllowCreate: 'true' });
  const xml = element('samlp:AuthnRequest', attributes, issuer, policy);
  const content = { parameter: 'SAMLRequest', xml, relayState: request.relayState } as const;
  return facet.signRequests
    ? signedRedirect(facet.ssoUrl, content, sp.signing)
    : redirectAddress(facet.ssoUrl, content);
};
