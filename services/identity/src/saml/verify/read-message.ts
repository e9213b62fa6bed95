/** How a message gets from the wire into the strict reader, and how a refusal gets out. */
import { refuse, SamlRefusal, type SamlReason } from '../reasons.ts';
import { MESSAGE_LIMITS } from '../xml/limits.ts';
import { parseXml } from '../xml/parse.ts';
import type { XmlElement } from '../xml/tree.ts';
import { decodeBase64 } from './signature.ts';

const BASE64_OVERHEAD = 1.4; // four characters for three bytes, and line breaks

export interface Refused {
  readonly ok: false;
  readonly reason: SamlReason;
  readonly where: string | null;
}

/** The document in a form field of the HTTP-POST binding. @throws SamlRefusal */
export function readPosted(field: string): XmlElement {
  if (field === '') refuse('MESSAGE_MISSING');
  if (field.length > MESSAGE_LIMITS.maxBytes * BASE64_OVERHEAD) refuse('MESSAGE_TOO_LARGE');
  return parseXml(decodeBase64(field) ?? refuse('BASE64_MALFORMED'), MESSAGE_LIMITS);
}

/** Turns a refusal into a value: the door of the strict layer. Everything else is a mistake of ours and is thrown. */
export function verdictOf<T>(judge: () => T): T | Refused {
  try {
    return judge();
  } catch (error) {
    if (error instanceof SamlRefusal) return { ok: false, reason: error.reason, where: error.where };
    throw error;
  }
}
