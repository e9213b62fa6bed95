/**
 * The strict layer for single logout: no weaker path than a login. The root is what is signed; a signed assertion or
 * metadata inside proves nothing and has no place in the allow-list.
 * @see SAML Core 2.0 §3.7, SAML Profiles 2.0 §4.4
 */
import type { KeyObject } from 'node:crypto';

import { refuse } from '../reasons.ts';
import { MESSAGE_LIMITS } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import { attributeOf, childrenNamed, textOf, type XmlElement } from '../xml/tree.ts';
import { MAX_ISSUE_AGE_MS, SKEW_MS } from './login.ts';
import type {
  LogoutExpectations,
  LogoutKind,
  LogoutVerdict,
  SentLogout,
  VerifiedLogoutRequest,
  VerifiedLogoutResponse,
} from './logout.ts';
import { isSessionIndex, readNameId } from './name-id.ts';
import { SAML, SAMLP, STATUS_PARTIAL_LOGOUT, STATUS_SUCCESS } from './names.ts';
import { readPosted, verdictOf } from './read-message.ts';
import { readRedirect } from './redirect-message.ts';
import { checkMessage, statusOf } from './response-checks.ts';
import { signatureOf, usableKeys, verifiedBytes } from './signature.ts';
import { checkLogoutStructure } from './structure.ts';
import { instantOf, requiredInstantOf } from './time.ts';

/**
 * Verifies a LogoutRequest or LogoutResponse of either binding. Never throws for anything in the message.
 * 1. keys; 2. transport, caps, the structural allow-list and the signature, which is mandatory, over the whole message;
 * 3. version, time, issuer and destination; 4. what it asks for or answers.
 */
export function verifyLogout(sent: SentLogout, expected: LogoutExpectations): LogoutVerdict {
  return verdictOf(() => {
    const keys = usableKeys(expected.certificates, expected.nowMs); // 1
    const { message, kind, relayState } = signedMessage(sent, keys); // 2
    const { idpEntityId: issuer, sloUrl: destination, nowMs } = expected;
    checkMessage(message, { required: true, issuer, destination, nowMs }); // 3
    const logout = kind === 'LogoutRequest' ? readRequest(message, expected) : readResponse(message); // 4
    return { ok: true, logout, relayState };
  });
}

interface SignedMessage {
  readonly message: XmlElement;
  readonly kind: LogoutKind;
  readonly relayState: string | null;
}

function signedMessage(sent: SentLogout, keys: readonly KeyObject[]): SignedMessage {
  if (sent.binding === 'redirect') {
    const { kind, document, relayState } = readRedirect(sent.rawQuery, keys);
    checkLogoutStructure(document, kind);
    // Bindings §3.4.4.1: the one signature is that of the query; a second one inside could only disagree.
    if (signatureOf(document) !== null) refuse('ELEMENT_FORBIDDEN', 'ds:Signature');
    return { message: document, kind, relayState };
  }
  const document = readPosted(sent.message);
  checkLogoutStructure(document, sent.kind);
  const signature = signatureOf(document) ?? refuse('SIGNATURE_MISSING');
  const message = parseXml(verifiedBytes(document, signature, keys), MESSAGE_LIMITS);
  checkLogoutStructure(message, sent.kind);
  return { message, kind: sent.kind, relayState: null };
}

function readRequest(message: XmlElement, { nowMs }: LogoutExpectations): VerifiedLogoutRequest {
  const endMs = instantOf(message, 'NotOnOrAfter');
  if (endMs !== null && nowMs - SKEW_MS >= endMs) refuse('EXPIRED');
  const issuedAtMs = requiredInstantOf(message, 'IssueInstant');
  const issuer = childrenNamed(message, SAML, 'Issuer')[0] ?? refuse('ISSUER_MISSING');
  const nameId = childrenNamed(message, SAML, 'NameID')[0] ?? refuse('ELEMENT_MISSING', 'NameID');
  const sessionIndexes = childrenNamed(message, SAMLP, 'SessionIndex').map(textOf);
  if (!sessionIndexes.every(isSessionIndex)) refuse('SESSION_INDEX_INVALID');
  return {
    kind: 'LogoutRequest',
    id: attributeOf(message, 'ID') ?? refuse('ATTRIBUTE_MISSING', 'LogoutRequest/@ID'),
    issuer: textOf(issuer),
    nameId: readNameId(nameId),
    sessionIndexes,
    // Whatever end it names, it is refused once it is too old.
    unusableFromMs: issuedAtMs + MAX_ISSUE_AGE_MS + 2 * SKEW_MS,
  };
}

function readResponse(message: XmlElement): VerifiedLogoutResponse {
  const inResponseTo =
    attributeOf(message, 'InResponseTo') ?? refuse('ATTRIBUTE_MISSING', 'LogoutResponse/@InResponseTo');
  const status = statusOf(message);
  const isPartial = status === STATUS_SUCCESS && hasNestedStatus(message, STATUS_PARTIAL_LOGOUT);
  const outcome = isPartial ? 'partial' : status === STATUS_SUCCESS ? 'success' : 'failed';
  return { kind: 'LogoutResponse', inResponseTo, outcome };
}

function hasNestedStatus(message: XmlElement, value: string): boolean {
  const [status] = childrenNamed(message, SAMLP, 'Status');
  const [code] = status === undefined ? [] : childrenNamed(status, SAMLP, 'StatusCode');
  const [nested] = code === undefined ? [] : childrenNamed(code, SAMLP, 'StatusCode');
  return nested !== undefined && attributeOf(nested, 'Value') === value;
}
