// A process of its own: a bare oidc-provider with its memory adapter, asked to do what ours does at the token endpoint.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import process from 'node:process';

import { Provider, type Configuration } from 'oidc-provider';

import { SCOPE } from './contender.ts';
import type { PeerClients, PeerRequest } from './peer.ts';

const MINUTE_S = 60;
const PEOPLE = 20;

const [keysFile = '', clientsText = '{}'] = process.argv.slice(2);
const clients = JSON.parse(clientsText) as PeerClients;
const { keys } = JSON.parse(readFileSync(keysFile, 'utf8')) as { keys: Record<string, unknown>[] };
const jwks = { keys } as unknown as NonNullable<Configuration['jwks']>;
const algorithm = keys[0]?.['kty'] === 'EC' ? 'ES256' : 'RS256';

const base = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] } as const;
const provider = new Provider('http://localhost:8080/oidc', {
  jwks,
  clients: [
    { ...base, client_id: clients.machine.id, client_secret: clients.machine.secret },
    {
      ...base,
      client_id: clients.workload.id,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [clients.workload.jwk] },
    },
    {
      client_id: clients.application.id,
      client_secret: clients.application.secret,
      redirect_uris: [clients.application.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: algorithm,
    },
  ],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  pkce: { required: () => true },
  responseTypes: ['code'],
  rotateRefreshToken: true,
  cookies: { keys: ['bench'] },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  ttl: { AccessToken: 10 * MINUTE_S, AuthorizationCode: MINUTE_S, ClientCredentials: 60 * MINUTE_S, IdToken: 600 },
});

/** As the authorization endpoint makes them. The store of the peer forgets beyond 1,000 entries. */
const makeCodes = async (count: number): Promise<object[]> => {
  const client = await provider.Client.find(clients.application.id);
  if (client === undefined) throw new Error('the peer has no client');
  const grants = Array.from({ length: Math.min(PEOPLE, count) }, (_, person) => {
    const grant = new provider.Grant({ accountId: `person-${String(person)}`, clientId: client.clientId });
    grant.addOIDCScope(SCOPE);
    return grant;
  });
  for (const grant of grants) await grant.save();
  const codes: object[] = [];
  for (let number = 0; number < count; number += 1) {
    const grant = grants[number % grants.length];
    const verifier = randomBytes(32).toString('base64url');
    const code = new provider.AuthorizationCode({
      client,
      accountId: grant?.accountId ?? '',
      grantId: grant?.jti ?? '',
      scope: SCOPE,
      redirectUri: clients.application.redirectUri,
      codeChallenge: createHash('sha256').update(verifier).digest('base64url'),
      codeChallengeMethod: 'S256',
      authTime: Math.floor(Date.now() / 1000),
      gty: 'authorization_code',
    });
    codes.push({ code: await code.save(), verifier });
  }
  return codes;
};

const inMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000;

const answer = async (request: PeerRequest): Promise<unknown> =>
  request === 'cpu' ? inMs(process.cpuUsage()) : await makeCodes(request.codes);

process.on('message', (request: PeerRequest) => {
  answer(request).then(
    (answered) => process.send?.(answered),
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
      process.disconnect();
    },
  );
});

const server = provider.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
process.send?.(typeof address === 'object' ? (address?.port ?? 0) : 0);
