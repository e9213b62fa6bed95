/**
 * The logout messages we send, signed in either binding.
 * @see SAML Core 2.0 §3.7, SAML Bindings 2.0 §3.4-§3.5
 */
import { randomBytes } from 'node:crypto';

import type { LogoutEndpoint } from '../facet/facet-store.ts';
import { entityIdOf, type SamlServiceProvider } from '../service-provider.ts';
import { signedDocument, signedRedirect } from '../sign.ts';
import type { SamlSubject } from './subject-key.ts';
import { NAME_ID_UNSPECIFIED, SAML, SAMLP, STATUS_RESPONDER, STATUS_SUCCESS } from '../verify/names.ts';
import { element, nothing, text, type CanonicalXml } from '../xml/write.ts';

/** How a message gets to the IdP: an address to go to, or a form to post. */
export type Outgoing =
  | { readonly binding: 'redirect'; readonly location: string }
  | { readonly binding: 'post'; readonly action: string; readonly fields: Readonly<Record<string, string>> };

interface Envelope {
  readonly sp: SamlServiceProvider;
  readonly connectionId: string;
  readonly endpoint: LogoutEndpoint;
  readonly now: Date;
}

/** A fresh ID of a message of ours. */
export const newMessageId = (): string => `_${randomBytes(20).toString('hex')}`;

const MINUTE_MS = 60_000;
/** How long an IdP may take our request. */
const REQUEST_LIFETIME_MS = 5 * MINUTE_MS;

/** Asks the IdP to end its session of somebody who has signed out here. */
export const logoutRequest = (
  envelope: Envelope,
  request: { readonly id: string; readonly subject: SamlSubject; readonly sessionIndex: string | null },
): Outgoing => {
  const { nameId } = request.subject;
  const { now } = envelope;
  const given = (value: string): string | null => (value === '' ? null : value);
  const name = element(
    'saml:NameID',
    {
      'xmlns:saml': SAML,
      Format: nameId.format === NAME_ID_UNSPECIFIED ? null : nameId.format,
      NameQualifier: given(nameId.nameQualifier),
      SPNameQualifier: given(nameId.spNameQualifier),
    },
    text(nameId.value),
  );
  const { sessionIndex } = request;
  const index = sessionIndex === null ? nothing : element('samlp:SessionIndex', {}, text(sessionIndex));
  const message: Message = {
    name: 'LogoutRequest',
    id: request.id,
    destination: envelope.endpoint.url,
    more: { NotOnOrAfter: new Date(now.getTime() + REQUEST_LIFETIME_MS).toISOString() },
    content: [name, index],
    relayState: null,
  };
  return sent(envelope, message);
};

/** Answers a logout request of the IdP. */
export const logoutResponse = (
  envelope: Envelope,
  answer: { readonly inResponseTo: string; readonly succeeded: boolean; readonly relayState: string | null },
): Outgoing => {
  const code = element('samlp:StatusCode', { Value: answer.succeeded ? STATUS_SUCCESS : STATUS_RESPONDER });
  const message: Message = {
    name: 'LogoutResponse',
    id: newMessageId(),
    destination: envelope.endpoint.responseUrl ?? envelope.endpoint.url,
    more: { InResponseTo: answer.inResponseTo },
    content: [element('samlp:Status', {}, code)],
    relayState: answer.relayState,
  };
  return sent(envelope, message);
};

interface Message {
  readonly name: 'LogoutRequest' | 'LogoutResponse';
  readonly id: string;
  readonly destination: string;
  readonly more: Readonly<Record<string, string>>;
  readonly content: readonly CanonicalXml[];
  readonly relayState: string | null;
}

const sent = ({ sp, connectionId, endpoint, now }: Envelope, message: Message): Outgoing => {
  const attributes = {
    'xmlns:samlp': SAMLP,
    ID: message.id,
    Version: '2.0',
    IssueInstant: now.toISOString(),
    Destination: message.destination,
    ...message.more,
  };
  const issuer = element('saml:Issuer', { 'xmlns:saml': SAML }, text(entityIdOf(sp, connectionId)));
  const write = (signature: CanonicalXml): CanonicalXml =>
    element(`samlp:${message.name}`, attributes, issuer, signature, ...message.content);
  const parameter = message.name === 'LogoutRequest' ? 'SAMLRequest' : 'SAMLResponse';
  const { relayState } = message;
  if (endpoint.binding === 'redirect') {
    const content = { parameter, xml: write(nothing), relayState } as const;
    return { binding: 'redirect', location: signedRedirect(message.destination, content, sp.signing) };
  }
  const xml = signedDocument(write, message.id, sp.signing);
  const fields = {
    [parameter]: Buffer.from(xml, 'utf8').toString('base64'),
    ...(relayState === null ? {} : { RelayState: relayState }),
  };
  return { binding: 'post', action: message.destination, fields };
};
