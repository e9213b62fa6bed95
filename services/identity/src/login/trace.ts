import type { AccountRefusal } from './external-login.ts';

/** One thing that was looked at, in order; what comes after a failure was not. */
export interface TraceCheck {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'not-reached';
  /** The reason code of a failure. */
  readonly reason?: string;
}

/** What a test of a connection found: for its administrators, never for whoever sits at the browser of a real login. */
export interface LoginTrace {
  readonly checks: readonly TraceCheck[];
  /** Element names, limits and codes of the protocol; never values from the wire. */
  readonly where: string | null;
  /** What arrived, as far as it was understood: names of attributes, not what they say. */
  readonly arrived: Readonly<Record<string, unknown>>;
  /** Whom a real login would sign in. */
  readonly account: { readonly id: string | null; readonly userName: string; readonly isNew: boolean } | null;
  /** What the connection's rule makes of the attributes. */
  readonly mapped: MappedAttributes | null;
}

export interface MappedAttributes {
  readonly identifier: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly groups: readonly string[];
  readonly multiFactor: boolean;
}

/** What went wrong, if anything. */
export interface TraceFailure {
  readonly check: string;
  readonly reason: string;
}

/** The last check of every test, whatever the protocol: does the account rule lead to somebody? */
export const ACCOUNT_CHECK = 'account';

/** The checks of a pipeline that stops at its first failure. */
export const checksOf = (names: readonly string[], failure: TraceFailure | null): TraceCheck[] => {
  const failedAt = failure === null ? names.length : names.indexOf(failure.check);
  return names.map((name, at) => {
    if (at < failedAt) return { name, result: 'passed' };
    return at === failedAt && failure !== null
      ? { name, result: 'failed', reason: failure.reason }
      : { name, result: 'not-reached' };
  });
};

const EXPLANATIONS: Readonly<Record<AccountRefusal, string>> = {
  ACCOUNT_UNKNOWN: 'Nobody goes by this identifier, and a first login creates nobody.',
  ACCOUNT_AMBIGUOUS: 'The identifier is one person’s external id and another’s user name.',
  ACCOUNT_INACTIVE: 'The account is closed.',
  IDENTIFIER_MISSING:
    'The attribute the rule names is absent, empty, there more than once, no address or one its provider calls unverified.',
  LOGIN_OLDER_THAN_DEACTIVATION: 'The answer was issued before the account was last closed.',
  CREATION_OFF: 'A first login creates nobody.',
  DOMAIN_NOT_OF_CONNECTION: 'The address is in none of the connection’s proven domains.',
  NAME_TAKEN: 'Somebody else goes by this address.',
  CONNECTION_DISABLED: 'The connection is disabled.',
  STEP_UP_OTHER_ACCOUNT: 'Somebody else signed in.',
  STEP_UP_NOT_FRESH: 'The identity provider did not ask the person.',
};

const explanations: ReadonlyMap<string, string> = new Map(Object.entries(EXPLANATIONS));

/** A sentence for a refusal of the account rule; null for the codes of a protocol. */
export const explanationOf = (reason: string | null): string | null => explanations.get(reason ?? '') ?? null;
