/** Plays a row of the logout table: what is sent, as the strict layer takes it. */
import type { SentLogout } from '../../src/saml/verify/logout.ts';
import type { HostileLogout } from './hostile-logout.ts';
import { encoded, type SigningKey } from './idp.ts';
import { logoutQuery, logoutText, type LogoutOptions } from './idp-logout.ts';

/** The message of a row, given what a valid one says. */
export const sentLogout = (
  row: Pick<HostileLogout, 'binding' | 'at' | 'signing' | 'query' | 'replace' | 'sentAs'>,
  base: LogoutOptions,
  foreign: SigningKey,
): SentLogout => {
  const { foreignKey, ...signing } = row.signing ?? {};
  const signer = foreignKey === true ? foreign : base.signing.with;
  const options: LogoutOptions = {
    ...base,
    ...row.at?.(base.now),
    signing: { ...base.signing, ...signing, with: signer },
  };
  const kind = row.sentAs ?? options.kind ?? 'LogoutRequest';
  if (row.binding === 'redirect') {
    const query = logoutQuery(options, row.query);
    return { binding: 'redirect', rawQuery: row.replace?.(query, options) ?? query };
  }
  const xml = logoutText(options);
  const text = row.replace?.(xml, options) ?? xml;
  return { binding: 'post', kind, message: text === '' ? '' : encoded(text) };
};
