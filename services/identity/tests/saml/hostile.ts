/** The table of hostile responses: one row, one attack, one reason. Grow it here. */
import type { Expectations } from '../../src/saml/verify/login.ts';
import type { ResponseOptions, SignOptions } from './idp.ts';
import { signatureCases } from './hostile-signature.ts';
import { semanticCases } from './hostile-semantics.ts';
import { wrappingCases } from './hostile-wrapping.ts';
import { encodingCases } from './hostile-encoding.ts';

type Position = NonNullable<ResponseOptions['sign']>;

export interface HostileCase {
  readonly name: string;
  readonly reason: string;
  readonly response?: Partial<ResponseOptions>;
  readonly signing?: Partial<SignOptions> & { readonly foreignKey?: boolean; readonly weakKey?: boolean };
  readonly expected?: Partial<Expectations>;
  /** Said where the attack is about what is signed; otherwise it is tried wherever a signature may stand. */
  readonly only?: Position;
  /** Works on the base64 text that is posted. */
  readonly encode?: (xml: string) => string;
}

/** `now` is filled in by the suite: rows that need a time give a function of it. */
export interface TimedCase {
  readonly name: string;
  readonly reason: string;
  readonly at: (now: number) => Partial<ResponseOptions>;
  readonly expected?: (now: number) => Partial<Expectations>;
}

const HOUR = 3_600_000;

const timed: readonly TimedCase[] = [
  { name: 'Conditions ended 61 s ago', reason: 'EXPIRED', at: (now) => ({ notOnOrAfter: now - 61_000 }) },
  { name: 'Conditions begin in 61 s', reason: 'NOT_YET_VALID', at: (now) => ({ notBefore: now + 61_000 }) },
  {
    name: 'SubjectConfirmationData ended 61 s ago',
    reason: 'CONFIRMATION_EXPIRED',
    at: (now) => ({ confirmationNotOnOrAfter: now - 61_000 }),
  },
  {
    name: 'SubjectConfirmationData without an end',
    reason: 'CONFIRMATION_INCOMPLETE',
    at: () => ({ confirmationNotOnOrAfter: null }),
  },
  { name: 'issued in the future', reason: 'ISSUED_IN_FUTURE', at: (now) => ({ issueInstant: now + 61_000 }) },
  { name: 'issued an hour ago', reason: 'ISSUED_TOO_LONG_AGO', at: (now) => ({ issueInstant: now - HOUR }) },
  { name: 'authenticated in the future', reason: 'ISSUED_IN_FUTURE', at: (now) => ({ authnInstant: now + 61_000 }) },
  {
    name: 'authenticated too long ago for the request',
    reason: 'AUTHENTICATION_TOO_OLD',
    at: (now) => ({ authnInstant: now - HOUR }),
    expected: () => ({ maxAuthenticationAgeMs: 60_000 }),
  },
  { name: 'IdP session ended already', reason: 'IDP_SESSION_ENDED', at: (now) => ({ sessionNotOnOrAfter: now - 1 }) },
  {
    name: 'only certificate expired',
    reason: 'NO_USABLE_CERTIFICATE',
    at: () => ({}),
    expected: (now) => ({ nowMs: now + 30 * 365 * 24 * HOUR }),
  },
  {
    name: 'an old Assertion in a new Response',
    reason: 'ISSUED_TOO_LONG_AGO',
    at: (now) => ({ beforeSigning: assertionInstant(now - HOUR) }),
  },
  {
    name: 'an Assertion of the future in a Response of now',
    reason: 'ISSUED_IN_FUTURE',
    at: (now) => ({ beforeSigning: assertionInstant(now + 61_000) }),
  },
  {
    name: 'a confirmation that begins in 61 s',
    reason: 'NOT_YET_VALID',
    at: (now) => ({
      beforeSigning: (xml) =>
        xml.replace('<saml:SubjectConfirmationData', `$& NotBefore="${new Date(now + 61_000).toISOString()}"`),
    }),
  },
  ...['samlp:Response', 'saml:Assertion'].map((element) => ({
    name: `a ${element} that does not say when it was issued`,
    reason: 'ATTRIBUTE_MISSING',
    at: () => ({ beforeSigning: withoutAttribute(element, 'IssueInstant') }),
  })),
  {
    name: 'an authentication at no time',
    reason: 'ATTRIBUTE_MISSING',
    at: () => ({ beforeSigning: withoutAttribute('saml:AuthnStatement', 'AuthnInstant') }),
  },
  {
    name: 'a time that is no time',
    reason: 'TIME_MALFORMED',
    at: () => ({ beforeSigning: (xml) => xml.replace(/NotBefore="[^"]*"/, 'NotBefore="2026-02-30T00:00:00Z"') }),
  },
  {
    name: 'a time with an offset',
    reason: 'TIME_MALFORMED',
    at: () => ({ beforeSigning: (xml) => xml.replace(/NotBefore="[^"]*"/, 'NotBefore="2026-02-03T00:00:00+02:00"') }),
  },
];

const withoutAttribute =
  (element: string, name: string) =>
  (xml: string): string =>
    xml.replace(new RegExp(`(<${element}\\b[^>]*?) ${name}="[^"]*"`), '$1');

const assertionInstant =
  (ms: number) =>
  (xml: string): string =>
    xml.replace(/(<saml:Assertion [^>]*IssueInstant=")[^"]*/, `$1${new Date(ms).toISOString()}`);

const POSITIONS: readonly (readonly [sign: Position, suffix: string])[] = [
  ['assertion', ''],
  ['response', ' (signed Response)'],
  ['both', ' (both signed)'],
];

const inAllPositions = (row: HostileCase): HostileCase[] =>
  row.only !== undefined || row.response?.sign !== undefined
    ? [row]
    : POSITIONS.map(([sign, suffix]) => ({
        ...row,
        name: `${row.name}${suffix}`,
        response: { ...row.response, sign },
      }));

/** What is refused at this time of day, in all positions. */
export const timedCases: readonly TimedCase[] = timed.flatMap((row) =>
  POSITIONS.map(([sign, suffix]) => ({
    ...row,
    name: `${row.name}${suffix}`,
    at: (now: number) => ({ ...row.at(now), sign }),
  })),
);

/** Everything that is refused at any time of day. */
export const hostileCases: readonly HostileCase[] = [
  ...signatureCases,
  ...semanticCases,
  ...wrappingCases,
  ...encodingCases,
].flatMap(inAllPositions);
