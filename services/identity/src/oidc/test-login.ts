import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  findLoginConnection,
  findPendingLogin,
  recordTest,
  type ExternalLogin,
  type LoginOrigin,
  type PendingLogin,
  type StoredTrace,
} from '../login/index.ts';
import { findOidcFacet, type OidcFacet } from './facet-store.ts';
import { OidcRefusal, type OidcReason } from './reasons.ts';
import { requestKeyOf } from './request-key.ts';
import type { VerifiedIdentity } from './relying-party.ts';

const CHECKS = ['discovery', 'answer', 'id_token', 'userinfo'] as const;

const EARLY: ReadonlyMap<OidcReason, (typeof CHECKS)[number]> = new Map([
  ['DISCOVERY_FAILED', 'discovery'],
  ['ISSUER_MISMATCH', 'discovery'],
  ['ISSUER_MISSING', 'answer'],
  ['PROVIDER_REFUSED', 'answer'],
  ['ANSWER_INVALID', 'answer'],
  ['USERINFO_INVALID', 'userinfo'],
]);

/** The facet of a connection, which may be disabled, that an answer's state names a test of; null without one. */
export const findOidcFacetUnderTest = async (
  { db, clock }: IdentityContext,
  connectionId: string,
  query: string,
): Promise<OidcFacet | null> => {
  const state = new URLSearchParams(query).get('state');
  if (state === null || !z.uuid().safeParse(connectionId).success) return null;
  return await db.readAcrossOrganizations('a sign-in address names a connection only', async (tx) => {
    const connection = await findLoginConnection(tx, connectionId);
    if (connection === null) return null;
    const { orgId } = connection;
    const pending = await findPendingLogin(tx, { orgId, connectionId, requestKey: requestKeyOf(state) });
    const isTest = pending?.purpose === 'test' && pending.consumedAt === null && clock.now() < pending.expiresAt;
    return isTest ? await findOidcFacet(tx, orgId, connectionId) : null;
  });
};

/** Ends a test: redeems the answer as a real login would, and keeps what was found. The state is used up already. */
export const finishOidcTest = async (
  context: IdentityContext,
  tested: { readonly facet: OidcFacet; readonly pending: PendingLogin; readonly origin: LoginOrigin },
  redeem: () => Promise<{ readonly identity: VerifiedIdentity; readonly login: ExternalLogin }>,
): Promise<StoredTrace> => {
  const { facet, pending, origin } = tested;
  const asked = { issuer: facet.issuer, clientId: facet.clientId, scopes: facet.scopes };
  try {
    const { identity, login } = await redeem();
    const arrived = {
      ...asked,
      subject: identity.subject,
      issuedAt: new Date(identity.issuedAtSeconds * 1000).toISOString(),
      authenticatedAt: login.provenAt?.toISOString() ?? null,
      authenticationContext: login.acr,
      methods: login.amr,
      claims: [...identity.claims.keys()].sort(),
    };
    const found = { pending, checks: CHECKS, failure: null, where: null, arrived, login };
    return await recordTest(context, found, origin);
  } catch (error) {
    if (!(error instanceof OidcRefusal)) throw error;
    const { reason, where } = error;
    const failure = { check: EARLY.get(reason) ?? 'id_token', reason };
    return await recordTest(context, { pending, checks: CHECKS, failure, where, arrived: asked, login: null }, origin);
  }
};
