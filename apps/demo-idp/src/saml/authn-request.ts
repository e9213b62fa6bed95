import { inflateRawSync } from 'node:zlib';
import { DemoIdpError } from '../errors.ts';
import type { SamlTarget } from '../state/state.ts';
import { childrenNamed, readXml } from './xml-reader.ts';

const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const POST_BINDING = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST';

const MAX_PARAMETER_CHARACTERS = 16 * 1024;
const MAX_INFLATED_BYTES = 64 * 1024;
const MINUTE_MS = 60_000;
const MAX_AGE_MS = 10 * MINUTE_MS;
const SKEW_MS = MINUTE_MS;

/** What a service provider asked for. */
export interface AuthnRequest {
  readonly id: string;
  readonly issuer: string;
  readonly issueInstant: Date;
  readonly destination: string | null;
  readonly acsUrl: string | null;
  readonly protocolBinding: string | null;
  readonly forceAuthn: boolean;
  readonly isPassive: boolean;
  readonly requestedClasses: readonly string[];
}

/** Decodes the `SAMLRequest` of the redirect binding. @see SAML Bindings §3.4.4.1 @throws SAML_REQUEST_REFUSED */
export function decodeRedirectRequest(parameter: string): string {
  try {
    const compressed = decodeBase64(parameter);
    return inflateRawSync(compressed, { maxOutputLength: MAX_INFLATED_BYTES }).toString('utf8');
  } catch (cause) {
    throw new DemoIdpError('SAML_REQUEST_REFUSED', 'SAMLRequest is not a deflated message.', { cause });
  }
}

/** Decodes the `SAMLRequest` of the POST binding. @see SAML Bindings §3.5.4 @throws SAML_REQUEST_REFUSED */
export function decodePostRequest(parameter: string): string {
  return decodeBase64(parameter).toString('utf8');
}

/** Reads an AuthnRequest. @throws XML_REFUSED, SAML_REQUEST_REFUSED. @see SAML Core §3.4.1 */
export function parseAuthnRequest(xml: string): AuthnRequest {
  const root = readXml(xml);
  const attribute = (name: string): string | null => root.attributes.get(name) ?? null;
  if (root.namespace !== PROTOCOL || root.name !== 'AuthnRequest') throw refused('is not an AuthnRequest');
  if (attribute('Version') !== '2.0') throw refused('is not SAML 2.0');
  const id = attribute('ID') ?? '';
  if (!/^[A-Za-z_][\w.-]{0,255}$/.test(id)) throw refused('has no usable ID');
  const issueInstant = new Date(attribute('IssueInstant') ?? '');
  if (Number.isNaN(issueInstant.getTime())) throw refused('has no IssueInstant');
  const [issuer, ...others] = childrenNamed(root, ASSERTION, 'Issuer');
  if (issuer === undefined || others.length > 0) throw refused('needs exactly one Issuer');
  const [requested] = childrenNamed(root, PROTOCOL, 'RequestedAuthnContext');
  const classes = requested === undefined ? [] : childrenNamed(requested, ASSERTION, 'AuthnContextClassRef');
  return {
    id,
    issuer: issuer.text.trim(),
    issueInstant,
    destination: attribute('Destination'),
    acsUrl: attribute('AssertionConsumerServiceURL'),
    protocolBinding: attribute('ProtocolBinding'),
    forceAuthn: isTrue(attribute('ForceAuthn')),
    isPassive: isTrue(attribute('IsPassive')),
    requestedClasses: classes.map((one) => one.text.trim()),
  };
}

/**
 * Refuses a request that is not this service provider's, not for us, or not fresh.
 * 1. Issuer is the configured entity id. 2. Destination, when given, is our endpoint. 3. The assertion
 * consumer service, when given, is the configured one: a response never goes anywhere else.
 * 4. The response binding is POST. 5. The request is at most ten minutes old and not from the future.
 * @throws SAML_REQUEST_REFUSED naming the rule.
 */
export function checkAuthnRequest(request: AuthnRequest, target: SamlTarget, ssoUrl: string, now: Date): void {
  if (request.issuer !== target.spEntityId) throw refused('comes from an unknown service provider (Issuer)');
  if (request.destination !== null && request.destination !== ssoUrl)
    throw refused('is meant for another address (Destination)');
  if (request.acsUrl !== null && request.acsUrl !== target.acsUrl) {
    throw refused('wants the answer at an address that is not configured (AssertionConsumerServiceURL)');
  }
  if (request.protocolBinding !== null && request.protocolBinding !== POST_BINDING) {
    throw refused('wants a response binding other than HTTP-POST (ProtocolBinding)');
  }
  const ageMs = now.getTime() - request.issueInstant.getTime();
  if (ageMs > MAX_AGE_MS || ageMs < -SKEW_MS) throw refused('is not fresh (IssueInstant)');
}

function decodeBase64(parameter: string): Buffer {
  if (parameter.length > MAX_PARAMETER_CHARACTERS || !/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(parameter)) {
    throw refused('is not base64 or too large');
  }
  return Buffer.from(parameter, 'base64');
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}

function refused(why: string): DemoIdpError {
  return new DemoIdpError('SAML_REQUEST_REFUSED', `The sign-in request ${why}.`);
}
