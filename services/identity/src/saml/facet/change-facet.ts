import { AppError } from '@sallyport/errors';

import type { IdentityContext } from '../../context.ts';
import {
  endOutlivedSessions,
  fence,
  findLoginConnection,
  type Authorized,
  type LateAuthorized,
} from '../../login/index.ts';
import { describeCertificate } from '../metadata/certificate.ts';
import { describeIdp, type FacetInput } from './facet-input.ts';
import { deleteSamlFacet, findSamlFacet, putSamlFacet, type SamlFacet } from './facet-store.ts';

/**
 * Sets how people of a connection sign in by SAML. With another IdP the sessions of the one before end.
 * @throws NOT_FOUND, INVALID_VALUE
 */
export const putFacet = async (
  context: IdentityContext,
  who: LateAuthorized,
  change: { readonly connectionId: string; readonly input: FacetInput },
): Promise<SamlFacet> => {
  const { connectionId, input } = change;
  const { idp, metadata } = await describeIdp(context, input);
  const decision = await who.decide();
  const now = context.clock.now();
  const { value } = await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, { audit: who.audit, decision });
    const connection = await findLoginConnection(tx, connectionId);
    if (connection === null) throw new AppError('NOT_FOUND', 'There is no such connection.');
    const before = await findSamlFacet(tx, tx.orgId, connectionId);
    const facet: SamlFacet = {
      orgId: tx.orgId,
      connectionId,
      idpEntityId: idp.entityId,
      ssoUrl: idp.ssoUrl,
      logout: idp.logout,
      certificates: idp.certificates,
      metadata,
      signRequests: input.signRequests || idp.wantsSignedRequests,
      requireSignedResponse: input.requireSignedResponse,
      requireSignedAssertion: input.requireSignedAssertion,
      allowIdpInitiated: input.allowIdpInitiated,
      accountRule: input.accountRule,
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
    };
    await putSamlFacet(tx, facet);
    tx.record({
      action: before === null ? 'saml-facet.created' : 'saml-facet.updated',
      target: { type: 'connection', id: connectionId },
      ...(before === null ? {} : { before: recordedFacet(before) }),
      after: recordedFacet(facet),
    });
    return { facet, isOtherIdp: before !== null && before.idpEntityId !== facet.idpEntityId };
  });
  if (value.isOtherIdp) await endOutlivedSessions(context, who.audit, connectionId);
  return value.facet;
};

/** Ends sign-in by SAML for a connection. Sessions opened through it go on. @throws NOT_FOUND */
export const removeFacet = async (context: IdentityContext, who: Authorized, connectionId: string): Promise<void> => {
  await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const before = await findSamlFacet(tx, tx.orgId, connectionId);
    if (before === null || !(await deleteSamlFacet(tx, tx.orgId, connectionId))) {
      throw new AppError('NOT_FOUND', 'The connection has no SAML sign-in.');
    }
    tx.record({
      action: 'saml-facet.deleted',
      target: { type: 'connection', id: connectionId },
      before: recordedFacet(before),
    });
  });
};

/** A facet as the audit log keeps it. */
export const recordedFacet = (facet: SamlFacet) => ({
  entityId: facet.idpEntityId,
  ssoUrl: facet.ssoUrl,
  sloUrl: facet.logout?.url ?? null,
  certificates: facet.certificates.map((pem) => describeCertificate(pem).fingerprintSha256),
  metadataUrl: facet.metadata.url,
  metadataPins: facet.metadata.pins.map((pem) => describeCertificate(pem).fingerprintSha256),
  signRequests: facet.signRequests,
  requireSignedResponse: facet.requireSignedResponse,
  requireSignedAssertion: facet.requireSignedAssertion,
  allowIdpInitiated: facet.allowIdpInitiated,
  accountRule: JSON.stringify(facet.accountRule),
});
