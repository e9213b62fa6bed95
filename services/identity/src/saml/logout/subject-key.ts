import { composeKey } from '../../login/index.ts';
import type { NameId } from '../verify/login.ts';
import { NAME_ID_UNSPECIFIED } from '../verify/names.ts';

/** A person at an IdP, as their sessions remember them: everything that tells two subjects apart. */
export interface SamlSubject {
  readonly issuer: string;
  readonly nameId: NameId;
}

const PROTOCOL = 'saml';

/** The key sessions and links are stored under. */
export const subjectKeyOf = ({ issuer, nameId }: SamlSubject): string =>
  composeKey(PROTOCOL, issuer, nameId.format, nameId.nameQualifier, nameId.spNameQualifier, nameId.value);

/** The subject behind a key; null when it is not one of ours. */
export const readSubjectKey = (key: string): SamlSubject | null => {
  const parts: string[] = [];
  let rest = Buffer.from(key, 'utf8');
  while (rest.byteLength > 0) {
    const length = /^(\d{1,6}):/.exec(rest.subarray(0, 8).toString('latin1'));
    if (length === null) return null;
    const from = length[0].length;
    const end = from + Number(length[1]);
    if (end > rest.byteLength) return null;
    parts.push(rest.subarray(from, end).toString('utf8'));
    rest = rest.subarray(end);
  }
  const [protocol, issuer, format, nameQualifier, spNameQualifier, value, ...more] = parts;
  if (protocol !== PROTOCOL || issuer === undefined || format === undefined || value === undefined) return null;
  if (nameQualifier === undefined || spNameQualifier === undefined || more.length > 0) return null;
  return { issuer, nameId: { value, format, nameQualifier, spNameQualifier } };
};

/**
 * What the keys of a subject begin and end with when an IdP names it by its value alone (some leave the format
 * out); null when it says more.
 */
export const looseKeyOf = ({ issuer, nameId }: SamlSubject): { readonly start: string; readonly end: string } | null =>
  nameId.format === NAME_ID_UNSPECIFIED && nameId.nameQualifier === '' && nameId.spNameQualifier === ''
    ? { start: composeKey(PROTOCOL, issuer), end: composeKey(nameId.value) }
    : null;
