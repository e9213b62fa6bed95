/**
 * The strict layer: decides whether a SAML login response is valid, and reads it.
 *
 * Owns: points 1 to 4 of the hardening contract that need no database. Does not own: replay, the pending request, the
 * account. Pure and synchronous; it runs in a worker thread that can be ended at its deadline.
 */
import type { KeyObject } from 'node:crypto';

import { refuse } from '../reasons.ts';
import { MESSAGE_LIMITS } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import { attributeOf, childrenNamed, type XmlElement } from '../xml/tree.ts';
import { readAssertion } from './assertion-checks.ts';
import { decryptedBytes } from './decrypt.ts';
import type { Expectations, Verdict, VerifiedLogin } from './login.ts';
import { SAML } from './names.ts';
import { checkResponse } from './response-checks.ts';
import { readPosted, verdictOf } from './read-message.ts';
import { signatureOf, usableKeys, verifiedBytes } from './signature.ts';
import { checkAssertionStructure, checkResponseStructure } from './structure.ts';

/**
 * Verifies the SAMLResponse parameter of an HTTP-POST. Never throws for anything in the message.
 * 1. size, base64, UTF-8, the XML subset and its caps; 2. the structural allow-list; 3. keys; 4. every signature
 * present must verify, and one must cover the assertion, which is decrypted from verified bytes where there are some;
 * 5. the covered bytes are read anew; 6. the semantic checks.
 * @param decryptionKeys ours, current and next; none = encrypted assertions are refused
 */
export function verifyResponse(
  samlResponse: string,
  expected: Expectations,
  decryptionKeys: readonly KeyObject[] = [],
): Verdict {
  return verdictOf(() => ({ ok: true, login: verified(samlResponse, expected, decryptionKeys) }));
}

function verified(samlResponse: string, expected: Expectations, decryptionKeys: readonly KeyObject[]): VerifiedLogin {
  const document = readPosted(samlResponse);
  checkResponseStructure(document);
  const keys = usableKeys(expected.certificates, expected.nowMs);
  const received = responseOf(document, keys, expected);
  const assertion = assertionOf(received, { keys, decryptionKeys, expected });
  checkResponse(received.response, received.responseSigned, expected);
  const login = readAssertion(assertion ?? refuse('ASSERTION_MISSING'), expected);
  checkInResponseTo(received.response, login);
  return login;
}

interface Received {
  readonly document: XmlElement;
  /** From signed bytes when `responseSigned`; otherwise as it arrived, good only for finding contradictions. */
  readonly response: XmlElement;
  readonly responseSigned: boolean;
}

function responseOf(document: XmlElement, keys: readonly KeyObject[], expected: Expectations): Received {
  const signature = signatureOf(document);
  if (signature === null) {
    if (expected.requireSignedResponse) refuse('RESPONSE_NOT_SIGNED');
    return { document, response: document, responseSigned: false };
  }
  const response = parseXml(verifiedBytes(document, signature, keys), MESSAGE_LIMITS);
  checkResponseStructure(response);
  return { document, response, responseSigned: true };
}

interface Judging {
  readonly keys: readonly KeyObject[];
  readonly decryptionKeys: readonly KeyObject[];
  readonly expected: Expectations;
}

/**
 * The assertion from bytes that a signature covers: its own, or that of the response it was taken from. Null when a
 * signed response holds none.
 */
function assertionOf(received: Received, { keys, decryptionKeys, expected }: Judging): XmlElement | null {
  const { document, response, responseSigned } = received;
  const [encrypted] = childrenNamed(response, SAML, 'EncryptedAssertion');
  const decrypted = encrypted === undefined ? null : decryptedAssertion(encrypted, response, decryptionKeys);
  const covered = decrypted ?? plainAssertion(response);
  // Its signature is checked where it arrived: a prefix it names may be declared outside of the response's signed bytes.
  const arrived = decrypted ?? plainAssertion(document);
  const signature = arrived === null ? null : signatureOf(arrived);
  if (signature === null && !responseSigned) refuse('SIGNATURE_MISSING');
  if (arrived === null) return null;
  if (signature === null && expected.requireSignedAssertion) refuse('ASSERTION_NOT_SIGNED');
  if (signature === null) return covered;
  const bytes = verifiedBytes(arrived, signature, keys);
  if (responseSigned) return covered;
  const reread = parseXml(bytes, MESSAGE_LIMITS);
  checkAssertionStructure(reread);
  return reread;
}

const plainAssertion = (response: XmlElement): XmlElement | null =>
  childrenNamed(response, SAML, 'Assertion')[0] ?? null;

/** What was encrypted is as untrusted as any message: the caps and the allow-list hold again. */
function decryptedAssertion(
  encrypted: XmlElement,
  response: XmlElement,
  decryptionKeys: readonly KeyObject[],
): XmlElement {
  const assertion = parseXml(decryptedBytes(encrypted, decryptionKeys), MESSAGE_LIMITS);
  checkAssertionStructure(assertion, response);
  return assertion;
}

/** The Response may repeat InResponseTo; it may not name another request, nor one where the assertion names none. */
function checkInResponseTo(response: XmlElement, login: VerifiedLogin): void {
  const outer = attributeOf(response, 'InResponseTo');
  if (outer !== null && outer !== login.inResponseTo) refuse('IN_RESPONSE_TO_CONFLICT');
}
