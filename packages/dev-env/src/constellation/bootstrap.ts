import { join } from 'node:path';
import { z } from 'zod';
import type { DevCertificate } from '../certificates.ts';
import { readJsonIfThere, writePrivateFile } from '../files.ts';
import { ORGANIZATION } from '../seed/company.ts';
import type { Seeded } from '../seed/seed.ts';
import { connectionAddresses } from '../seed/steps.ts';

/** `.sallyport/bootstrap.json`: what a tool needs to connect to a development constellation. */
export const bootstrapSchema = z.strictObject({
  /** The one HTTP origin. */
  origin: z.string(),
  organization: z.strictObject({ id: z.string(), slug: z.string() }),
  /** The break-glass Owner. */
  owner: z.strictObject({ email: z.string(), password: z.string() }),
  /** For a SCIM client: base URL (without a slash at the end) and bearer token. */
  scim: z.strictObject({ baseUrl: z.string(), token: z.string() }),
  /** Our OpenID Provider. */
  oidc: z.strictObject({ issuer: z.string() }),
  /** Our SAML service provider, as the demo connection has it. */
  saml: z.strictObject({ connectionId: z.string(), metadataUrl: z.string(), acsUrl: z.string() }),
  /** `grpc`: host:port; `authzenUrl`: the policy decision point, below which `/access/v1/evaluation` is; `token`: for AuthZEN. */
  policy: z.strictObject({ grpc: z.string(), authzenUrl: z.string(), token: z.string() }),
  /** Absolute paths of PEM files: the authority, and the mutual-TLS identity `operator`. */
  tls: z.strictObject({ ca: z.string(), cert: z.string(), key: z.string() }),
  /** `ofrepUrl`: base URL for an OFREP provider, below which `/ofrep/v1/` is; server keys by environment key. */
  flags: z.strictObject({ ofrepUrl: z.string(), environmentKeys: z.record(z.string(), z.string()) }),
  /** The demo identity provider. */
  idp: z.strictObject({ url: z.string() }),
});

/** See {@link bootstrapSchema}. */
export type Bootstrap = z.output<typeof bootstrapSchema>;

/** Where the bootstrap file of a state directory is. */
export const bootstrapFile = (stateDir: string): string => join(stateDir, 'bootstrap.json');

/** Writes the bootstrap file (0600). */
export function writeBootstrap(stateDir: string, bootstrap: Bootstrap): void {
  writePrivateFile(bootstrapFile(stateDir), `${JSON.stringify(bootstrapSchema.parse(bootstrap), undefined, 2)}\n`);
}

/** The bootstrap of an earlier start; `null` when there is none that can be read. */
export function readBootstrap(stateDir: string): Bootstrap | null {
  return bootstrapSchema.safeParse(readJsonIfThere(bootstrapFile(stateDir))).data ?? null;
}

/** What a bootstrap is put together from. */
export interface BootstrapParts {
  readonly seeded: Seeded;
  readonly origin: string;
  readonly idpUrl: string;
  /** host:port */
  readonly policyGrpc: string;
  readonly ownerPassword: string;
  readonly operator: DevCertificate;
}

/** The bootstrap of a running, seeded constellation. */
export function toBootstrap({
  seeded,
  origin,
  idpUrl,
  policyGrpc,
  ownerPassword,
  operator,
}: BootstrapParts): Bootstrap {
  const { orgId, connectionId, scimToken, decisionToken, environmentKeys } = seeded;
  const { metadataUrl, acsUrl } = connectionAddresses(origin, connectionId);
  return {
    origin,
    organization: { id: orgId, slug: ORGANIZATION.slug },
    owner: { email: ORGANIZATION.ownerEmail, password: ownerPassword },
    scim: { baseUrl: `${origin}/scim/v2`, token: scimToken },
    oidc: { issuer: `${origin}/oidc` },
    saml: { connectionId, metadataUrl, acsUrl },
    policy: { grpc: policyGrpc, authzenUrl: origin, token: decisionToken },
    tls: { ca: operator.caFile, cert: operator.certFile, key: operator.keyFile },
    flags: { ofrepUrl: origin, environmentKeys },
    idp: { url: idpUrl },
  };
}
