import { isDeepStrictEqual } from 'node:util';

import { isAppError } from '@sallyport/errors';

import type { IdentityContext } from '../../context.ts';
import { fence, type LateAuthorized } from '../../login/index.ts';
import { recordedFacet } from '../facet/change-facet.ts';
import { checkedIdp } from '../facet/facet-input.ts';
import { lockSamlFacet, noteMetadataReading, putSamlFacet, type SamlFacet } from '../facet/facet-store.ts';
import { fetchMetadata, nextReading } from './fetch-metadata.ts';
import type { IdpDescription } from './idp-metadata.ts';

export type RefreshOutcome =
  | { readonly outcome: 'updated' | 'unchanged' }
  | { readonly outcome: 'failed'; readonly problem: string };

/**
 * Reads the metadata of a connection again and takes over what has changed, with a record of it.
 *
 * A document that is away, too large, unsigned where a pin asks for a signature, of another entity, expired or without
 * a usable certificate changes nothing: the connection goes on with what it has, and the problem is noted for its
 * administrators.
 */
export const refreshMetadata = async (
  context: IdentityContext,
  who: LateAuthorized,
  facet: SamlFacet,
): Promise<RefreshOutcome> => {
  const outcome = await attempt(context, who, facet);
  context.metrics
    .counter({
      name: 'saml_metadata_readings_total',
      help: 'Readings of identity provider metadata by outcome.',
      labels: ['outcome'],
    })
    .inc({ outcome: outcome.outcome });
  return outcome;
};

const attempt = async (context: IdentityContext, who: LateAuthorized, facet: SamlFacet): Promise<RefreshOutcome> => {
  const { url, pins } = facet.metadata;
  if (url === null) return { outcome: 'failed', problem: 'The connection has no metadata address.' };
  try {
    const xml = await fetchMetadata(context.outbound, url);
    const described = await context.metadataReader.read(xml, { pins, now: context.clock.now() });
    const idp = checkedIdp(context, described, '/metadataUrl');
    if (idp.entityId !== facet.idpEntityId) {
      return await failed(context, facet, 'The metadata is of another entity than before.');
    }
    return { outcome: (await takeOver(context, who, { facet, idp, xml })) ? 'updated' : 'unchanged' };
  } catch (error) {
    if (!isAppError(error) || error.code !== 'INVALID_VALUE') throw error;
    return await failed(context, facet, error.message);
  }
};

const failed = async (context: IdentityContext, facet: SamlFacet, problem: string): Promise<RefreshOutcome> => {
  const { orgId, connectionId } = facet;
  context.logger.warn({ connectionId, problem }, 'identity provider metadata was not taken; the last copy stays');
  await context.db.unauditedWrite(orgId, 'how reading metadata went', async (tx) => {
    const dueAt = nextReading(context.clock.now(), 'failed');
    await noteMetadataReading(tx, { orgId, connectionId, dueAt, problem });
  });
  return { outcome: 'failed', problem };
};

interface Taken {
  readonly facet: SamlFacet;
  readonly idp: IdpDescription;
  readonly xml: string;
}

/** Differs once a facet has been set anew, or its metadata taken, at the same address as well: pins may have come. */
const stateOf = ({ createdAt, updatedAt, metadata }: SamlFacet): string =>
  [createdAt, updatedAt, metadata.readAt].map((at) => at?.toISOString()).join(' ');

/** True when something changed. A facet that was set or read anew meanwhile is left alone: what we have is older. */
const takeOver = async ({ audit, clock }: IdentityContext, who: LateAuthorized, taken: Taken): Promise<boolean> => {
  const { facet, idp, xml } = taken;
  const decision = await who.decide();
  const now = clock.now();
  const { value } = await audit.mutate(who.audit, async (tx) => {
    fence(tx, { audit: who.audit, decision });
    const before = await lockSamlFacet(tx, facet.orgId, facet.connectionId);
    if (before === null || stateOf(before) !== stateOf(facet)) {
      tx.unchanged();
      return false;
    }
    const after: SamlFacet = {
      ...before,
      ssoUrl: idp.ssoUrl,
      logout: idp.logout,
      certificates: idp.certificates,
      signRequests: before.signRequests || idp.wantsSignedRequests,
      metadata: {
        ...before.metadata,
        xml,
        validUntil: idp.validUntil,
        readAt: now,
        dueAt: nextReading(now, 'taken'),
        problem: null,
      },
    };
    const [was, is] = [recordedFacet(before), recordedFacet(after)];
    const isChanged = !isDeepStrictEqual(was, is);
    await putSamlFacet(tx, isChanged ? { ...after, updatedAt: now } : after);
    if (!isChanged) tx.unchanged();
    else
      tx.record({
        action: 'saml-facet.refreshed',
        target: { type: 'connection', id: facet.connectionId },
        before: was,
        after: is,
      });
    return isChanged;
  });
  return value;
};
