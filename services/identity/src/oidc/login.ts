import { constantTimeEqual, newId } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import {
  completeLogin,
  composeKey,
  consumePendingLogin,
  derivedSecret,
  findPendingLogin,
  insertPendingLogin,
  type AccountRefusal,
  type AccountRule,
  type Browser,
  type ExternalLogin,
  type LoginOrigin,
  type LoginStart,
  type PendingLogin,
  type StoredTrace,
} from '../login/index.ts';
import type { OpenedSession } from '../sessions/index.ts';
import { checkTexts, type LoginTexts } from './check-texts.ts';
import type { OidcFacet } from './facet-store.ts';
import { OidcRefusal, type OidcReason } from './reasons.ts';
import { requestKeyOf } from './request-key.ts';
import { finishOidcTest } from './test-login.ts';
import type { ClientOf, LoginSecrets, VerifiedIdentity } from './relying-party.ts';

const PENDING_MS = 10 * 60_000;
/** Purpose under which client secrets are sealed. */
export const SECRET_PURPOSE = 'oidc-client-secret';

/** Our redirect address of one connection; each has its own, against mix-up (RFC 9700 §4.4). */
export const redirectUriOf = (publicOrigin: string, connectionId: string): string =>
  `${new URL(publicOrigin).origin}/login/oidc/${connectionId}/callback`;

/** Where the identity provider of a connection reports that a session has ended. */
export const backchannelLogoutUriOf = (publicOrigin: string, connectionId: string): string =>
  `${new URL(publicOrigin).origin}/login/oidc/${connectionId}/backchannel-logout`;

const clientOf = ({ keyring }: IdentityContext, facet: OidcFacet): ClientOf => {
  const { orgId, connectionId, clientSecretSealed } = facet;
  const opened =
    clientSecretSealed === null ? null : keyring.open(orgId, SECRET_PURPOSE, connectionId, clientSecretSealed);
  return { facet, clientSecret: opened?.toString('utf8') ?? null };
};

const secretsOf = (browser: Browser, loginId: string): LoginSecrets => ({
  state: derivedSecret(browser, 'state', loginId),
  nonce: derivedSecret(browser, 'nonce', loginId),
  codeVerifier: derivedSecret(browser, 'pkce', loginId),
});

export interface OidcStart extends LoginStart {
  readonly facet: OidcFacet;
  readonly browser: Browser;
}

/** Remembers a login for this browser and answers the address of the IdP it is to go to. @throws OidcRefusal */
export const startOidcLogin = async (context: IdentityContext, start: OidcStart): Promise<string> => {
  const { facet, browser, returnTo, replaces, purpose, startedBy } = start;
  const id = newId();
  const secrets = secretsOf(browser, id);
  const redirectUri = redirectUriOf(context.config.publicOrigin, facet.connectionId);
  // A step-up asks for the person to be there now; whether they were is checked with the account (completeLogin).
  const signInAnew = purpose === 'step-up';
  const request = { ...secrets, redirectUri, signInAnew, maxAgeSeconds: signInAnew ? 0 : facet.maxAgeSeconds };
  const location = await context.relyingParty.authorizationUrl(clientOf(context, facet), request);
  const now = context.clock.now();
  await context.db.unauditedWrite(facet.orgId, 'a login under way; its outcome is audited', async (tx) => {
    await insertPendingLogin(tx, {
      orgId: facet.orgId,
      id,
      connectionId: facet.connectionId,
      protocol: 'oidc',
      requestKey: requestKeyOf(secrets.state),
      relayStateHash: null,
      browserHash: browser.hash,
      returnTo,
      replaces,
      purpose,
      startedBy,
      createdAt: now,
      expiresAt: new Date(now.getTime() + PENDING_MS),
    });
  });
  return location;
};

/** An answer as it came to our redirect address. */
export interface OidcAnswer {
  readonly facet: OidcFacet;
  readonly query: string;
  readonly browser: Browser | null;
  readonly origin: LoginOrigin;
}

export type Finished =
  | { readonly ok: true; readonly trace: StoredTrace }
  | { readonly ok: true; readonly session: OpenedSession; readonly returnTo: string }
  | {
      readonly ok: false;
      readonly reason: OidcReason | AccountRefusal;
      readonly where: string | null;
      readonly recorded: boolean;
    };

/**
 * Turns the answer of an IdP into a session, or says why not.
 *
 * 1. Its state names a login of this connection and this browser; 2. the login is used up before anything else happens,
 * so that of two answers one goes on; 3. the code is exchanged and the id_token verified (issuer, audience, nonce,
 * signature, PKCE); 4. the account is found and the session opened.
 */
export const finishOidcLogin = async (context: IdentityContext, answer: OidcAnswer): Promise<Finished> => {
  const { facet, browser } = answer;
  try {
    const url = new URL(`${redirectUriOf(context.config.publicOrigin, facet.connectionId)}?${answer.query}`);
    const { pending, by } = await correlate(context, { facet, browser, url }); // 1
    await useUp(context, pending); // 2
    const redeem = async () => {
      const identity = await redeemed(context, { facet, pending, by, url });
      return { identity, login: externalLogin(context, facet, identity) };
    };
    if (pending.purpose === 'test') {
      const trace = await finishOidcTest(context, { facet, pending, origin: answer.origin }, redeem);
      return { ok: true, trace };
    }
    const { login } = await redeem(); // 3
    const completed = await completeLogin(context, login, {
      origin: answer.origin,
      pending,
    }); // 4
    if (completed.ok) return { ok: true, session: completed.session, returnTo: pending.returnTo };
    return { ok: false, reason: completed.reason, where: null, recorded: true };
  } catch (error) {
    if (!(error instanceof OidcRefusal)) throw error;
    return { ok: false, reason: error.reason, where: error.where, recorded: false };
  }
};

const redeemed = async (
  context: IdentityContext,
  answer: { readonly facet: OidcFacet; readonly pending: PendingLogin; readonly by: Browser; readonly url: URL },
): Promise<VerifiedIdentity> => {
  const { facet, pending, by, url } = answer;
  return await context.relyingParty.redeem(clientOf(context, facet), url, {
    ...secretsOf(by, pending.id),
    maxAgeSeconds: ageAtAnswer(facet, pending, context.clock.now()),
    wantsUserInfo: (claims) => neededClaims(facet.accountRule).some((name) => !claims.has(name)),
  });
};

const correlate = async (
  { db, clock }: IdentityContext,
  { facet, browser, url }: { readonly facet: OidcFacet; readonly browser: Browser | null; readonly url: URL },
): Promise<{ readonly pending: PendingLogin; readonly by: Browser }> => {
  const [state, ...more] = url.searchParams.getAll('state');
  if (state === undefined || state === '' || more.length > 0) throw new OidcRefusal('STATE_MISSING');
  const { orgId, connectionId } = facet;
  const key = { orgId, connectionId, requestKey: requestKeyOf(state) };
  const pending = await db.read(orgId, async (tx) => await findPendingLogin(tx, key));
  if (pending?.protocol !== 'oidc') throw new OidcRefusal('STATE_UNKNOWN');
  if (browser === null || !constantTimeEqual(browser.hash, pending.browserHash))
    throw new OidcRefusal('STATE_OTHER_BROWSER');
  if (pending.consumedAt !== null) throw new OidcRefusal('STATE_CONSUMED');
  if (clock.now() >= pending.expiresAt) throw new OidcRefusal('STATE_EXPIRED');
  return { pending, by: browser };
};

const useUp = async ({ db, clock }: IdentityContext, pending: PendingLogin): Promise<void> => {
  const isFirst = await db.unauditedWrite(pending.orgId, 'a state is used once; the outcome is audited', async (tx) => {
    return await consumePendingLogin(tx, pending, clock.now());
  });
  if (!isFirst) throw new OidcRefusal('STATE_CONSUMED');
};

/** The age a sign-in may have by now: what was allowed when it was asked for, and the time since. */
const ageAtAnswer = ({ maxAgeSeconds }: OidcFacet, pending: PendingLogin, now: Date): number | null =>
  maxAgeSeconds === null ? null : maxAgeSeconds + Math.ceil((now.getTime() - pending.createdAt.getTime()) / 1000);

const neededClaims = ({ source, createOnFirstLogin, emailAttribute }: AccountRule): string[] => [
  ...(source === 'subject' ? [] : [source.attribute]),
  ...(createOnFirstLogin ? [emailAttribute] : []),
];

const stringsIn = (value: unknown): string[] =>
  (Array.isArray(value) ? (value as unknown[]) : [value]).filter((item): item is string => typeof item === 'string');

/** An address its own provider does not believe is none: somebody typed it in there (Core §5.1, nOAuth). */
const isBelieved = (name: string, claims: ReadonlyMap<string, unknown>): boolean =>
  name !== 'email' || ![false, 'false'].some((word) => word === claims.get('email_verified'));

const textsOf = (subject: string, claims: ReadonlyMap<string, unknown>): LoginTexts => ({
  subject,
  attributes: [...claims]
    .filter(([name]) => isBelieved(name, claims))
    .map(([name, value]) => [name, stringsIn(value)] as const),
  acr: stringsIn(claims.get('acr'))[0] ?? null,
  amr: stringsIn(claims.get('amr')),
  idpSession: stringsIn(claims.get('sid'))[0] ?? null,
});

const seconds = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

/** Only `auth_time` says when the person was there: a token can be issued any time after (Core §2). */
const provenAtOf = (authTime: number | null): Date | null => (authTime === null ? null : new Date(authTime * 1000));

const externalLogin = (
  { clock }: IdentityContext,
  facet: OidcFacet,
  { issuer, subject, claims, issuedAtSeconds }: VerifiedIdentity,
): ExternalLogin => {
  const sessionEndsAt = seconds(claims.get('session_expiry'));
  if (sessionEndsAt !== null && sessionEndsAt * 1000 <= clock.now().getTime())
    throw new OidcRefusal('IDP_SESSION_ENDED');
  const texts = textsOf(subject, claims);
  checkTexts(texts);
  return {
    ...texts,
    orgId: facet.orgId,
    connectionId: facet.connectionId,
    method: 'oidc',
    rule: facet.accountRule,
    subjectKey: composeKey('oidc', issuer, subject),
    authenticatedAt: new Date((seconds(claims.get('auth_time')) ?? issuedAtSeconds) * 1000),
    provenAt: provenAtOf(seconds(claims.get('auth_time'))),
    // Whole seconds: the token may have been issued as late as at the end of its second.
    issuedAt: new Date(issuedAtSeconds * 1000 + 999),
    idpSessionEndsAtMs: sessionEndsAt === null ? null : sessionEndsAt * 1000,
  };
};
