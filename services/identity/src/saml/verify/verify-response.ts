/**
 * The strict layer: decides whether a SAML login response is valid, and reads it.
 *
 * Owns: points 1 to 4 of the hardening contract that need no database. Does not own: replay, the pending request, the
 * account. Pure and synchronous; it runs in a worker thread that can be ended at its deadline.
 */
import type { KeyObject } from 'node:crypto';

import { refuse, SamlRefusal } from '../reasons.ts';
import { MESSAGE_LIMITS } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import { attributeOf, childrenNamed, type XmlElement } from '../xml/tree.ts';
import { readAssertion } from './assertion-checks.ts';
import type { Expectations, Verdict, VerifiedLogin } from './login.ts';
import { SAML } from './names.ts';
import { checkResponse } from './response-checks.ts';
import { decodeBase64, signatureOf, usableKeys, verifiedBytes } from './signature.ts';
import { checkAssertionStructure, checkResponseStructure } from './structure.ts';

const BASE64_OVERHEAD = 1.4; // four characters for three bytes, and line breaks

/**
 * Verifies the SAMLResponse parameter of an HTTP-POST. Never throws for anything in the message.
 * 1. size, base64, UTF-8, the XML subset and its caps; 2. the structural allow-list; 3. keys; 4. every signature
 * present must verify, and one must cover the assertion; 5. the covered bytes are read anew; 6. the semantic checks.
 */
export function verifyResponse(samlResponse: string, expected: Expectations): Verdict {
  try {
    return { ok: true, login: verified(samlResponse, expected) };
  } catch (error) {
    if (error instanceof SamlRefusal) return { ok: false, reason: error.reason, where: error.where };
    throw error;
  }
}

function verified(samlResponse: string, expected: Expectations): VerifiedLogin {
  if (samlResponse === '') refuse('MESSAGE_MISSING');
  if (samlResponse.length > MESSAGE_LIMITS.maxBytes * BASE64_OVERHEAD) refuse('MESSAGE_TOO_LARGE');
  const bytes = decodeBase64(samlResponse) ?? refuse('BASE64_MALFORMED');
  const document = parseXml(bytes, MESSAGE_LIMITS);
  checkResponseStructure(document);
  const { response, responseSigned, assertion } = signedParts(
    document,
    usableKeys(expected.certificates, expected.nowMs),
    expected,
  );
  checkResponse(response, responseSigned, expected);
  const login = readAssertion(assertion ?? refuse('ASSERTION_MISSING'), expected);
  checkInResponseTo(response, login);
  return login;
}

interface SignedParts {
  /** From signed bytes when `responseSigned`; otherwise as it arrived, good only for finding contradictions. */
  readonly response: XmlElement;
  readonly responseSigned: boolean;
  /** Always from signed bytes; null when the message holds none. */
  readonly assertion: XmlElement | null;
}

function signedParts(document: XmlElement, keys: readonly KeyObject[], expected: Expectations): SignedParts {
  const assertion = assertionOf(document);
  const responseSignature = signatureOf(document);
  const assertionSignature = assertion === null ? null : signatureOf(assertion);
  checkSignaturesPresent(responseSignature !== null, assertionSignature !== null, expected);

  const assertionBytes =
    assertion === null || assertionSignature === null ? null : verifiedBytes(assertion, assertionSignature, keys);
  if (responseSignature !== null) {
    const response = parseXml(verifiedBytes(document, responseSignature, keys), MESSAGE_LIMITS);
    checkResponseStructure(response);
    return { response, responseSigned: true, assertion: assertionOf(response) };
  }
  const reread = parseXml(assertionBytes ?? refuse('SIGNATURE_MISSING'), MESSAGE_LIMITS);
  checkAssertionStructure(reread);
  return { response: document, responseSigned: false, assertion: reread };
}

const assertionOf = (response: XmlElement): XmlElement | null => childrenNamed(response, SAML, 'Assertion')[0] ?? null;

function checkSignaturesPresent(response: boolean, assertion: boolean, expected: Expectations): void {
  if (!response && !assertion) refuse('SIGNATURE_MISSING');
  if (!response && expected.requireSignedResponse) refuse('RESPONSE_NOT_SIGNED');
  if (!assertion && expected.requireSignedAssertion) refuse('ASSERTION_NOT_SIGNED');
}

/** The Response may repeat InResponseTo; it may not name another request, nor one where the assertion names none. */
function checkInResponseTo(response: XmlElement, login: VerifiedLogin): void {
  const outer = attributeOf(response, 'InResponseTo');
  if (outer !== null && outer !== login.inResponseTo) refuse('IN_RESPONSE_TO_CONFLICT');
}
