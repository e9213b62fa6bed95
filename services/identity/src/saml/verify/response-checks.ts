/** What the outer Response says about itself. Each check is one rule of the hardening contract, point 4. */
import { refuse } from '../reasons.ts';
import { attributeOf, childrenNamed, textOf, type XmlElement } from '../xml/tree.ts';
import { MAX_ISSUE_AGE_MS, SKEW_MS, type Expectations } from './login.ts';
import { SAML, SAMLP, STATUS_SUCCESS } from './names.ts';
import { requiredInstantOf } from './time.ts';

/**
 * Checks the Response element. A signed Response must name its issuer and its destination; an unsigned one may stay
 * silent, but what it does say must not contradict what is expected.
 * @throws SamlRefusal
 */
export function checkResponse(response: XmlElement, signed: boolean, expected: Expectations): void {
  if (attributeOf(response, 'Version') !== '2.0') refuse('VERSION_UNSUPPORTED');
  checkIssued(requiredInstantOf(response, 'IssueInstant'), expected.nowMs);
  checkIssuer(response, signed, expected);
  checkDestination(response, signed, expected);
  checkStatus(response);
}

function checkIssuer(response: XmlElement, signed: boolean, expected: Expectations): void {
  const issuer = childrenNamed(response, SAML, 'Issuer')[0];
  if (issuer === undefined) {
    if (signed) refuse('ISSUER_MISSING', 'Response');
    return;
  }
  if (textOf(issuer) !== expected.idpEntityId) refuse('ISSUER_MISMATCH', 'Response');
}

function checkDestination(response: XmlElement, signed: boolean, expected: Expectations): void {
  const destination = attributeOf(response, 'Destination');
  if (destination === null) {
    if (signed) refuse('DESTINATION_MISSING'); // SAML Bindings 2.0 §3.5.5.2
    return;
  }
  if (destination !== expected.acsUrl) refuse('DESTINATION_MISMATCH');
}

function checkStatus(response: XmlElement): void {
  const status = childrenNamed(response, SAMLP, 'Status')[0];
  const code = status === undefined ? undefined : childrenNamed(status, SAMLP, 'StatusCode')[0];
  if (code === undefined || attributeOf(code, 'Value') !== STATUS_SUCCESS) refuse('STATUS_NOT_SUCCESS');
}

/** Neither issued in the future nor longer ago than any pending request lives. @throws SamlRefusal */
export function checkIssued(issuedAtMs: number, nowMs: number): void {
  if (issuedAtMs > nowMs + SKEW_MS) refuse('ISSUED_IN_FUTURE');
  if (issuedAtMs < nowMs - MAX_ISSUE_AGE_MS - SKEW_MS) refuse('ISSUED_TOO_LONG_AGO');
}
