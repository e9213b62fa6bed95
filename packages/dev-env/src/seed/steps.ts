import { randomBytes } from 'node:crypto';
import { listAll, WebClient, type Caller } from '../actors/index.ts';
import { DevEnvironmentError } from '../errors.ts';
import { waitFor } from '../wait-for.ts';
import { ensure, mustSucceed, textOf } from './api.ts';
import { CONNECTION, ENVIRONMENTS, FLAGS, PROJECT, ROLE_OF_GROUP } from './company.ts';
import type { SeedProgress } from './record.ts';

const IDENTITY = '/api/identity/v1';
const POLICY = '/api/policy/v1';
const PROJECT_PATH = `/api/flags/v1/projects/${PROJECT.key}`;

/** What every step works with. */
export interface SeedStep {
  /** The Owner, by API token. */
  readonly owner: Caller;
  readonly origin: string;
  readonly idpUrl: string;
  readonly progress: SeedProgress;
}

/** The addresses of our SAML service provider and OpenID client for one connection. */
export const connectionAddresses = (origin: string, connectionId: string) => ({
  metadataUrl: `${origin}/saml/${connectionId}/metadata`,
  acsUrl: `${origin}/saml/${connectionId}/acs`,
  oidcCallbackUrl: `${origin}/login/oidc/${connectionId}/callback`,
});

/** The connection "Demo IdP" with all three facets, and a SCIM token for it. */
export async function connectDemoIdp({ owner, origin, idpUrl, progress }: SeedStep): Promise<void> {
  const path = `${IDENTITY}/connections`;
  const wanted = {
    path,
    is: (item: object) => 'name' in item && item.name === CONNECTION.name,
    body: { name: CONNECTION.name, scim: {} },
  };
  const connectionId = textOf(await ensure(owner, wanted), 'id');
  const oidcClientSecret = progress.record.oidcClientSecret ?? randomBytes(32).toString('base64url');
  progress.note({ connectionId, oidcClientSecret });
  const metadataXml = await metadataOf(idpUrl);
  await mustSucceed(owner, 'PUT', `${path}/${connectionId}/saml`, { metadataXml });
  const client = { issuer: `${idpUrl}/oidc`, clientId: CONNECTION.oidcClientId, clientSecret: oidcClientSecret };
  await mustSucceed(owner, 'PUT', `${path}/${connectionId}/oidc`, client);
  await mustSucceed(owner, 'PUT', `${path}/${connectionId}/domains`, { domains: [CONNECTION.domain] });
  if (progress.record.scimToken === undefined) {
    const { body } = await mustSucceed(owner, 'POST', `${path}/${connectionId}/scim-tokens`, { name: CONNECTION.name });
    progress.note({ scimToken: textOf(body, 'token') });
  }
  progress.note({ origin, idpUrl });
}

async function metadataOf(idpUrl: string): Promise<string> {
  const { status, text } = await new WebClient().request(`${idpUrl}/saml/metadata`);
  if (status === 200) return text;
  throw new DevEnvironmentError('SEED_FAILED', `The demo identity provider answered ${status} for its SAML metadata.`);
}

/** Tells the demo IdP where to send people and provisioning, and has it push everybody it knows. */
export async function provision({ origin, idpUrl, progress }: SeedStep): Promise<void> {
  const { connectionId = '', oidcClientSecret, scimToken } = progress.record;
  const { metadataUrl, acsUrl, oidcCallbackUrl } = connectionAddresses(origin, connectionId);
  const idp = new WebClient();
  const targets = {
    scim: { baseUrl: `${origin}/scim/v2`, token: scimToken },
    saml: { spEntityId: metadataUrl, acsUrl, spMetadataUrl: metadataUrl },
    oidc: { clientId: CONNECTION.oidcClientId, clientSecret: oidcClientSecret, redirectUris: [oidcCallbackUrl] },
  };
  for (const [method, path, body] of [
    ['PUT', '/api/targets', targets],
    ['POST', '/api/provision', {}],
  ] as const) {
    const { status, text } = await idp.request(idpUrl + path, { method, body });
    if (status !== 200) {
      throw new DevEnvironmentError(
        'SEED_FAILED',
        `The demo identity provider answered ${status} to ${method} ${path}: ${text.slice(0, 500)}`,
      );
    }
  }
}

/** Gives the groups of the demo company their roles. */
export async function mapGroups({ owner, progress }: SeedStep): Promise<void> {
  const groups = await listAll(owner, `${IDENTITY}/groups?connectionId=${progress.record.connectionId}`);
  const path = `${POLICY}/group-mappings`;
  const mapped = new Set((await listAll(owner, path)).map((mapping) => mapping['groupId']));
  for (const group of groups) {
    const role = ROLE_OF_GROUP[textOf(group, 'displayName')];
    if (role === undefined || mapped.has(group['id'])) continue;
    await mapGroup(owner, { groupId: textOf(group, 'id'), role });
  }
}

/** Policy learns of a group through the subject log, a moment after it was pushed: until then there is no such group. */
async function mapGroup(owner: Caller, mapping: { readonly groupId: string; readonly role: string }): Promise<void> {
  const path = `${POLICY}/group-mappings`;
  const settled = async (): Promise<true> => {
    await mustSucceed(owner, 'POST', path, { ...mapping, scope: {} });
    return true;
  };
  await waitFor(settled, { timeoutMs: 10_000, message: 'policy to know the groups' });
}

/** The project with its environments, flags, protection and a server key for each environment. */
export async function createProject({ owner, progress }: SeedStep): Promise<void> {
  const isKey = (key: string) => (item: object) => 'key' in item && item.key === key;
  await ensure(owner, { path: '/api/flags/v1/projects', is: isKey(PROJECT.key), body: PROJECT });
  for (const { key, name, tier } of ENVIRONMENTS) {
    await ensure(owner, { path: `${PROJECT_PATH}/environments`, is: isKey(key), body: { key, name, tier } });
  }
  const known = new Set((await listAll(owner, `${PROJECT_PATH}/flags`)).map((flag) => flag['key']));
  for (const { flag, on } of FLAGS) {
    if (known.has(flag.key)) continue;
    await mustSucceed(owner, 'POST', `${PROJECT_PATH}/flags`, flag);
    for (const [environment, configuration] of Object.entries(on)) {
      await mustSucceed(owner, 'PATCH', `${PROJECT_PATH}/flags/${flag.key}/environments/${environment}`, configuration);
    }
  }
  for (const { key, protection } of ENVIRONMENTS) {
    const path = `${PROJECT_PATH}/environments/${key}`;
    if (protection !== null) await mustSucceed(owner, 'PATCH', path, protection);
    const keys = progress.record.environmentKeys ?? {};
    if (keys[key] !== undefined) continue;
    const { body } = await mustSucceed(owner, 'POST', `${path}/keys`, { name: 'Demo server', kind: 'server' });
    progress.note({ environmentKeys: { ...keys, [key]: textOf(body, 'key') } });
  }
}
