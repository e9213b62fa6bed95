import type { Principal } from '@sallyport/http';

import type { SessionSettings } from './settings.ts';
import { stepUpDue } from './step-up.ts';

const MINUTE_MS = 60_000;

/** How stale the recorded last use may get before it is written again. */
export const TOUCH_MS = MINUTE_MS;

export type LoginMethod = 'saml' | 'oidc' | 'password' | 'passkey';

/** A browser session as it is stored. */
export interface Session {
  readonly orgId: string;
  readonly id: string;
  readonly accountId: string;
  readonly connectionId: string | null;
  readonly epochAtIssue: bigint;
  readonly method: LoginMethod;
  readonly acr: string | null;
  readonly amr: readonly string[];
  readonly authenticatedAt: Date;
  /** When the person last proved to be there; null when the identity provider does not say. */
  readonly provenAt: Date | null;
  /** Whether that was with more than one factor. */
  readonly multiFactor: boolean;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
  readonly endedAt: Date | null;
}

/** What stands around a session and can end it. */
export interface SessionStanding {
  readonly session: Session;
  readonly accountStatus: string;
  readonly accountEpoch: bigint;
  readonly accountType: 'user' | 'service_account';
  readonly displayName: string;
  readonly orgSlug: string;
  readonly connectionName: string | null;
  /** False when the connection is disabled or gone. */
  readonly connectionOpen: boolean;
  /** What the organisation asks of sessions now. */
  readonly settings: SessionSettings;
}

/** Why a credential is not one (any more): for logs and the audit record, never for whoever showed it. */
export type InactiveReason =
  | 'MALFORMED'
  | 'UNKNOWN'
  | 'ENDED'
  | 'EXPIRED'
  | 'IDLE'
  | 'ACCOUNT_INACTIVE'
  | 'EPOCH_RAISED'
  | 'CONNECTION_DISABLED'
  | 'CLIENT_GONE'
  | 'GRANT_GONE';

/** Null when the session counts; else the first reason why it does not. */
export const inactiveReason = (standing: SessionStanding, now: Date): InactiveReason | null => {
  const { session } = standing;
  if (session.endedAt !== null) return 'ENDED';
  if (now >= session.expiresAt) return 'EXPIRED';
  if (now.getTime() >= session.lastUsedAt.getTime() + standing.settings.idleMinutes * MINUTE_MS) return 'IDLE';
  if (standing.accountStatus !== 'active') return 'ACCOUNT_INACTIVE';
  if (standing.accountEpoch !== session.epochAtIssue) return 'EPOCH_RAISED';
  return standing.connectionOpen ? null : 'CONNECTION_DISABLED';
};

/** The end of a session opened now: the organisation's absolute limit, or the identity provider's if that is earlier. */
export const expiryOf = (now: Date, absoluteMinutes: number, idpSessionEndsAtMs: number | null): Date =>
  new Date(Math.min(now.getTime() + absoluteMinutes * MINUTE_MS, idpSessionEndsAtMs ?? Number.POSITIVE_INFINITY));

/** Who acts through a live session. */
export const principalOf = (standing: SessionStanding, now: Date): Principal => {
  const { session } = standing;
  const due = stepUpDue(standing.settings.stepUp, session, now);
  return {
    orgId: session.orgId,
    orgSlug: standing.orgSlug,
    subjectId: session.accountId,
    type: standing.accountType,
    epoch: session.epochAtIssue,
    credentialType: 'session',
    credentialId: session.id,
    scopes: [],
    authenticatedAt: session.authenticatedAt,
    expiresAt: session.expiresAt,
    displayName: standing.displayName,
    amr: session.amr,
    ...(session.acr === null ? {} : { acr: session.acr }),
    ...(due.length === 0 ? {} : { stepUpDue: due }),
  };
};
