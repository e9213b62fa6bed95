/** What a protocol message says about itself. Each check is one rule of the hardening contract, point 4. */
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
  const { idpEntityId, acsUrl, nowMs } = expected;
  checkMessage(response, { required: signed, issuer: idpEntityId, destination: acsUrl, nowMs });
  if (statusOf(response) !== STATUS_SUCCESS) refuse('STATUS_NOT_SUCCESS');
}

/** What a protocol message must say about itself. */
export interface MessageExpectations {
  /** Whether it must name issuer and destination; what it names must agree in any case. */
  readonly required: boolean;
  readonly issuer: string;
  readonly destination: string;
  readonly nowMs: number;
}

/** Version, time of issue, issuer and destination of any protocol message. @throws SamlRefusal */
export function checkMessage(message: XmlElement, expected: MessageExpectations): void {
  if (attributeOf(message, 'Version') !== '2.0') refuse('VERSION_UNSUPPORTED');
  checkIssued(requiredInstantOf(message, 'IssueInstant'), expected.nowMs);
  checkIssuer(message, expected);
  checkDestination(message, expected);
}

function checkIssuer(message: XmlElement, expected: MessageExpectations): void {
  const issuer = childrenNamed(message, SAML, 'Issuer')[0];
  if (issuer === undefined) {
    if (expected.required) refuse('ISSUER_MISSING', message.localName);
    return;
  }
  if (textOf(issuer) !== expected.issuer) refuse('ISSUER_MISMATCH', message.localName);
}

function checkDestination(message: XmlElement, expected: MessageExpectations): void {
  const destination = attributeOf(message, 'Destination');
  if (destination === null) {
    if (expected.required) refuse('DESTINATION_MISSING'); // SAML Bindings 2.0 §3.4.5.2, §3.5.5.2
    return;
  }
  if (destination !== expected.destination) refuse('DESTINATION_MISMATCH');
}

/** The top-level status code; the empty text when there is none. */
export function statusOf(response: XmlElement): string {
  const status = childrenNamed(response, SAMLP, 'Status')[0];
  const code = status === undefined ? undefined : childrenNamed(status, SAMLP, 'StatusCode')[0];
  return code === undefined ? '' : (attributeOf(code, 'Value') ?? '');
}

/** Neither issued in the future nor longer ago than any pending request lives. @throws SamlRefusal */
export function checkIssued(issuedAtMs: number, nowMs: number): void {
  if (issuedAtMs > nowMs + SKEW_MS) refuse('ISSUED_IN_FUTURE');
  if (issuedAtMs < nowMs - MAX_ISSUE_AGE_MS - SKEW_MS) refuse('ISSUED_TOO_LONG_AGO');
}
