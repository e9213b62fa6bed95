/** Whose tests are put to the test: files that decide, and the suites that must notice when they decide otherwise. */
export interface MutationTarget {
  /** The part of the tree that is copied and changed. */
  readonly folder: string;
  readonly groups: readonly MutationGroup[];
  /** Share of the mutants that must be noticed. */
  readonly goal: number;
  /** Mutants that differ from the original in nothing one could notice, with the reason. */
  readonly equivalent: readonly EquivalentMutant[];
}

/** Files and the suites that answer for them; glob patterns within the folder. */
export interface MutationGroup {
  readonly files: readonly string[];
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

export const TARGETS: ReadonlyMap<string, MutationTarget> = new Map([
  [
    'saml',
    {
      folder: 'services/identity',
      groups: [
        {
          files: ['src/saml/verify/*.ts'],
          suites: [`${SAML}/verify.test.ts`, `${SAML}/encryption.test.ts`, `${SAML}/logout-verify.test.ts`],
        },
        {
          files: ['src/saml/consume-response.ts', 'src/saml/logout/receive-logout.ts'],
          suites: [`${SAML}/sign-on.test.ts`, `${SAML}/logout.test.ts`],
        },
      ],
      goal: 0.8,
      equivalent: [
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
