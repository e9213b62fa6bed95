import { createHash, X509Certificate } from 'node:crypto';

import { secretHash } from '@sallyport/storage';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import {
  consumePendingLogin,
  findPendingTest,
  recordTest,
  type PendingLogin,
  type StoredTrace,
} from '../login/index.ts';
import { correlate, externalLogin, useUp, verifyPosted, type PostedResponse } from './consume-response.ts';
import { findSamlFacet, type SamlFacet } from './facet/facet-store.ts';
import { SAML_REASONS, type SamlReason } from './reasons.ts';
import type { VerifiedLogin } from './verify/login.ts';

/** The checks of a response in order, each with the first of its reasons in the list of all. */
const CHECKS: readonly (readonly [name: string, first: SamlReason])[] = [
  ['message', 'MESSAGE_MISSING'],
  ['XML', 'XML_MALFORMED'],
  ['structure', 'ROOT_NOT_RESPONSE'],
  ['encryption', 'DECRYPTION_KEY_MISSING'],
  ['signature', 'NO_USABLE_CERTIFICATE'],
  ['statements', 'STATUS_NOT_SUCCESS'],
  ['request', 'UNSOLICITED_FORBIDDEN'],
];
const OURSELVES: SamlReason = 'CONNECTION_UNUSABLE';
const NAMES = CHECKS.map(([name]) => name);

/** The check a reason belongs to; trouble of our own is the message's, because nothing has been looked at then. */
export const checkOf = (reason: SamlReason): string => {
  const at = SAML_REASONS.indexOf(reason);
  if (at >= SAML_REASONS.indexOf(OURSELVES)) return 'message';
  return CHECKS.findLast(([, first]) => SAML_REASONS.indexOf(first) <= at)?.[0] ?? 'message';
};

/** A test of a connection, which may be disabled, that this browser started and this answer is for. */
export const findSamlTest = async (
  { db, clock }: IdentityContext,
  connectionId: string,
  { relayState, browser }: Pick<PostedResponse, 'relayState' | 'browser'>,
): Promise<{ readonly facet: SamlFacet; readonly pending: PendingLogin } | null> => {
  if (relayState === null || relayState === '' || browser === null) return null;
  if (!z.uuid().safeParse(connectionId).success) return null;
  const key = { connectionId, relayStateHash: secretHash(relayState), browserHash: browser.hash, now: clock.now() };
  // Asked at every sign-in, and nearly always in vain.
  const pending = await db.readOneAcrossOrganizations(
    'a sign-in address names a connection only',
    async (tx) => await findPendingTest(tx, key),
  );
  if (pending === null) return null;
  const facet = await db.readOne(pending.orgId, async (tx) => await findSamlFacet(tx, pending.orgId, connectionId));
  return facet === null ? null : { facet, pending };
};

const ALGORITHM = /Algorithm="(http:\/\/www\.w3\.org\/[\w./#-]{1,80})"/g;
const MAX_ALGORITHMS = 20;

/** What is known of a message whether it is believed or not: its size, its hash and the algorithms it names. */
const outlineOf = ({ samlResponse, facet }: PostedResponse) => {
  const bytes = Buffer.from(samlResponse, 'base64');
  const named = [...bytes.toString('latin1').matchAll(ALGORITHM)].map(([, algorithm]) => algorithm);
  return {
    bytes: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    algorithms: [...new Set(named)].slice(0, MAX_ALGORITHMS),
    certificatesTried: facet.certificates.map((pem) => new X509Certificate(pem).fingerprint256),
  };
};

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const arrivedWith = (login: VerifiedLogin) => ({
  issuer: login.issuer,
  subject: login.nameId.value,
  subjectFormat: login.nameId.format,
  issuedAt: iso(login.issuedAtMs),
  authenticatedAt: iso(login.authenticatedAtMs),
  sessionEndsAt: iso(login.sessionNotOnOrAfterMs),
  authenticationContext: login.authnContextClass,
  attributes: login.attributes.map(([name, values]) => ({ name, values: values.length })),
});

/** Ends a test: verifies the answer as a real login would, uses request and assertion up, and keeps what was found. */
export const finishSamlTest = async (
  context: IdentityContext,
  posted: PostedResponse,
  pending: PendingLogin,
): Promise<StoredTrace> => {
  const { facet, origin } = posted;
  const outline = outlineOf(posted);
  const fail = async (reason: SamlReason, where: string | null, arrived: object): Promise<StoredTrace> => {
    await context.db.unauditedWrite(facet.orgId, 'a test is answered once; its outcome is audited', async (tx) => {
      await consumePendingLogin(tx, pending, context.clock.now());
    });
    const failure = { check: checkOf(reason), reason };
    const tested = { pending, checks: NAMES, failure, where, arrived: { ...outline, ...arrived }, login: null };
    return await recordTest(context, tested, origin);
  };
  const verdict = await verifyPosted(context, posted);
  if (!verdict.ok) return await fail(verdict.reason, verdict.where, {});
  const arrived = { ...outline, ...arrivedWith(verdict.login) };
  const request = await correlate(context, posted, verdict.login);
  if (request === null) return await fail('UNSOLICITED_FORBIDDEN', null, arrived);
  if (typeof request === 'string') return await fail(request, null, arrived);
  if (request.id !== pending.id) return await fail('REQUEST_UNKNOWN', null, arrived);
  const used = { facet, login: verdict.login, request, now: context.clock.now() };
  const conflict = await context.db.unauditedWrite(
    facet.orgId,
    'an assertion is used once; the outcome is audited',
    async (tx) => await useUp(tx, used),
  );
  if (conflict !== null) return await fail(conflict, null, arrived);
  const login = externalLogin(facet, verdict.login);
  return await recordTest(context, { pending, checks: NAMES, failure: null, where: null, arrived, login }, origin);
};
