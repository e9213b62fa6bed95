/**
 * The HTTP-Redirect binding: a deflated message in the query string, signed as the octets that were sent.
 * @see SAML Bindings 2.0 §3.4.4.1
 */
import type { KeyObject } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';

import { refuse } from '../reasons.ts';
import { MESSAGE_LIMITS } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import type { XmlElement } from '../xml/tree.ts';
import type { LogoutKind } from './logout.ts';
import { checkSignedBy, decodeBase64 } from './signature.ts';

const KIB = 1024;
const MAX_PARAMETER_LENGTH = 8 * KIB;
const MAX_INFLATED_BYTES = 64 * KIB;
const DEFLATE = 'urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE';
const PARAMETERS = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature', 'SAMLEncoding'] as const;

type Parameter = (typeof PARAMETERS)[number];

export interface RedirectMessage {
  readonly kind: LogoutKind;
  readonly document: XmlElement;
  readonly relayState: string | null;
}

/**
 * Reads a signed message out of a query string.
 * 1. each parameter once, under its plain name; 2. the signature is over the raw octets, in the order of the binding,
 * and is checked before anything is inflated; 3. inflating is capped.
 * @throws SamlRefusal
 */
export function readRedirect(rawQuery: string, keys: readonly KeyObject[]): RedirectMessage {
  const raw = rawParameters(rawQuery); // 1
  const [request, response] = [raw.get('SAMLRequest'), raw.get('SAMLResponse')];
  if (request !== undefined && response !== undefined) refuse('PARAMETER_REPEATED');
  const message = request ?? response ?? refuse('MESSAGE_MISSING');
  const encoding = raw.get('SAMLEncoding');
  if (encoding !== undefined && decoded(encoding) !== DEFLATE) refuse('PARAMETER_UNSUPPORTED');
  checkQuerySignature(raw, request === undefined ? 'SAMLResponse' : 'SAMLRequest', keys); // 2
  const relayState = raw.get('RelayState');
  return {
    kind: request === undefined ? 'LogoutResponse' : 'LogoutRequest',
    document: parseXml(inflated(message), MESSAGE_LIMITS), // 3
    relayState: relayState === undefined ? null : decoded(relayState.replaceAll('+', ' ')),
  };
}

function rawParameters(rawQuery: string): ReadonlyMap<Parameter, string> {
  const found = new Map<Parameter, string>();
  for (const pair of rawQuery.split('&')) {
    const at = pair.indexOf('=');
    const name = PARAMETERS.find((known) => known === pair.slice(0, at));
    if (at === -1 || name === undefined) continue;
    if (found.has(name)) refuse('PARAMETER_REPEATED');
    const value = pair.slice(at + 1);
    if (value.length > MAX_PARAMETER_LENGTH) refuse('MESSAGE_TOO_LARGE');
    found.set(name, value);
  }
  return found;
}

function checkQuerySignature(
  raw: ReadonlyMap<Parameter, string>,
  message: 'SAMLRequest' | 'SAMLResponse',
  keys: readonly KeyObject[],
): void {
  const [signature, algorithm] = [raw.get('Signature'), raw.get('SigAlg')];
  if (signature === undefined || algorithm === undefined) return refuse('SIGNATURE_MISSING');
  const signed = [message, 'RelayState' as const, 'SigAlg' as const]
    .filter((name) => raw.has(name))
    .map((name) => `${name}=${raw.get(name) ?? ''}`)
    .join('&');
  checkSignedBy(keys, {
    algorithm: decoded(algorithm),
    signed: Buffer.from(signed, 'utf8'),
    value: decodeBase64(decoded(signature)),
  });
}

function inflated(message: string): Buffer {
  const deflated = decodeBase64(decoded(message)) ?? refuse('BASE64_MALFORMED');
  try {
    return inflateRawSync(deflated, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch (error) {
    const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return refuse(isTooLarge ? 'MESSAGE_TOO_LARGE' : 'DEFLATE_MALFORMED');
  }
}

/** Percent-encoding undone; "+" stays what it is, as base64 that was not encoded may hold it. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return refuse('BASE64_MALFORMED');
  }
}
