/**
 * What a verified assertion says, checked and read. The element passed in was re-parsed from the bytes a signature
 * covers; nothing else of the message reaches these functions.
 * @see SAML Core 2.0 §2.3-§2.7, SAML Profiles 2.0 §4.1.4.2-§4.1.4.3
 */
import { refuse } from '../reasons.ts';
import { attributeOf, childrenNamed, textOf, type XmlElement } from '../xml/tree.ts';
import { MAX_ISSUE_AGE_MS, SKEW_MS, type Expectations, type VerifiedLogin } from './login.ts';
import { isSessionIndex, readNameId } from './name-id.ts';
import { BEARER, SAML } from './names.ts';
import { checkIssued } from './response-checks.ts';
import { instantOf, requiredInstantOf } from './time.ts';

const MAX_VALUES = 1_000;
const only = (parent: XmlElement, localName: string): XmlElement =>
  childrenNamed(parent, SAML, localName)[0] ?? refuse('ELEMENT_MISSING', localName);

/** Checks an assertion against the expectations and reads the login from it. @throws SamlRefusal */
export function readAssertion(assertion: XmlElement, expected: Expectations): VerifiedLogin {
  if (attributeOf(assertion, 'Version') !== '2.0') refuse('VERSION_UNSUPPORTED');
  const issuer = textOf(only(assertion, 'Issuer'));
  if (issuer !== expected.idpEntityId) refuse('ISSUER_MISMATCH', 'Assertion');
  const issuedAtMs = requiredInstantOf(assertion, 'IssueInstant');
  checkIssued(issuedAtMs, expected.nowMs);
  const conditionsEndMs = checkConditions(assertion, expected);
  const subject = only(assertion, 'Subject');
  const confirmation = checkConfirmation(subject, expected);
  return {
    assertionId: attributeOf(assertion, 'ID') ?? refuse('ATTRIBUTE_MISSING', 'Assertion/@ID'),
    issuer,
    nameId: readNameId(only(subject, 'NameID')),
    inResponseTo: confirmation.inResponseTo,
    issuedAtMs,
    // However far off its own end is, it is refused once it is too old: what is remembered of it may go then.
    unusableFromMs: Math.min(
      Math.max(conditionsEndMs, confirmation.endMs) + SKEW_MS,
      issuedAtMs + MAX_ISSUE_AGE_MS + 2 * SKEW_MS,
    ),
    ...readAuthentication(assertion, expected),
    attributes: readAttributes(assertion),
  };
}

/** The window and every AudienceRestriction; the end of the window, or of time when none is given. */
function checkConditions(assertion: XmlElement, expected: Expectations): number {
  const conditions = childrenNamed(assertion, SAML, 'Conditions')[0] ?? refuse('CONDITIONS_MISSING');
  checkNotBefore(conditions, expected.nowMs);
  const endMs = instantOf(conditions, 'NotOnOrAfter');
  if (endMs !== null && expected.nowMs - SKEW_MS >= endMs) refuse('EXPIRED');
  const restrictions = childrenNamed(conditions, SAML, 'AudienceRestriction');
  if (restrictions.length === 0) refuse('AUDIENCE_MISSING');
  for (const restriction of restrictions) {
    const audiences = childrenNamed(restriction, SAML, 'Audience').map((audience) => textOf(audience).trim());
    if (!audiences.includes(expected.spEntityId)) refuse('AUDIENCE_MISMATCH');
  }
  return endMs ?? 0;
}

function checkNotBefore(element: XmlElement, nowMs: number): void {
  const notBeforeMs = instantOf(element, 'NotBefore');
  if (notBeforeMs !== null && nowMs + SKEW_MS < notBeforeMs) refuse('NOT_YET_VALID');
}

/** Bearer, for our ACS URL, with an end of its own. */
function checkConfirmation(
  subject: XmlElement,
  expected: Expectations,
): { endMs: number; inResponseTo: string | null } {
  const confirmation = only(subject, 'SubjectConfirmation');
  if (attributeOf(confirmation, 'Method') !== BEARER) refuse('CONFIRMATION_METHOD_FORBIDDEN');
  const [data] = childrenNamed(confirmation, SAML, 'SubjectConfirmationData');
  if (data === undefined) return refuse('CONFIRMATION_INCOMPLETE', 'SubjectConfirmationData');
  const endMs = instantOf(data, 'NotOnOrAfter') ?? refuse('CONFIRMATION_INCOMPLETE', '@NotOnOrAfter');
  if (expected.nowMs - SKEW_MS >= endMs) refuse('CONFIRMATION_EXPIRED');
  checkNotBefore(data, expected.nowMs);
  const recipient = attributeOf(data, 'Recipient') ?? refuse('CONFIRMATION_INCOMPLETE', '@Recipient');
  if (recipient !== expected.acsUrl) refuse('RECIPIENT_MISMATCH');
  const inResponseTo = attributeOf(data, 'InResponseTo');
  if (inResponseTo === null && !expected.allowUnsolicited) refuse('UNSOLICITED_FORBIDDEN');
  return { endMs, inResponseTo };
}

type Authentication = Pick<
  VerifiedLogin,
  'authenticatedAtMs' | 'sessionIndex' | 'sessionNotOnOrAfterMs' | 'authnContextClass'
>;

function readAuthentication(assertion: XmlElement, expected: Expectations): Authentication {
  const [statement, ...more] = childrenNamed(assertion, SAML, 'AuthnStatement');
  if (statement === undefined) return refuse('ELEMENT_MISSING', 'AuthnStatement');
  if (more.length > 0) refuse('ELEMENT_REPEATED', 'AuthnStatement');
  const authenticatedAtMs = requiredInstantOf(statement, 'AuthnInstant');
  if (authenticatedAtMs > expected.nowMs + SKEW_MS) refuse('ISSUED_IN_FUTURE', 'AuthnInstant');
  const maxAgeMs = expected.maxAuthenticationAgeMs;
  if (maxAgeMs !== null && authenticatedAtMs < expected.nowMs - maxAgeMs - SKEW_MS) refuse('AUTHENTICATION_TOO_OLD');
  const sessionNotOnOrAfterMs = instantOf(statement, 'SessionNotOnOrAfter');
  if (sessionNotOnOrAfterMs !== null && sessionNotOnOrAfterMs <= expected.nowMs) refuse('IDP_SESSION_ENDED');
  const contextClass = childrenNamed(only(statement, 'AuthnContext'), SAML, 'AuthnContextClassRef')[0];
  return {
    authenticatedAtMs,
    sessionIndex: sessionIndexOf(statement),
    sessionNotOnOrAfterMs,
    authnContextClass: contextClass === undefined ? null : textOf(contextClass).trim(),
  };
}

/** A blank one is none: no logout can name it. */
function sessionIndexOf(statement: XmlElement): string | null {
  const index = attributeOf(statement, 'SessionIndex') ?? '';
  if (index.trim() === '') return null;
  return isSessionIndex(index) ? index : refuse('SESSION_INDEX_INVALID');
}

/** Joined by name, in document order. A Map, because attribute names such as `__proto__` come from outside. */
function readAttributes(assertion: XmlElement): [string, string[]][] {
  const joined = new Map<string, string[]>();
  let count = 0;
  for (const statement of childrenNamed(assertion, SAML, 'AttributeStatement')) {
    for (const attribute of childrenNamed(statement, SAML, 'Attribute')) {
      const name = attributeOf(attribute, 'Name') ?? refuse('ATTRIBUTE_MISSING', 'Attribute/@Name');
      const values = childrenNamed(attribute, SAML, 'AttributeValue').map(textOf);
      count += values.length;
      if (count > MAX_VALUES) refuse('TOO_MANY_VALUES', 'AttributeValue');
      joined.set(name, [...(joined.get(name) ?? []), ...values]);
    }
  }
  return [...joined];
}
