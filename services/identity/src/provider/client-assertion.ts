import type { Clock } from '@sallyport/storage';
import { errors, type Client, type KoaContextWithOIDC } from 'oidc-provider';

import { CLIENT_ORG, CLIENT_WORKLOAD, CLIENT_WORKLOAD_EPOCH } from './client.ts';
import { providerRequest } from './request-session.ts';

const MAX_LIFE_S = 5 * 60;
const CLOCK_SKEW_S = 60;

const timeOf = (claims: Readonly<Record<string, unknown>>, name: string): number => {
  const value = claims[name];
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new errors.InvalidClientAuth(`the assertion has no usable ${name}`);
};

/** What is issued now is bound to the account in the epoch it was found in, and to the key. */
const note = (client: Client, kid: string): void => {
  const { [CLIENT_WORKLOAD]: accountId, [CLIENT_WORKLOAD_EPOCH]: epoch, [CLIENT_ORG]: orgId } = client;
  const request = providerRequest();
  if (request === undefined) return;
  request.isAssertion = true;
  if (typeof accountId !== 'string' || typeof epoch !== 'string') return;
  request.workload = { orgId: String(orgId), accountId, epoch: BigInt(epoch), kid };
};

/**
 * What the library leaves open about an assertion whose signature, issuer, subject, audience and expiry hold, and whose
 * identifier it will use up: it is for us alone, it lives five minutes at most, it was made just now, and it names its
 * key.
 * @see RFC 7523 §3, RFC 7521 §5.2; draft-ietf-oauth-rfc7523bis (one audience)
 */
export const assertClientAssertion =
  ({ clock }: { readonly clock: Clock }) =>
  async (
    _ctx: KoaContextWithOIDC,
    claims: Record<string, unknown>,
    header: Record<string, unknown>,
    client: Client,
  ): Promise<void> => {
    const now = Math.floor(clock.now().getTime() / 1000);
    const [expiresAt, issuedAt] = [timeOf(claims, 'exp'), timeOf(claims, 'iat')];
    if (typeof claims['aud'] !== 'string') throw new errors.InvalidClientAuth('the assertion must be for us alone');
    if (claims['sub'] !== client.clientId) throw new errors.InvalidClientAuth('sub must be the client_id');
    if (typeof claims['jti'] !== 'string') throw new errors.InvalidClientAuth('jti must be a text');
    if (expiresAt > now + MAX_LIFE_S + CLOCK_SKEW_S || expiresAt - issuedAt > MAX_LIFE_S)
      throw new errors.InvalidClientAuth('the assertion lives longer than five minutes');
    if (issuedAt > now + CLOCK_SKEW_S) throw new errors.InvalidClientAuth('the assertion was issued in the future');
    if (typeof header['kid'] !== 'string') throw new errors.InvalidClientAuth('the assertion names no key');
    note(client, header['kid']);
    await Promise.resolve();
  };
