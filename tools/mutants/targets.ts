/** Whose tests are put to the test: files that decide, and the suites that must notice when they decide otherwise. */
export interface MutationTarget {
  /** The part of the tree that is copied and changed. */
  readonly folder: string;
  readonly groups: readonly MutationGroup[];
  /** Suites that run in a process that is kept: no service, no database, no thread that loads files by itself. */
  readonly warm: readonly string[];
  /** Share of the mutants that must be noticed. */
  readonly goal: number;
  /** Mutants that differ from the original in nothing one could notice, with the reason. */
  readonly equivalent: readonly EquivalentMutant[];
}

/** Files (glob patterns) and the suites that answer for them, within the folder. */
export interface MutationGroup {
  readonly files: readonly string[];
  /** Run one after the other until one fails: what covers the files best and takes least comes first. */
  readonly suites: readonly string[];
}

export interface EquivalentMutant {
  readonly file: string;
  /** Part of the line that is changed. */
  readonly line: string;
  /** Null = whatever is changed on it. */
  readonly change: string | null;
  readonly reason: string;
}

const SAML = 'tests/saml';
const VERIFY = `${SAML}/verify.test.ts`;
const LOGOUT_VERIFY = `${SAML}/logout-verify.test.ts`;
const STRUCTURE = `${SAML}/structure.test.ts`;
const XML = `${SAML}/xml.test.ts`;
const IDP_METADATA = `${SAML}/idp-metadata.test.ts`;
const KEYS = `${SAML}/keys.test.ts`;
const ENCRYPTION = `${SAML}/encryption.test.ts`;
const SIGN_ON = `${SAML}/sign-on.test.ts`;
const LOGOUT = `${SAML}/logout.test.ts`;

const SECOND_LOOKS: readonly Omit<EquivalentMutant, 'reason'>[] = [
  { file: 'verify-response.ts', line: 'checkResponseStructure(response)', change: 'no checkResponseStructure()' },
  { file: 'verify-response.ts', line: 'checkAssertionStructure(reread)', change: 'no checkAssertionStructure()' },
  { file: 'verify-response.ts', line: 'if (responseSigned) return covered', change: null },
  { file: 'verify-logout.ts', line: 'checkLogoutStructure(message, sent.kind)', change: 'no checkLogoutStructure()' },
];

export const TARGETS: ReadonlyMap<string, MutationTarget> = new Map([
  [
    'saml',
    {
      folder: 'services/identity',
      groups: [
        {
          files: [
            'src/saml/verify/{assertion-checks,login,name-id,names,response-checks,signature,time}.ts',
            'src/saml/verify/{read-message,verify-response}.ts',
          ],
          suites: [VERIFY, LOGOUT_VERIFY, STRUCTURE, ENCRYPTION],
        },
        { files: ['src/saml/verify/{rules,structure}.ts'], suites: [STRUCTURE, VERIFY, LOGOUT_VERIFY, ENCRYPTION] },
        { files: ['src/saml/verify/decrypt.ts'], suites: [ENCRYPTION, VERIFY] },
        { files: ['src/saml/verify/{logout,redirect-message,verify-logout}.ts'], suites: [LOGOUT_VERIFY] },
        { files: ['src/saml/xml/{canonicalize,limits,parse,tree}.ts'], suites: [XML, VERIFY, ENCRYPTION] },
        { files: ['src/saml/{xml/write,sign,login-request}.ts'], suites: [KEYS, `${SAML}/second-library.test.ts`] },
        { files: ['src/saml/{key-pairs,service-provider}.ts'], suites: [KEYS] },
        { files: ['src/saml/verifier/*.ts'], suites: [`${SAML}/verifier-pool.test.ts`, SIGN_ON, LOGOUT] },
        { files: ['src/saml/consume-response.ts'], suites: [SIGN_ON, `${SAML}/step-up.test.ts`] },
        { files: ['src/saml/logout/subject-key.ts'], suites: [LOGOUT_VERIFY, LOGOUT] },
        { files: ['src/saml/logout/receive-logout.ts'], suites: [LOGOUT] },
        {
          files: ['src/saml/metadata/{idp-metadata,certificate}.ts'],
          suites: [IDP_METADATA, `${SAML}/metadata.test.ts`],
        },
      ],
      warm: [VERIFY, LOGOUT_VERIFY, STRUCTURE, XML, KEYS, ENCRYPTION, IDP_METADATA],
      goal: 0.8,
      equivalent: [
        ...SECOND_LOOKS.map((look) => ({
          ...look,
          reason:
            'What was checked before and its canonical bytes read the same, as the properties of reader and canonicaliser say; the second look is for the day they do not.',
        })),
        {
          file: 'verify-logout.ts',
          line: "?? refuse('ISSUER_MISSING')",
          change: 'no refusal of what is absent',
          reason: 'The structural allow-list, which runs before, has refused what is absent.',
        },
        {
          file: 'time.ts',
          line: 'if (seconds === undefined) return null',
          change: 'if (false)',
          reason: 'No instant begins with the word undefined, which is what is compared then.',
        },
        {
          file: 'consume-response.ts',
          line: 'if (request.consumedAt !== null)',
          change: 'if (false)',
          reason: 'Said early; using the request up fails for the same reason.',
        },
        ...['assertion-checks.ts', 'decrypt.ts', 'signature.ts', 'verify-logout.ts'].map((file) => ({
          file,
          line: "?? refuse('ELEMENT_MISSING'",
          change: 'no refusal of what is absent',
          reason: 'The structural allow-list, which runs before, has refused what is absent.',
        })),
        {
          file: 'structure.ts',
          line: "if (rule === undefined) return refuse('ELEMENT_FORBIDDEN', name)",
          change: 'if (false)',
          reason: 'Only elements that a rule names as children are reached, and each of those has a rule.',
        },
        {
          file: 'read-message.ts',
          line: 'MESSAGE_LIMITS.maxBytes * BASE64_OVERHEAD',
          change: 'if (false)',
          reason: 'Saves the decoding; the reader refuses the same message for the same reason.',
        },
      ],
    },
  ],
]);
