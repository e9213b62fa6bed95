import { createHash, sign } from 'node:crypto';

const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
const EXCLUSIVE_C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const MINUTE_MS = 60_000;

export interface Login {
  readonly issuer: string;
  readonly audience: string;
  readonly acsUrl: string;
  readonly assertionId: string;
  readonly nameId: string;
  /** The request it answers. */
  readonly inResponseTo: string;
  readonly groups: readonly string[];
  /** PEM. */
  readonly privateKey: string;
}

/**
 * A response with a signed assertion, as the value of the form field. The text is written in canonical
 * form, so that what is signed is what is sent.
 */
export const samlResponse = (login: Login): string => {
  const now = new Date();
  const [issued, end] = [now.toISOString(), new Date(now.getTime() + 5 * MINUTE_MS).toISOString()];
  const values = login.groups.map((group) => `<saml:AttributeValue>${group}</saml:AttributeValue>`).join('');
  const assertion = (signature: string): string =>
    `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${login.assertionId}" IssueInstant="${issued}" Version="2.0"><saml:Issuer>${login.issuer}</saml:Issuer>${signature}<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${login.nameId}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="${login.inResponseTo}" NotOnOrAfter="${end}" Recipient="${login.acsUrl}"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotOnOrAfter="${end}"><saml:AudienceRestriction><saml:Audience>${login.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${issued}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="groups">${values}</saml:Attribute></saml:AttributeStatement></saml:Assertion>`;
  const signed = assertion(signatureOver(assertion(''), login));
  const xml = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r${login.assertionId}" Version="2.0" IssueInstant="${issued}" Destination="${login.acsUrl}"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${login.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>${signed}</samlp:Response>`;
  return Buffer.from(xml, 'utf8').toString('base64');
};

const signatureOver = (text: string, { assertionId, privateKey }: Login): string => {
  const digest = createHash('sha256').update(text, 'utf8').digest('base64');
  const inside = `<ds:CanonicalizationMethod Algorithm="${EXCLUSIVE_C14N}"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod><ds:Reference URI="#${assertionId}"><ds:Transforms><ds:Transform Algorithm="${DSIG}enveloped-signature"></ds:Transform><ds:Transform Algorithm="${EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference>`;
  const signedInfo = `<ds:SignedInfo xmlns:ds="${DSIG}">${inside}</ds:SignedInfo>`;
  const value = sign('sha256', Buffer.from(signedInfo, 'utf8'), privateKey).toString('base64');
  return `<ds:Signature xmlns:ds="${DSIG}"><ds:SignedInfo>${inside}</ds:SignedInfo><ds:SignatureValue>${value}</ds:SignatureValue></ds:Signature>`;
};
