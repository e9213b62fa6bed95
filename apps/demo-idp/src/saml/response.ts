import type { KeyObject } from 'node:crypto';
import type { SignMode } from '../state/state.ts';
import { encryptAssertion } from './encrypt.ts';
import type { ResponseShape, SamlAttribute } from './shapes.ts';
import { envelopedSignature, type SignatureStyle } from './sign.ts';
import { type CanonicalXml, element, nothing, text, toWire } from './xml.ts';

const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const XS = 'http://www.w3.org/2001/XMLSchema';
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';

export const STATUS_SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';

/** Everything a response says; nothing is decided any more. null leaves the attribute or element out. */
export interface ResponsePlan {
  readonly responseId: string;
  readonly issueInstant: Date;
  readonly destination: string | null;
  readonly inResponseTo: string | null;
  readonly issuer: string;
  /** First is the top-level status, a second one is nested in it. */
  readonly statusCodes: readonly string[];
  /** null = a response that reports a failure. */
  readonly assertion: AssertionPlan | null;
}

export interface AssertionPlan {
  readonly id: string;
  readonly nameId: string;
  readonly nameIdFormat: string | null;
  readonly recipient: string | null;
  readonly confirmationInResponseTo: string | null;
  readonly confirmationNotOnOrAfter: Date | null;
  /** null = an assertion without Conditions. */
  readonly conditions: { notBefore: Date | null; notOnOrAfter: Date | null; audiences: readonly string[] } | null;
  readonly authnInstant: Date;
  readonly sessionIndex: string | null;
  readonly sessionNotOnOrAfter: Date | null;
  readonly authnContextClassRef: string;
  readonly attributes: readonly SamlAttribute[];
}

/** How the response is written and signed. */
export interface ResponseWriting {
  readonly shape: ResponseShape;
  readonly sign: SignMode;
  readonly signature: SignatureStyle;
  /** Whom the assertion is encrypted for, once it is signed and before the response is; null = nobody. */
  readonly encryptFor: KeyObject | null;
}

/**
 * The response document, signed as asked. Each signature covers the canonical form of its element, which
 * is by construction the very text that is sent.
 * @see SAML Core §2.3, §3.2.2, §5.4
 */
export function writeResponse(plan: ResponsePlan, writing: ResponseWriting): string {
  const { sign, shape } = writing;
  let assertion = nothing;
  if (plan.assertion !== null) {
    const assertionPlan = plan.assertion;
    const write = (signature: CanonicalXml): CanonicalXml => assertionXml(plan, assertionPlan, shape, signature);
    assertion = sealed(write, assertionPlan.id, sign === 'assertion' || sign === 'both', writing.signature);
    if (writing.encryptFor !== null) assertion = encryptAssertion(assertion, writing.encryptFor);
  }
  const write = (signature: CanonicalXml): CanonicalXml => responseXml(plan, shape, signature, assertion);
  const response = sealed(write, plan.responseId, sign === 'response' || sign === 'both', writing.signature);
  return `${shape.xmlDeclaration ? '<?xml version="1.0" encoding="UTF-8"?>' : ''}${toWire(response)}`;
}

/** Writes an element once without its signature, signs those octets, and writes it again with it. */
function sealed(
  write: (signature: CanonicalXml) => CanonicalXml,
  id: string,
  signed: boolean,
  style: SignatureStyle,
): CanonicalXml {
  return write(signed ? envelopedSignature(write(nothing), id, style) : nothing);
}

function responseXml(
  plan: ResponsePlan,
  shape: ResponseShape,
  signature: CanonicalXml,
  assertion: CanonicalXml,
): CanonicalXml {
  const p = shape.protocolPrefix;
  const status = plan.statusCodes.reduceRight<CanonicalXml>(
    (inner, value) => element(`${p}:StatusCode`, { Value: value }, inner),
    nothing,
  );
  return element(
    `${p}:Response`,
    {
      [`xmlns:${p}`]: PROTOCOL,
      Destination: plan.destination,
      ID: plan.responseId,
      InResponseTo: plan.inResponseTo,
      IssueInstant: plan.issueInstant.toISOString(),
      Version: '2.0',
    },
    issuerXml(plan.issuer, shape, { [namespaceAttribute(shape)]: ASSERTION }),
    signature,
    element(`${p}:Status`, {}, status),
    assertion,
  );
}

function assertionXml(
  plan: ResponsePlan,
  assertion: AssertionPlan,
  shape: ResponseShape,
  signature: CanonicalXml,
): CanonicalXml {
  const statements = [authnStatementXml(assertion, shape), attributeStatementXml(assertion, shape)];
  return element(
    qualified(shape, 'Assertion'),
    {
      [namespaceAttribute(shape)]: ASSERTION,
      ID: assertion.id,
      IssueInstant: plan.issueInstant.toISOString(),
      Version: '2.0',
    },
    issuerXml(plan.issuer, shape, {}),
    signature,
    subjectXml(assertion, shape),
    conditionsXml(assertion, shape),
    ...(shape.authnStatementFirst ? statements : statements.toReversed()),
  );
}

function issuerXml(issuer: string, shape: ResponseShape, namespaces: Readonly<Record<string, string>>): CanonicalXml {
  return element(qualified(shape, 'Issuer'), { ...namespaces, Format: shape.issuerFormat }, text(issuer));
}

function subjectXml(assertion: AssertionPlan, shape: ResponseShape): CanonicalXml {
  const name = (local: string): string => qualified(shape, local);
  return element(
    name('Subject'),
    {},
    element(name('NameID'), { Format: assertion.nameIdFormat }, text(assertion.nameId)),
    element(
      name('SubjectConfirmation'),
      { Method: BEARER },
      element(name('SubjectConfirmationData'), {
        InResponseTo: assertion.confirmationInResponseTo,
        NotOnOrAfter: assertion.confirmationNotOnOrAfter?.toISOString(),
        Recipient: assertion.recipient,
      }),
    ),
  );
}

function conditionsXml({ conditions }: AssertionPlan, shape: ResponseShape): CanonicalXml {
  if (conditions === null) return nothing;
  const name = (local: string): string => qualified(shape, local);
  const audiences = conditions.audiences.map((audience) => element(name('Audience'), {}, text(audience)));
  return element(
    name('Conditions'),
    { NotBefore: conditions.notBefore?.toISOString(), NotOnOrAfter: conditions.notOnOrAfter?.toISOString() },
    audiences.length === 0 ? nothing : element(name('AudienceRestriction'), {}, ...audiences),
  );
}

function authnStatementXml(assertion: AssertionPlan, shape: ResponseShape): CanonicalXml {
  const name = (local: string): string => qualified(shape, local);
  return element(
    name('AuthnStatement'),
    {
      AuthnInstant: assertion.authnInstant.toISOString(),
      SessionIndex: assertion.sessionIndex,
      SessionNotOnOrAfter: assertion.sessionNotOnOrAfter?.toISOString(),
    },
    element(name('AuthnContext'), {}, element(name('AuthnContextClassRef'), {}, text(assertion.authnContextClassRef))),
  );
}

function attributeStatementXml({ attributes }: AssertionPlan, shape: ResponseShape): CanonicalXml {
  if (attributes.length === 0) return nothing;
  const name = (local: string): string => qualified(shape, local);
  const typing = shape.typedValues ? { 'xmlns:xs': XS, 'xmlns:xsi': XSI, 'xsi:type': 'xs:string' } : {};
  const written = attributes.map((attribute) =>
    element(
      name('Attribute'),
      { Name: attribute.name, NameFormat: shape.attributeNameFormat },
      ...attribute.values.map((value) => element(name('AttributeValue'), typing, text(value))),
    ),
  );
  return element(name('AttributeStatement'), {}, ...written);
}

function qualified(shape: ResponseShape, local: string): string {
  return shape.assertionPrefix === '' ? local : `${shape.assertionPrefix}:${local}`;
}

function namespaceAttribute(shape: ResponseShape): string {
  return shape.assertionPrefix === '' ? 'xmlns' : `xmlns:${shape.assertionPrefix}`;
}
