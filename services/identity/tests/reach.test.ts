import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';

import type { Ownership } from '../src/groups/index.ts';
import {
  ask,
  apiClient,
  newDirectory,
  type Answer,
  type AuditEntry,
  type Client,
  type Directory,
} from './support/http.ts';
import {
  asOwner,
  newOrganization,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

const NOBODY: Ownership = { ownerUserIds: [], ownerGroupIds: [], deniedUserIds: [], deniedGroupIds: [] };
const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

/**
 * Whoever holds `account:manage`, and here everybody does, reaches by it no further than they reach anyway: a service
 * account may do what no administrator of accounts may (promise 6: nobody grants more than they hold).
 */
describe('The reach of account:manage', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let ownership: Ownership | null;
  let owner: Client;
  /** Administers accounts, and nothing else. */
  let clerkId: string;
  let clerk: Client;
  /** Answers for the service account. */
  let sponsorId: string;
  let sponsor: Client;
  let machineId: string;

  const person = async (name: string): Promise<string> => {
    const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];
    const { body } = await directory.scim('POST', '/Users', {
      schemas,
      userName: name,
      externalId: name,
      active: true,
    });
    return body.id;
  };
  const as = (subjectId: string): Client => {
    const authorization = asOwner(organization.orgId, subjectId);
    return apiClient(identity, { ...organization, authorization });
  };
  const withToken =
    (token: string): Client =>
    (method, path, body) =>
      ask(identity, method, `/api/identity/v1${path}`, { body, headers: { authorization: `Bearer ${token}` } });
  const machine = async (name: string, client = owner): Promise<string> =>
    (await client('POST', '/accounts', { kind: 'service_account', userName: name })).body.id;
  const token = (over: object = {}) => ({ name: 'ci', expiresAt: inAnHour(), ...over });
  let kid = 0;
  const key = () => {
    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    kid += 1;
    return { name: 'ci', jwk: { ...jwk, kid: `k${kid}` }, expiresAt: inAnHour() };
  };
  const isEscalation = ({ status, body }: Answer): void => {
    assert.deepEqual([status, body.code], [403, 'ESCALATION'], JSON.stringify(body));
  };
  /** Every way to a credential of a service account. */
  const ways = (id: string): readonly (readonly [method: string, path: string, body: () => object, ok: number])[] => [
    ['POST', `/accounts/${id}/api-tokens`, token, 201],
    ['POST', `/accounts/${id}/keys`, key, 201],
    ['PUT', `/accounts/${id}/owner`, () => ({ ownerId: clerkId }), 200],
  ];
  const credentials = async (): Promise<unknown> =>
    (
      await identity.admin(
        `SELECT (SELECT count(*) FROM identity.api_token WHERE account_id = $1) AS tokens,
                (SELECT count(*) FROM identity.workload_key WHERE account_id = $1) AS keys,
                (SELECT owner_id FROM identity.account WHERE id = $1) AS owner`,
        [machineId],
      )
    )[0];

  before(async () => {
    identity = await startIdentity({ askOwnership: () => Promise.resolve(ownership) });
    organization = await newOrganization(identity);
    owner = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
    [clerkId, sponsorId] = [await person('clerk'), await person('sponsor')];
    [clerk, sponsor] = [as(clerkId), as(sponsorId)];
  });
  after(async () => {
    await identity.close();
  });
  beforeEach(async () => {
    ownership = { ...NOBODY, ownerUserIds: [organization.ownerId] };
    machineId = await machine(`robot-${(kid += 1)}`);
    assert.equal((await owner('PUT', `/accounts/${machineId}/owner`, { ownerId: sponsorId })).status, 200);
  });

  it('does not lead to a credential of a service account of somebody else, by none of the ways', async () => {
    const before = await credentials();
    const size = await identity.context.audit.size(organization.orgId);
    for (const [method, path, body] of ways(machineId)) isEscalation(await clerk(method, path, body()));
    assert.deepEqual(await credentials(), before);
    const after = { limit: 10, after: size - 1n };
    const entries = (await identity.context.audit.list(organization.orgId, after)).map(({ entry }) => entry);
    assert.equal(entries.length, 3);
    for (const { action, outcome, reason, target } of entries as unknown as AuditEntry[])
      assert.deepEqual(
        [action, outcome, reason, target.id],
        ['account.escalation-refused', 'denied', 'ESCALATION', machineId],
      );
  });

  it('leads to those of one that nobody owns as little', async () => {
    await identity.admin('UPDATE identity.account SET owner_id = NULL WHERE id = $1', [machineId]);
    for (const [method, path, body] of ways(machineId)) isEscalation(await clerk(method, path, body()));
  });

  it('leads to those of the service accounts one answers for', async () => {
    for (const [method, path, body, ok] of ways(machineId))
      assert.equal((await sponsor(method, path, body())).status, ok);
    isEscalation(await sponsor('POST', `/accounts/${machineId}/keys`, key())); // It was handed over.
    const own = await machine(`own-${machineId}`, clerk);
    assert.equal((await clerk('POST', `/accounts/${own}/api-tokens`, token())).status, 201);
  });

  it('leads Owners to all of them, whose role comes from a grant or from a group', async () => {
    for (const [method, path, body, ok] of ways(machineId))
      assert.equal((await owner(method, path, body())).status, ok);
    const schemas = ['urn:ietf:params:scim:schemas:core:2.0:Group'];
    const members = [{ value: sponsorId }];
    const group = await directory.scim('POST', '/Groups', { schemas, displayName: `owners ${machineId}`, members });
    const handedOver = `/accounts/${machineId}/api-tokens`;
    ownership = NOBODY;
    isEscalation(await sponsor('POST', handedOver, token()));
    ownership = { ...NOBODY, ownerGroupIds: [group.body.id] };
    assert.equal((await sponsor('POST', handedOver, token())).status, 201);
    for (const denied of [{ deniedUserIds: [sponsorId] }, { deniedGroupIds: [group.body.id] }]) {
      ownership = { ...NOBODY, ownerGroupIds: [group.body.id], ...denied };
      isEscalation(await sponsor('POST', handedOver, token()));
    }
  });

  it('takes no Owner for one in another organisation', async () => {
    const stranger = await newOrganization(identity);
    ownership = { ...NOBODY, ownerUserIds: [stranger.ownerId] };
    const answer = await apiClient(identity, stranger)('POST', `/accounts/${machineId}/api-tokens`, token());
    assert.equal(answer.status, 404);
  });

  it('leads no machine to any, not even to more of its own', async () => {
    const issued = await sponsor('POST', `/accounts/${machineId}/api-tokens`, token());
    const robot = withToken(issued.body.token);
    const other = await machine(`other-${machineId}`, sponsor);
    ownership = { ...NOBODY, ownerUserIds: [organization.ownerId, machineId] };
    for (const id of [other, machineId])
      for (const [method, path, body] of ways(id)) isEscalation(await robot(method, path, body()));
  });

  it('reaches no further with a token than the token does (ASVS 8.3.3)', async () => {
    const limits = { scopes: ['account:manage', 'account:read'] };
    const { body } = await owner('POST', '/api-tokens', token(limits));
    const limited = withToken(body.token);
    for (const [method, path, make] of ways(machineId)) isEscalation(await limited(method, path, make()));
    const tokens = `/accounts/${machineId}/api-tokens`;
    isEscalation(await limited('POST', tokens, token({ scopes: ['account:read', 'flag:read'] })));
    const later = new Date(Date.now() + 2 * 3_600_000).toISOString();
    isEscalation(await limited('POST', tokens, token({ ...limits, expiresAt: later })));
    assert.equal(
      (await limited('POST', tokens, token({ scopes: ['account:read'], expiresAt: String(body['expiresAt']) }))).status,
      201,
    );
  });

  it('fails closed when policy cannot say who the Owners are', async () => {
    ownership = null;
    for (const [method, path, body] of ways(machineId)) assert.equal((await owner(method, path, body())).status, 503);
    assert.equal((await owner('DELETE', `/accounts/${clerkId}/factors`)).status, 503);
    assert.equal((await owner('POST', `/accounts/${clerkId}/reactivate`, {})).status, 503);
  });

  it('of client:manage: sets up no application that acts for whoever signs in to it, changes none, and gives it no secret', async () => {
    const body = { name: 'Tool', redirectUris: ['https://tool.example/callback'] };
    isEscalation(await clerk('POST', '/oauth-clients', { ...body, apiAccess: true }));
    const plain = String((await clerk('POST', '/oauth-clients', body)).body['clientId']);
    isEscalation(await clerk('PATCH', `/oauth-clients/${plain}`, { apiAccess: true }));
    assert.equal((await clerk('PATCH', `/oauth-clients/${plain}`, { name: 'Other' })).status, 200);
    const tool = String((await owner('POST', '/oauth-clients', { ...body, apiAccess: true })).body['clientId']);
    const evil = ['https://evil.example/callback'];
    isEscalation(await clerk('PATCH', `/oauth-clients/${tool}`, { redirectUris: evil }));
    isEscalation(await clerk('PATCH', `/oauth-clients/${tool}`, { redirectUris: evil, apiAccess: false }));
    isEscalation(await clerk('POST', `/oauth-clients/${tool}/secrets`));
    assert.equal((await owner('POST', `/oauth-clients/${tool}/secrets`)).status, 201);
    assert.equal((await clerk('DELETE', `/oauth-clients/${tool}`)).status, 204); // Taking away gives nobody anything.
  });

  describe('over Owners', () => {
    it('takes second factors from nobody who is one, the break-glass Owner included; Owners may', async () => {
      const path = `/accounts/${organization.ownerId}/factors`;
      isEscalation(await clerk('DELETE', path));
      ownership = NOBODY;
      isEscalation(await clerk('DELETE', path));
      ownership = { ...NOBODY, ownerUserIds: [organization.ownerId, sponsorId], deniedUserIds: [sponsorId] };
      isEscalation(await clerk('DELETE', `/accounts/${sponsorId}/factors`));
      assert.equal((await owner('DELETE', `/accounts/${sponsorId}/factors`)).status, 204);
      ownership = { ...NOBODY, ownerUserIds: [organization.ownerId] };
      assert.equal((await clerk('DELETE', `/accounts/${sponsorId}/factors`)).status, 204);
    });

    it('opens none again that was closed; anybody else it does', async () => {
      const closed = await person(`closed-${machineId}`);
      assert.equal((await clerk('POST', `/accounts/${closed}/deactivate`, {})).status, 200);
      ownership = { ...NOBODY, ownerUserIds: [organization.ownerId, closed] };
      isEscalation(await clerk('POST', `/accounts/${closed}/reactivate`, {}));
      ownership = { ...NOBODY, ownerUserIds: [organization.ownerId] };
      assert.equal((await clerk('POST', `/accounts/${closed}/reactivate`, {})).status, 200);
    });
  });
});
