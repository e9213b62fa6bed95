import type { JsonObject } from '@sallyport/audit';

/** SCIM attributes of an account beyond the columns, under their canonical names. */
export type Profile = Record<string, unknown>;

export type AccountStatus = 'active' | 'inactive' | 'deleted';

/** The three who can close an account; it is active only while none of them has. */
export interface Switches {
  /** What the directory (SCIM) last said. */
  readonly directoryActive: boolean;
  /** An administrator closed it here, whatever the directory says. */
  readonly adminHold: boolean;
  /** Its connection is disabled. */
  readonly connectionHold: boolean;
}

export interface Account extends Switches {
  readonly orgId: string;
  readonly id: string;
  readonly kind: 'user' | 'service_account';
  readonly status: AccountStatus;
  /** Raised whenever access ends or a security event happens; a credential of an older epoch is void. */
  readonly epoch: bigint;
  /** The local Owner that outlives every directory. */
  readonly breakGlass: boolean;
  readonly connectionId: string | null;
  readonly externalId: string | null;
  readonly userName: string;
  readonly displayName: string;
  readonly profile: Profile;
  /** Counts effective changes; the SCIM version. */
  readonly version: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly deactivatedAt: Date | null;
}

/** The status that follows from the switches. @see the constraint account_access_needs_every_switch */
export const statusOf = ({ directoryActive, adminHold, connectionHold }: Switches): 'active' | 'inactive' =>
  directoryActive && !adminHold && !connectionHold ? 'active' : 'inactive';

/** Standing as the audit log shows it. */
export const auditStanding = (account: Account): JsonObject => ({
  status: account.status,
  epoch: account.epoch,
  directoryActive: account.directoryActive,
  adminHold: account.adminHold,
  connectionHold: account.connectionHold,
});

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What to call somebody on screen: display name, else the formatted or composed name, else the user name. */
export const displayNameOf = (profile: Profile, userName: string): string => {
  const name = (typeof profile['name'] === 'object' ? profile['name'] : {}) as Record<string, unknown>;
  const composed = [text(name['givenName']), text(name['familyName'])].filter((part) => part !== '').join(' ');
  return [text(profile['displayName']), text(name['formatted']), composed].find((choice) => choice !== '') ?? userName;
};

/** The addresses of a profile, in its order. */
export const emailsOf = (profile: Profile): string[] => {
  const emails = Array.isArray(profile['emails']) ? (profile['emails'] as unknown[]) : [];
  return emails
    .map((email) => (typeof email === 'object' && email !== null ? text((email as { value?: unknown }).value) : ''))
    .filter((value) => value !== '');
};
