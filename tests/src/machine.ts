import { waitFor } from '@sallyport/dev-env';
import { bearer, expectStatus, type Caller } from '@sallyport/dev-env/actors';
import {
  allowInsecureRequests,
  clientCredentialsGrant,
  discovery,
  PrivateKeyJwt,
  ResponseBodyError,
} from 'openid-client';

import type { Company } from './company.ts';
import type { Project } from './project.ts';
import { inAnHour } from './time.ts';

const ACCOUNTS = '/api/identity/v1/accounts';

/** A service account that may do in a project what developers may. */
export interface Machine {
  readonly id: string;
  /** With an API token of its own. */
  readonly fixed: Caller;
  /** With an access token it was given for its key. */
  readonly workload: Caller;
  /** Asks for another access token; null when none is given. */
  readonly ask: () => Promise<Caller | null>;
}

const REFUSED = new Set(['invalid_client', 'invalid_grant']);

/** Sets up a service account that this person answers for, with a key, a token and a role. */
export const employMachine = async (company: Company, ownerId: string, project: Project): Promise<Machine> => {
  const { owner, constellation, nextName } = company;
  const { bootstrap, origin } = constellation;
  const account = { kind: 'service_account', userName: nextName('robot') };
  const id = String((await expectStatus(owner, 201, 'POST', ACCOUNTS, account))['id']);
  await expectStatus(owner, 200, 'PUT', `${ACCOUNTS}/${id}/owner`, { ownerId });
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  const expiresAt = inAnHour().toISOString();
  const key = { name: 'Pipeline', jwk: { kty, crv, x, y, kid: 'pipeline' }, expiresAt };
  const { clientId } = await expectStatus(owner, 201, 'POST', `${ACCOUNTS}/${id}/keys`, key);
  const fixed = { name: 'Old pipeline', expiresAt };
  const { token } = await expectStatus(owner, 201, 'POST', `${ACCOUNTS}/${id}/api-tokens`, fixed);
  const { projectId } = project;
  const grant = { subject: { type: 'service_account', id }, role: 'developer', scope: { projectId } };
  await waitFor(async () => (await owner.call('POST', '/api/policy/v1/grants', grant)).status === 201, {
    message: 'policy to know the service account',
  });
  const auth = PrivateKeyJwt({ key: privateKey, kid: 'pipeline' });
  const configuration = await discovery(new URL(bootstrap.oidc.issuer), String(clientId), undefined, auth, {
    execute: [allowInsecureRequests],
  });
  const ask = async (): Promise<Caller | null> => {
    try {
      return bearer(origin, (await clientCredentialsGrant(configuration)).access_token);
    } catch (error) {
      if (error instanceof ResponseBodyError && REFUSED.has(error.error)) return null;
      throw error;
    }
  };
  const workload = await ask();
  if (workload === null) throw new TypeError('The service account is given no token.');
  return { id, fixed: bearer(origin, String(token)), workload, ask };
};
