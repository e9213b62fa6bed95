/** Logout messages of an IdP for tests: valid ones and every kind of broken one, by both bindings. */
import { sign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

import { iso, RSA_SHA256, signatureFor, type SignOptions } from './idp.ts';

const SAMLP = 'urn:oasis:names:tc:SAML:2.0:protocol';
const SAML = 'urn:oasis:names:tc:SAML:2.0:assertion';
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

/** What a message says. Everything has a valid default; `null` leaves the part out. */
export interface LogoutOptions {
  readonly now: number;
  readonly issuer: string | null;
  readonly destination: string | null;
  readonly signing: SignOptions;
  readonly kind?: 'LogoutRequest' | 'LogoutResponse';
  readonly signed?: boolean;
  readonly id?: string;
  readonly version?: string;
  readonly issueInstant?: number;
  readonly notOnOrAfter?: number | null;
  readonly nameId?: string;
  readonly nameIdFormat?: string | null;
  readonly sessionIndexes?: readonly string[];
  readonly inResponseTo?: string | null;
  readonly status?: string;
  readonly beforeSigning?: (xml: string) => string;
  readonly afterSigning?: (xml: string) => string;
}

const attribute = (name: string, value: string | null): string => (value === null ? '' : ` ${name}="${value}"`);
const MARK = '<sig-root></sig-root>';

const content = (o: LogoutOptions): string => {
  if (o.kind === 'LogoutResponse') {
    const status = o.status ?? 'urn:oasis:names:tc:SAML:2.0:status:Success';
    return `<samlp:Status><samlp:StatusCode Value="${status}"></samlp:StatusCode></samlp:Status>`;
  }
  const format = o.nameIdFormat === undefined ? PERSISTENT : o.nameIdFormat;
  const name = `<saml:NameID xmlns:saml="${SAML}"${attribute('Format', format)}>${o.nameId ?? '00u1'}</saml:NameID>`;
  const indexes = (o.sessionIndexes ?? ['_s1']).map((index) => `<samlp:SessionIndex>${index}</samlp:SessionIndex>`);
  return name + indexes.join('');
};

const unsignedText = (o: LogoutOptions): string => {
  const kind = o.kind ?? 'LogoutRequest';
  const isRequest = kind === 'LogoutRequest';
  const end = o.notOnOrAfter === undefined ? o.now + 300_000 : o.notOnOrAfter;
  const own = isRequest
    ? attribute('NotOnOrAfter', end === null ? null : iso(end))
    : attribute('InResponseTo', o.inResponseTo === undefined ? '_request1' : o.inResponseTo);
  const issuer = o.issuer === null ? '' : `<saml:Issuer xmlns:saml="${SAML}">${o.issuer}</saml:Issuer>`;
  const head = `ID="${o.id ?? '_l1'}" Version="${o.version ?? '2.0'}" IssueInstant="${iso(o.issueInstant ?? o.now)}"`;
  return `<samlp:${kind} xmlns:samlp="${SAMLP}" ${head}${attribute('Destination', o.destination)}${own}>${issuer}${MARK}${content(o)}</samlp:${kind}>`;
};

/** The message for the POST binding, signed unless told otherwise. */
export const logoutText = (o: LogoutOptions): string => {
  const xml = o.beforeSigning?.(unsignedText(o)) ?? unsignedText(o);
  const signature = o.signed === false ? '' : signatureFor(xml.replace(MARK, ''), o.id ?? '_l1', o.signing);
  const signed = xml.replace(MARK, () => signature);
  return o.afterSigning?.(signed) ?? signed;
};

/** How a query differs from what it should be. */
export interface QueryOptions {
  readonly relayState?: string;
  readonly algorithm?: string;
  /** Works on the parameters before they are signed and after. */
  readonly beforeSigning?: (query: string) => string;
  readonly afterSigning?: (query: string) => string;
  readonly deflate?: (xml: string) => Buffer;
}

/** The query string of the redirect binding, signed unless told otherwise. */
export const logoutQuery = (o: LogoutOptions, options: QueryOptions = {}): string => {
  const xml = (o.beforeSigning?.(unsignedText(o)) ?? unsignedText(o)).replace(MARK, '');
  const changed = o.afterSigning?.(xml) ?? xml;
  const message = (options.deflate ?? ((text: string) => deflateRawSync(text)))(changed).toString('base64');
  const parameter = o.kind === 'LogoutResponse' ? 'SAMLResponse' : 'SAMLRequest';
  const algorithm = options.algorithm ?? o.signing.algorithm ?? RSA_SHA256;
  const pairs = [
    `${parameter}=${encodeURIComponent(message)}`,
    ...(options.relayState === undefined ? [] : [`RelayState=${encodeURIComponent(options.relayState)}`]),
    `SigAlg=${encodeURIComponent(algorithm)}`,
  ];
  const query = options.beforeSigning?.(pairs.join('&')) ?? pairs.join('&');
  const hash = /sha(1|256|384|512)$/.exec(algorithm)?.[0] ?? 'sha256';
  const key = { key: o.signing.with.key, dsaEncoding: 'ieee-p1363' } as const;
  const value = sign(hash, Buffer.from(query), key).toString('base64');
  const signed = o.signed === false ? query : `${query}&Signature=${encodeURIComponent(value)}`;
  return options.afterSigning?.(signed) ?? signed;
};
