import { X509Certificate } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';
import { accountRuleSchema, fence, findLoginConnection, type Authorized } from '../login/index.ts';
import { deleteSamlFacet, findSamlFacet, putSamlFacet, type SamlFacet } from './facet-store.ts';
import { readIdpMetadata, type IdpDescription } from './idp-metadata.ts';
import { usableKeys } from './verify/signature.ts';

const MAX_CERTIFICATES = 8;
const KIB = 1024;

/** What an administrator sets: the IdP's metadata, or its three facts one by one. */
export const facetInputSchema = z.object({
  metadataXml: z
    .string()
    .min(1)
    .max(512 * KIB)
    .optional(),
  entityId: z.string().min(1).max(1024).optional(),
  ssoUrl: z.string().min(1).max(2048).optional(),
  /** PEM, or base64 of the certificate. */
  certificates: z
    .array(z.string().max(16 * KIB))
    .max(MAX_CERTIFICATES)
    .optional(),
  signRequests: z.boolean().default(true),
  requireSignedResponse: z.boolean().default(false),
  requireSignedAssertion: z.boolean().default(false),
  allowIdpInitiated: z.boolean().default(false),
  accountRule: accountRuleSchema.prefault({}),
});

export type FacetInput = z.output<typeof facetInputSchema>;

const invalid = (pointer: string, detail: string): AppError =>
  new AppError('INVALID_VALUE', detail, { fields: [{ pointer, code: 'saml', detail }] });

const describe = (input: FacetInput): IdpDescription => {
  if (input.metadataXml !== undefined) return readIdpMetadata(input.metadataXml);
  const { entityId, ssoUrl, certificates } = input;
  if (entityId === undefined || ssoUrl === undefined || certificates === undefined) {
    throw invalid('/metadataXml', 'Give metadataXml, or entityId, ssoUrl and certificates.');
  }
  return { entityId, ssoUrl, certificates: certificates.map(toPem), wantsSignedRequests: false };
};

const toPem = (text: string): string => {
  try {
    const isPem = text.includes('-----BEGIN CERTIFICATE-----');
    return new X509Certificate(isPem ? text : Buffer.from(text, 'base64')).toString();
  } catch {
    throw invalid('/certificates', 'A certificate is neither PEM nor base64 of an X.509 certificate.');
  }
};

const checkSsoUrl = (text: string, allowPlain: boolean): string => {
  const url = URL.parse(text);
  const isAllowed = url !== null && (url.protocol === 'https:' || (allowPlain && url.protocol === 'http:'));
  if (!isAllowed) throw invalid('/ssoUrl', 'The single sign-on address must be an absolute https URL.');
  return url.href;
};

const checkCertificates = (certificates: readonly string[], nowMs: number): void => {
  try {
    usableKeys(certificates, nowMs);
  } catch {
    const detail = 'No certificate is usable: they are expired, or their keys too weak (RSA 2048, EC P-256 at least).';
    throw invalid('/certificates', detail);
  }
};

/**
 * Sets how people of a connection sign in by SAML.
 * @throws NOT_FOUND, INVALID_VALUE
 */
export const putFacet = async (
  context: IdentityContext,
  who: Authorized,
  change: { readonly connectionId: string; readonly input: FacetInput },
): Promise<SamlFacet> => {
  const { connectionId, input } = change;
  const now = context.clock.now();
  const idp = describe(input);
  checkCertificates(idp.certificates, now.getTime());
  const { value } = await context.audit.mutate(who.audit, async (tx) => {
    fence(tx, who);
    const connection = await findLoginConnection(tx, connectionId);
    if (connection === null) throw new AppError('NOT_FOUND', 'There is no such connection.');
    const before = await findSamlFacet(tx, tx.orgId, connectionId);
    const facet: SamlFacet = {
      orgId: tx.orgId,
      connectionId,
      idpEntityId: idp.entityId,
      ssoUrl: checkSsoUrl(idp.ssoUrl, context.config.allowInsecurePrivateFetch),
      certificates: idp.certificates,
      metadataXml: input.metadataXml ?? null,
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
      ...(before === null ? {} : { before: recorded(before) }),
      after: recorded(facet),
    });
    return facet;
  });
  return value;
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
      before: recorded(before),
    });
  });
};

/** A certificate as people compare it. */
export const describeCertificate = (pem: string) => {
  const certificate = new X509Certificate(pem);
  return {
    subject: certificate.subject,
    fingerprintSha256: certificate.fingerprint256,
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
  };
};

const recorded = (facet: SamlFacet) => ({
  entityId: facet.idpEntityId,
  ssoUrl: facet.ssoUrl,
  certificates: facet.certificates.map((pem) => describeCertificate(pem).fingerprintSha256),
  signRequests: facet.signRequests,
  requireSignedResponse: facet.requireSignedResponse,
  requireSignedAssertion: facet.requireSignedAssertion,
  allowIdpInitiated: facet.allowIdpInitiated,
  accountRule: JSON.stringify(facet.accountRule),
});
