/**
 * Makes SAML responses for tests, valid ones and every kind of broken one. Canonicalisation is xml-crypto's and the
 * tree xmldom's, so that a mistake in ours cannot be repeated here and pass.
 */
import { createHash, sign } from 'node:crypto';

import { DOMParser, type Element } from '@xmldom/xmldom';
import { ExclusiveCanonicalization } from 'xml-crypto';

export const SHA256_DIGEST = 'http://www.w3.org/2001/04/xmlenc#sha256';
export const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
export const EXC_C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';
export const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const SAMLP = 'urn:oasis:names:tc:SAML:2.0:protocol';
const SAML = 'urn:oasis:names:tc:SAML:2.0:assertion';

export interface SigningKey {
  /** PEM of the private key. */
  readonly key: string;
  readonly cert: string;
}

export interface SignOptions {
  readonly with: SigningKey;
  readonly algorithm?: string;
  readonly digestAlgorithm?: string;
  readonly transforms?: readonly string[];
  readonly c14n?: string;
  readonly reference?: string;
  readonly keyInfo?: string;
  /** Prefixes for the InclusiveNamespaces element of the c14n transform (Okta: `xs`). */
  readonly inclusive?: string;
  readonly extraReference?: boolean;
}

const HASHES = new Map([
  [SHA256_DIGEST, 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
  ['http://www.w3.org/2000/09/xmldsig#sha1', 'sha1'],
  ['http://www.w3.org/2001/04/xmldsig-more#md5', 'md5'],
]);

const hashOfAlgorithm = (uri: string): string => /sha(1|256|384|512)$/.exec(uri)?.[0] ?? 'sha256';

const elementWithId = (xml: string, id: string): Element => {
  const found = [...new DOMParser().parseFromString(xml, 'text/xml').getElementsByTagName('*')].find(
    (element) => element.getAttribute('ID') === id,
  );
  if (found === undefined) throw new Error(`no element with ID ${id}`);
  return found;
};

const canonical = (element: Element, inclusive: string): string =>
  new ExclusiveCanonicalization().process(element as never, {
    inclusiveNamespacesPrefixList: inclusive === '' ? [] : inclusive.split(' '),
    ancestorNamespaces: inclusive === '' ? [] : ancestorNamespacesOf(element),
  });

const ancestorNamespacesOf = (element: Element): { prefix: string; namespaceURI: string }[] => {
  const found: { prefix: string; namespaceURI: string }[] = [];
  for (let node = element.parentNode; node !== null && 'attributes' in node; node = node.parentNode) {
    for (const attribute of (node as Element).attributes) {
      if (attribute.prefix === 'xmlns')
        found.push({ prefix: attribute.localName ?? '', namespaceURI: attribute.value });
    }
  }
  return found;
};

/** A detached signature element over the element with this ID, as its enveloped signature would be. */
export const signatureFor = (xml: string, id: string, options: SignOptions): string => {
  const digestAlgorithm = options.digestAlgorithm ?? SHA256_DIGEST;
  const algorithm = options.algorithm ?? RSA_SHA256;
  const c14n = options.c14n ?? EXC_C14N;
  const inclusive = options.inclusive ?? '';
  const bytes = canonical(elementWithId(xml, id), inclusive);
  const digest = createHash(HASHES.get(digestAlgorithm) ?? 'sha256')
    .update(bytes)
    .digest('base64');
  const transforms = (options.transforms ?? [ENVELOPED, EXC_C14N])
    .map((uri) =>
      uri === EXC_C14N && inclusive !== ''
        ? `<ds:Transform Algorithm="${uri}"><ec:InclusiveNamespaces xmlns:ec="${EXC_C14N}" PrefixList="${inclusive}"></ec:InclusiveNamespaces></ds:Transform>`
        : `<ds:Transform Algorithm="${uri}"></ds:Transform>`,
    )
    .join('');
  const reference = `<ds:Reference URI="${options.reference ?? `#${id}`}"><ds:Transforms>${transforms}</ds:Transforms><ds:DigestMethod Algorithm="${digestAlgorithm}"></ds:DigestMethod><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference>`;
  const inside = `<ds:CanonicalizationMethod Algorithm="${c14n}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="${algorithm}"></ds:SignatureMethod>${reference}${options.extraReference === true ? reference : ''}`;
  // Written in canonical form, so that these are the bytes SignedInfo canonicalises to.
  const signedInfo = `<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${inside}</ds:SignedInfo>`;
  const value = sign(hashOfAlgorithm(algorithm), Buffer.from(signedInfo), {
    key: options.with.key,
    dsaEncoding: 'ieee-p1363',
  }).toString('base64');
  return `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>${inside}</ds:SignedInfo><ds:SignatureValue>${value}</ds:SignatureValue>${options.keyInfo ?? ''}</ds:Signature>`;
};

/** What a response says. Everything has a valid default; `null` leaves the part out. */
export interface ResponseOptions {
  readonly now: number;
  readonly issuer: string;
  readonly audience: string;
  readonly acsUrl: string;
  readonly inResponseTo: string | null;
  readonly sign?: 'assertion' | 'response' | 'both' | 'none';
  readonly signing: SignOptions;
  readonly assertionId?: string;
  readonly responseId?: string;
  readonly destination?: string | null;
  readonly responseIssuer?: string | null;
  readonly assertionIssuer?: string;
  readonly responseInResponseTo?: string | null;
  readonly recipient?: string | null;
  readonly audiences?: readonly (readonly string[])[];
  readonly nameId?: string;
  readonly nameIdXml?: string;
  readonly nameIdFormat?: string | null;
  readonly status?: string;
  readonly version?: string;
  readonly method?: string;
  readonly issueInstant?: number;
  readonly notBefore?: number | null;
  readonly notOnOrAfter?: number | null;
  readonly confirmationNotOnOrAfter?: number | null;
  readonly authnInstant?: number;
  readonly sessionNotOnOrAfter?: number | null;
  readonly sessionIndex?: string | null;
  readonly conditions?: boolean;
  readonly attributes?: readonly (readonly [string, readonly string[]])[];
  readonly attributesFirst?: boolean;
  readonly prefixes?: { readonly p: string; readonly a: string };
  /** Applied to the assertion once it is signed, before the response is: encryption. */
  readonly seal?: (assertion: string) => string;
  /** Applied to the message text before anything is signed, and after everything is. */
  readonly beforeSigning?: (xml: string) => string;
  readonly afterSigning?: (xml: string) => string;
}

export const iso = (ms: number): string => new Date(ms).toISOString();
const MINUTE = 60_000;
const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const attribute = (name: string, value: string | null): string => (value === null ? '' : ` ${name}="${escape(value)}"`);
const instant = (name: string, ms: number | null): string => attribute(name, ms === null ? null : iso(ms));

const RESPONSE_SIGNATURE = '<sig-response></sig-response>';
const ASSERTION_SIGNATURE = '<sig-assertion></sig-assertion>';

const attributeStatement = (o: ResponseOptions, tag: (name: string) => string): string => {
  const attributes = o.attributes ?? [];
  if (attributes.length === 0) return '';
  const rows = attributes.map(([name, values]) => {
    const inner = values
      .map((value) => `<${tag('AttributeValue')}>${escape(value)}</${tag('AttributeValue')}>`)
      .join('');
    return `<${tag('Attribute')} Name="${escape(name)}">${inner}</${tag('Attribute')}>`;
  });
  return `<${tag('AttributeStatement')}>${rows.join('')}</${tag('AttributeStatement')}>`;
};

const assertionXml = (o: ResponseOptions): string => {
  const prefix = o.prefixes?.a ?? 'saml';
  const t = (name: string): string => (prefix === '' ? name : `${prefix}:${name}`);
  const xmlns = prefix === '' ? `xmlns="${SAML}"` : `xmlns:${prefix}="${SAML}"`;
  const nameId = o.nameIdXml ?? escape(o.nameId ?? '00u1');
  const format = o.nameIdFormat === undefined ? 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' : o.nameIdFormat;
  const confirmationEnd = o.confirmationNotOnOrAfter === undefined ? o.now + 5 * MINUTE : o.confirmationNotOnOrAfter;
  const restrictions = (o.audiences ?? [[o.audience]])
    .map((list) => list.map((audience) => `<${t('Audience')}>${escape(audience)}</${t('Audience')}>`).join(''))
    .map((inner) => `<${t('AudienceRestriction')}>${inner}</${t('AudienceRestriction')}>`)
    .join('');
  const notBefore = o.notBefore === undefined ? o.now - 5 * MINUTE : o.notBefore;
  const notOnOrAfter = o.notOnOrAfter === undefined ? o.now + 5 * MINUTE : o.notOnOrAfter;
  const conditions =
    o.conditions === false
      ? ''
      : `<${t('Conditions')}${instant('NotBefore', notBefore)}${instant('NotOnOrAfter', notOnOrAfter)}>${restrictions}</${t('Conditions')}>`;
  const recipient = o.recipient === undefined ? o.acsUrl : o.recipient;
  const data = `<${t('SubjectConfirmationData')}${attribute('InResponseTo', o.inResponseTo)}${instant('NotOnOrAfter', confirmationEnd)}${attribute('Recipient', recipient)}></${t('SubjectConfirmationData')}>`;
  const subject = `<${t('Subject')}><${t('NameID')}${attribute('Format', format)}>${nameId}</${t('NameID')}><${t('SubjectConfirmation')} Method="${o.method ?? 'urn:oasis:names:tc:SAML:2.0:cm:bearer'}">${data}</${t('SubjectConfirmation')}></${t('Subject')}>`;
  const statement = `<${t('AuthnStatement')} AuthnInstant="${iso(o.authnInstant ?? o.now)}"${attribute('SessionIndex', o.sessionIndex === undefined ? '_s1' : o.sessionIndex)}${instant('SessionNotOnOrAfter', o.sessionNotOnOrAfter ?? null)}><${t('AuthnContext')}><${t('AuthnContextClassRef')}>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</${t('AuthnContextClassRef')}></${t('AuthnContext')}></${t('AuthnStatement')}>`;
  const attributes = attributeStatement(o, t);
  const statements = o.attributesFirst === true ? attributes + statement : statement + attributes;
  return `<${t('Assertion')} ${xmlns} ID="${o.assertionId ?? '_a1'}" IssueInstant="${iso(o.issueInstant ?? o.now)}" Version="${o.version ?? '2.0'}"><${t('Issuer')}>${escape(o.assertionIssuer ?? o.issuer)}</${t('Issuer')}>${ASSERTION_SIGNATURE}${subject}${conditions}${statements}</${t('Assertion')}>`;
};

const responseXml = (o: ResponseOptions): string => {
  const prefix = o.prefixes?.p ?? 'samlp';
  const t = (name: string): string => (prefix === '' ? name : `${prefix}:${name}`);
  const xmlns = prefix === '' ? `xmlns="${SAMLP}"` : `xmlns:${prefix}="${SAMLP}"`;
  const issuer = o.responseIssuer === undefined ? o.issuer : o.responseIssuer;
  const issuerXml = issuer === null ? '' : `<saml:Issuer xmlns:saml="${SAML}">${escape(issuer)}</saml:Issuer>`;
  const destination = o.destination === undefined ? o.acsUrl : o.destination;
  const inResponseTo = o.responseInResponseTo === undefined ? o.inResponseTo : o.responseInResponseTo;
  const status = o.status ?? 'urn:oasis:names:tc:SAML:2.0:status:Success';
  return `<${t('Response')} ${xmlns} ID="${o.responseId ?? '_r1'}" Version="2.0" IssueInstant="${iso(o.issueInstant ?? o.now)}"${attribute('Destination', destination)}${attribute('InResponseTo', inResponseTo)}>${issuerXml}${RESPONSE_SIGNATURE}<${t('Status')}><${t('StatusCode')} Value="${status}"></${t('StatusCode')}></${t('Status')}>${assertionXml(o)}</${t('Response')}>`;
};

/** The message as XML text. */
export const responseText = (o: ResponseOptions): string => {
  const where = o.sign ?? 'assertion';
  let xml = o.beforeSigning?.(responseXml(o)) ?? responseXml(o);
  const bare = (text: string): string => text.replaceAll(RESPONSE_SIGNATURE, '').replaceAll(ASSERTION_SIGNATURE, '');
  const signs = (part: 'assertion' | 'response'): boolean => where === part || where === 'both';
  const assertionSignature = signs('assertion') ? signatureFor(bare(xml), o.assertionId ?? '_a1', o.signing) : '';
  xml = xml.replaceAll(ASSERTION_SIGNATURE, () => assertionSignature);
  if (o.seal !== undefined) xml = xml.replace(/<(\w+:)?Assertion [\s\S]*<\/(\w+:)?Assertion>/, o.seal);
  const responseSignature = signs('response') ? signatureFor(bare(xml), o.responseId ?? '_r1', o.signing) : '';
  xml = xml.replaceAll(RESPONSE_SIGNATURE, () => responseSignature);
  return o.afterSigning?.(xml) ?? xml;
};

/** The value of the SAMLResponse form field. */
export const encoded = (xml: string): string => Buffer.from(xml, 'utf8').toString('base64');
