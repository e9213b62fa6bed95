/**
 * How somebody proved who they are, in the words of RFC 8176 (`amr`), and how much that is (`acr`). Policy and
 * applications compare these; a stronger class never comes from weaker methods.
 */

/** A password alone. */
export const ACR_PASSWORD = 'urn:sallyport:acr:password';
/** Two factors. */
export const ACR_MFA = 'urn:sallyport:acr:mfa';
/** Two factors nobody can be talked into giving to another site: a passkey with user verification. */
export const ACR_PHISHING_RESISTANT = 'urn:sallyport:acr:phishing-resistant';

export type Amr = readonly string[];

/** What a passkey with user verification proves; a synced one is a key in software. @see RFC 8176 §2 */
export const passkeyAmr = ({ isSynced }: { readonly isSynced: boolean }): Amr => [
  isSynced ? 'swk' : 'hwk',
  'user',
  'mfa',
];

/** The class of a login by these methods. */
export const acrOf = (amr: Amr): string => {
  if (!amr.includes('mfa')) return ACR_PASSWORD;
  return amr.includes('hwk') || amr.includes('swk') ? ACR_PHISHING_RESISTANT : ACR_MFA;
};
