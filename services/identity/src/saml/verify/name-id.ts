import { refuse } from '../reasons.ts';
import { attributeOf, textOf, type XmlElement } from '../xml/tree.ts';
import type { NameId } from './login.ts';
import { NAME_ID_TRANSIENT, NAME_ID_UNSPECIFIED } from './names.ts';

const MAX_NAME_ID_LENGTH = 512;
/** Of everything that tells a subject apart: it is found by an index, whose entries PostgreSQL keeps below 2,704 bytes. */
const MAX_SUBJECT_BYTES = 1_500;
const MAX_SESSION_INDEX_LENGTH = 512;
/** Leading, trailing or control characters let two readers see two names. */
const CLEAN_TEXT = /^[^\s\p{Cc}\p{Cf}](?:[^\p{Cc}\p{Cf}]*[^\s\p{Cc}\p{Cf}])?$/u;

/** The NameID of a login or logout, byte for byte. @throws SamlRefusal NAME_ID_INVALID, NAME_ID_TRANSIENT */
export function readNameId(element: XmlElement): NameId {
  const value = textOf(element);
  if (value.length > MAX_NAME_ID_LENGTH || !CLEAN_TEXT.test(value)) refuse('NAME_ID_INVALID');
  const format = attributeOf(element, 'Format') ?? NAME_ID_UNSPECIFIED;
  if (format === NAME_ID_TRANSIENT) refuse('NAME_ID_TRANSIENT');
  const nameQualifier = attributeOf(element, 'NameQualifier') ?? '';
  const spNameQualifier = attributeOf(element, 'SPNameQualifier') ?? '';
  const whole = value + format + nameQualifier + spNameQualifier;
  if (Buffer.byteLength(whole) > MAX_SUBJECT_BYTES) refuse('NAME_ID_INVALID');
  return { value, format, nameQualifier, spNameQualifier };
}

/** Whether a login can be told to have ended by this index later on: logouts that name any other are refused. */
export const isSessionIndex = (text: string): boolean => text.trim() !== '' && text.length <= MAX_SESSION_INDEX_LENGTH;
