import { X509Certificate } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { accountRuleSchema } from '../../login/index.ts';
import type { LogoutEndpoint, MetadataSource } from './facet-store.ts';
import { fetchMetadata, nextReading } from '../metadata/fetch-metadata.ts';
import { MAX_CERTIFICATES, type IdpDescription } from '../metadata/idp-metadata.ts';
import { usableKeys } from '../verify/signature.ts';

const KIB = 1024;
const MAX_URL = 2048;
/** Core §8.3.6. Part of what a person is found by, in metadata as well. */
const MAX_ENTITY_ID = 1024;
const certificates = z.array(z.string().max(16 * KIB)).max(MAX_CERTIFICATES);

/** What an administrator sets: the IdP's metadata, its address, or its facts one by one. */
export const facetInputSchema = z.object({
  metadataXml: z
    .string()
    .min(1)
    .max(512 * KIB)
    .optional(),
  /** Read now and again every twelve hours. */
  metadataUrl: z.string().min(1).max(MAX_URL).optional(),
  /** Certificates (PEM or base64) one of which the metadata must be signed by. */
  metadataPins: certificates.default([]),
  entityId: z.string().min(1).max(MAX_ENTITY_ID).optional(),
  ssoUrl: z.string().min(1).max(MAX_URL).optional(),
  /** PEM, or base64 of the certificate. */
  certificates: certificates.optional(),
  /** Where the IdP takes logouts; with metadata it comes from there. */
  singleLogout: z
    .object({
      url: z.string().min(1).max(MAX_URL),
      binding: z.enum(['redirect', 'post']).default('redirect'),
      responseUrl: z.string().min(1).max(MAX_URL).nullable().default(null),
    })
    .nullable()
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

/** An IdP as it was described, and by what. */
export interface DescribedIdp {
  readonly idp: IdpDescription;
  readonly metadata: MetadataSource;
}

/**
 * What the input says of the IdP; metadata given by address is fetched.
 * @throws INVALID_VALUE saying what is missing, contradicts or cannot be used
 */
export const describeIdp = async (context: IdentityContext, input: FacetInput): Promise<DescribedIdp> => {
  const described = await sourceOf(context, input);
  const { idp } = described;
  return { ...described, idp: checkedIdp(context, idp, '/certificates') };
};

const sourceOf = async (context: IdentityContext, input: FacetInput): Promise<DescribedIdp> => {
  const now = context.clock.now();
  const given = [input.metadataXml, input.metadataUrl, input.entityId].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw invalid('/metadataXml', 'Give one of metadataXml, metadataUrl, or entityId with ssoUrl and certificates.');
  }
  refuseUnheard(input);
  const pins = input.metadataPins.map((pin) => toPem(pin, '/metadataPins'));
  const url = input.metadataUrl === undefined ? null : checkedUrl(context, input.metadataUrl, '/metadataUrl');
  const xml = url === null ? input.metadataXml : await fetchMetadata(context.outbound, url);
  if (xml === undefined) {
    const metadata = { xml: null, url: null, pins: [], validUntil: null, readAt: null, dueAt: null, problem: null };
    return { idp: oneByOne(input), metadata };
  }
  const idp = await context.metadataReader.read(xml, { pins, now });
  const dueAt = url === null ? null : nextReading(now, 'taken');
  return { idp, metadata: { xml, url, pins, validUntil: idp.validUntil, readAt: now, dueAt, problem: null } };
};

/**
 * What would have no effect is refused: a certificate beside metadata is no pin, and a pin without metadata holds nothing.
 * @throws INVALID_VALUE
 */
const refuseUnheard = (input: FacetInput): void => {
  if (input.entityId !== undefined) {
    if (input.metadataPins.length > 0) throw invalid('/metadataPins', 'There is no metadata that had to be signed.');
    return;
  }
  const field = (['ssoUrl', 'certificates', 'singleLogout'] as const).find((name) => input[name] !== undefined);
  if (field !== undefined) throw invalid(`/${field}`, 'This comes from the metadata: leave it out.');
};

const oneByOne = ({ entityId, ssoUrl, certificates: given, singleLogout }: FacetInput): IdpDescription => {
  if (entityId === undefined || ssoUrl === undefined || given === undefined) {
    throw invalid('/metadataXml', 'Give metadataXml, or entityId, ssoUrl and certificates.');
  }
  const pems = given.map((one) => toPem(one, '/certificates'));
  return {
    entityId,
    ssoUrl,
    logout: singleLogout ?? null,
    certificates: pems,
    wantsSignedRequests: false,
    validUntil: null,
  };
};

const toPem = (text: string, pointer: string): string => {
  try {
    const isPem = text.includes('-----BEGIN CERTIFICATE-----');
    return new X509Certificate(isPem ? text : Buffer.from(text, 'base64')).toString();
  } catch {
    throw invalid(pointer, 'A certificate is neither PEM nor base64 of an X.509 certificate.');
  }
};

const checkedUrl = ({ config }: Pick<IdentityContext, 'config'>, text: string, pointer: string): string => {
  const url = URL.parse(text);
  const isPlain = url?.protocol === 'http:' && config.allowInsecurePrivateFetch;
  // What is appended would land in the fragment, which no server gets; credentials would go to every browser.
  const isBare = url?.hash === '' && url.username === '' && url.password === '';
  if (url === null || (url.protocol !== 'https:' && !isPlain) || !isBare) {
    throw invalid(pointer, 'The address must be an absolute https URL without fragment or credentials.');
  }
  return url.href;
};

/**
 * The description with its addresses normalised, once it can log anybody in.
 * @throws INVALID_VALUE for an address that is not https, an entityID that is too long, or when no certificate is usable now
 */
export const checkedIdp = (
  context: Pick<IdentityContext, 'config' | 'clock'>,
  idp: IdpDescription,
  pointer: string,
): IdpDescription => {
  try {
    usableKeys(idp.certificates, context.clock.now().getTime());
  } catch {
    const detail = 'No certificate is usable: they are expired, or their keys too weak (RSA 2048, EC P-256 at least).';
    throw invalid(pointer, detail);
  }
  if (Buffer.byteLength(idp.entityId) > MAX_ENTITY_ID)
    throw invalid('/entityId', 'The entityID is longer than 1,024 bytes.');
  return {
    ...idp,
    ssoUrl: checkedUrl(context, idp.ssoUrl, '/ssoUrl'),
    logout: idp.logout === null ? null : checkedLogout(context, idp.logout),
  };
};

const checkedLogout = (context: Pick<IdentityContext, 'config'>, logout: LogoutEndpoint): LogoutEndpoint => ({
  url: checkedUrl(context, logout.url, '/singleLogout'),
  binding: logout.binding,
  responseUrl: logout.responseUrl === null ? null : checkedUrl(context, logout.responseUrl, '/singleLogout'),
});
