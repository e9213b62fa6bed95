import type { AccountRule } from './account-rule.ts';

/** Somebody an identity provider vouches for, whatever the protocol. */
export interface ExternalLogin {
  readonly orgId: string;
  readonly connectionId: string;
  readonly method: 'saml' | 'oidc';
  readonly rule: AccountRule;
  /** The identifier the IdP gave the person (NameID, `sub`). */
  readonly subject: string;
  /** Everything that tells this subject apart: issuer, format, qualifiers, subject. Length-prefixed. */
  readonly subjectKey: string;
  readonly attributes: readonly (readonly [name: string, values: readonly string[]])[];
  readonly authenticatedAt: Date;
  /** When the IdP says the person was there; null when it does not say. Never the moment the token was issued. */
  readonly provenAt: Date | null;
  /** When the IdP issued the assertion or id_token. */
  readonly issuedAt: Date;
  readonly acr: string | null;
  readonly amr: readonly string[];
  readonly idpSession: string | null;
  readonly idpSessionEndsAtMs: number | null;
}

/** Joins the parts of a key so that no two lists of parts give the same text. */
export const composeKey = (...parts: readonly string[]): string =>
  parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');

/** Why an identity provider's word did not become a session, beyond what the protocol itself refuses. */
export type AccountRefusal =
  | 'ACCOUNT_UNKNOWN'
  | 'ACCOUNT_AMBIGUOUS'
  | 'ACCOUNT_INACTIVE'
  | 'IDENTIFIER_MISSING'
  | 'LOGIN_OLDER_THAN_DEACTIVATION'
  | 'CREATION_OFF'
  | 'DOMAIN_NOT_OF_CONNECTION'
  | 'NAME_TAKEN'
  | 'CONNECTION_DISABLED'
  | 'STEP_UP_OTHER_ACCOUNT'
  | 'STEP_UP_NOT_FRESH';

/** The one value of an attribute; null when it is absent, empty or there more than once. */
export const singleValue = (login: ExternalLogin, name: string): string | null => {
  const values = login.attributes.find(([candidate]) => candidate === name)?.[1] ?? [];
  const [value] = values;
  return values.length === 1 && value !== undefined && value !== '' ? value : null;
};

/** All values of an attribute, in order. */
export const valuesOf = (login: ExternalLogin, name: string): readonly string[] =>
  login.attributes.filter(([candidate]) => candidate === name).flatMap(([, values]) => values);
