import { expectStatus } from '@sallyport/dev-env/actors';

import { inAnHour } from '../src/time.ts';
import { nothing, of, type RouteCase } from './route-case.ts';
import { PATCH_SCHEMA, type Workshop } from './workshop.ts';

const C = '/api/identity/v1/connections';
const SEARCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
const A = '/api/identity/v1/accounts';
const G = '/api/identity/v1/groups';

const patch = (operation: object): object => ({ schemas: [PATCH_SCHEMA], Operations: [operation] });

const user = async (workshop: Workshop): Promise<string> => await workshop.user();
const group = async (workshop: Workshop): Promise<string> => await workshop.group();
const connection = async (workshop: Workshop): Promise<string> => await workshop.connection();

let minutesSet = 0;
/** Another number each time: what stays as it is makes no entry. */
const otherMinutes = (): number => {
  minutesSet = (minutesSet % 14) + 1;
  return minutesSet;
};

const scim = (status: number, prepare: RouteCase['prepare'], entries?: readonly string[]): RouteCase => ({
  as: 'directory',
  status,
  prepare,
  ...(entries === undefined ? {} : { entries }),
});

const SCIM: Readonly<Record<string, RouteCase>> = {
  'GET /scim/v2/Users/:id': scim(200, of('id', user)),
  'POST /scim/v2/Users': scim(201, async (workshop) => await Promise.resolve({ body: workshop.userBody() }), [
    'account.created',
  ]),
  'PUT /scim/v2/Users/:id': scim(
    200,
    async (workshop) => ({ params: { id: await workshop.user() }, body: workshop.userBody() }),
    ['account.updated'],
  ),
  'PATCH /scim/v2/Users/:id': scim(
    200,
    of('id', user, patch({ op: 'replace', path: 'displayName', value: 'Somebody Else' })),
    ['account.updated'],
  ),
  'DELETE /scim/v2/Users/:id': scim(204, of('id', user), ['account.deleted', 'account.deactivation-effective']),
  'GET /scim/v2/Groups/:id': scim(200, of('id', group)),
  'POST /scim/v2/Groups': scim(201, async (workshop) => await Promise.resolve({ body: workshop.groupBody() }), [
    'group.created',
  ]),
  'PUT /scim/v2/Groups/:id': scim(
    200,
    async (workshop) => ({ params: { id: await workshop.group() }, body: workshop.groupBody() }),
    ['group.updated'],
  ),
  'PATCH /scim/v2/Groups/:id': scim(
    204,
    async (workshop) => {
      const members = [{ value: await workshop.user() }];
      return {
        params: { id: await workshop.group() },
        body: patch({ op: 'add', path: 'members', value: members }),
      };
    },
    ['group.members-changed'],
  ),
  'DELETE /scim/v2/Groups/:id': scim(204, of('id', group), ['group.deleted']),
  ...Object.fromEntries(
    ['/scim/v2/Users/.search', '/scim/v2/Groups/.search', '/scim/v2/.search'].map((path) => [
      `POST ${path}`,
      scim(200, async () => await Promise.resolve({ body: { schemas: [SEARCH_SCHEMA], filter: 'id pr', count: 1 } })),
    ]),
  ),
  // A person may look, and change nothing.
  ...Object.fromEntries(
    ['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [`${method} /scim/v2/Me`, { status: 403, prepare: nothing }]),
  ),
  'POST /scim/v2/Bulk': scim(
    200,
    async (workshop) => {
      const groupData = { ...workshop.groupBody(), members: [{ value: 'bulkId:user' }] };
      return await Promise.resolve({
        body: {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
          Operations: [
            { method: 'POST', path: '/Users', bulkId: 'user', data: workshop.userBody() },
            { method: 'POST', path: '/Groups', bulkId: 'group', data: groupData },
          ],
        },
      });
    },
    ['account.created', 'group.created', 'group.members-changed'],
  ),
};

const CONNECTIONS: Readonly<Record<string, RouteCase>> = {
  [`GET ${C}/:connectionId`]: { status: 200, prepare: of('connectionId', connection) },
  [`POST ${C}`]: {
    status: 201,
    prepare: async (workshop) => await Promise.resolve({ body: { name: workshop.name('connection') } }),
    entries: ['connection.created'],
  },
  [`PATCH ${C}/:connectionId`]: {
    status: 200,
    prepare: async (workshop) => ({
      params: { connectionId: await workshop.connection() },
      body: { name: workshop.name('renamed') },
    }),
    entries: ['connection.updated'],
  },
  [`DELETE ${C}/:connectionId`]: {
    status: 204,
    prepare: of('connectionId', connection),
    entries: ['connection.deleted'],
  },
  [`GET ${C}/:connectionId/scim-tokens`]: { status: 200, prepare: of('connectionId', connection) },
  [`POST ${C}/:connectionId/scim-tokens`]: {
    status: 201,
    prepare: of('connectionId', connection, { name: 'Another' }),
    entries: ['scim-token.created'],
  },
  [`DELETE ${C}/:connectionId/scim-tokens/:tokenId`]: {
    status: 204,
    prepare: async (workshop) => {
      const connectionId = await workshop.connection();
      return { params: { connectionId, tokenId: await workshop.scimToken(connectionId) } };
    },
    entries: ['scim-token.revoked'],
  },
  [`PUT ${C}/:connectionId/scim-networks`]: {
    status: 200,
    prepare: of('connectionId', connection, { allowedNetworks: ['192.0.2.0/24', '2001:db8::/32'] }),
    entries: ['connection.networks-set'],
  },
  [`GET ${C}/:connectionId/scim-exchanges`]: { status: 200, prepare: of('connectionId', connection) },
  [`GET ${C}/:connectionId/scim-clients`]: { status: 200, prepare: of('connectionId', connection) },
  [`POST ${C}/:connectionId/scim-clients`]: {
    status: 201,
    prepare: of('connectionId', connection, { name: 'Entra', tokenTtlMinutes: 360 }),
    entries: ['scim-client.created', 'scim-client-secret.created'],
  },
  [`DELETE ${C}/:connectionId/scim-clients/:clientId`]: {
    status: 204,
    prepare: async (workshop) => {
      const { connectionId, clientId } = await workshop.scimClient();
      return { params: { connectionId, clientId } };
    },
    entries: ['scim-client.revoked'],
  },
  [`POST ${C}/:connectionId/scim-clients/:clientId/secrets`]: {
    status: 201,
    prepare: async (workshop) => {
      const { connectionId, clientId } = await workshop.scimClient();
      return { params: { connectionId, clientId }, body: {} };
    },
    entries: ['scim-client-secret.created'],
  },
  [`DELETE ${C}/:connectionId/scim-clients/:clientId/secrets/:secretId`]: {
    status: 204,
    prepare: async (workshop) => ({ params: await workshop.scimClient() }),
    entries: ['scim-client-secret.revoked'],
  },
  [`GET ${C}/:connectionId/saml`]: { status: 200, prepare: of('connectionId', async (w) => await w.withSaml()) },
  [`PUT ${C}/:connectionId/saml`]: {
    status: 200,
    prepare: async (workshop) => ({
      params: { connectionId: await workshop.connection() },
      body: await workshop.samlFacet(),
    }),
    entries: ['saml-facet.created'],
  },
  [`POST ${C}/:connectionId/saml/refresh`]: {
    status: 200,
    prepare: of('connectionId', async (w) => await w.withSaml({ byUrl: true })),
  },
  [`DELETE ${C}/:connectionId/saml`]: {
    status: 204,
    prepare: of('connectionId', async (w) => await w.withSaml()),
    entries: ['saml-facet.deleted'],
  },
  [`GET ${C}/:connectionId/oidc`]: { status: 200, prepare: of('connectionId', async (w) => await w.withOidc()) },
  [`PUT ${C}/:connectionId/oidc`]: {
    status: 200,
    prepare: async (workshop) => ({
      params: { connectionId: await workshop.connection() },
      body: workshop.oidcFacet(),
    }),
    entries: ['oidc-facet.created'],
  },
  [`DELETE ${C}/:connectionId/oidc`]: {
    status: 204,
    prepare: of('connectionId', async (w) => await w.withOidc()),
    entries: ['oidc-facet.deleted'],
  },
  [`POST ${C}/:connectionId/login-tests`]: {
    status: 201,
    prepare: async (w) => ({ params: { connectionId: await w.withSaml() }, body: { protocol: 'saml' } }),
  },
  [`GET ${C}/:connectionId/login-traces`]: { status: 200, prepare: of('connectionId', connection) },
  [`GET ${C}/:connectionId/domain-proofs`]: { status: 200, prepare: of('connectionId', connection) },
  [`POST ${C}/:connectionId/domain-proofs`]: {
    // Nobody publishes a record for a domain nobody lists.
    status: 404,
    prepare: of('connectionId', connection, { domain: 'unlisted.acme.example' }),
  },
  'GET /api/identity/v1/session-settings': { status: 200, prepare: nothing },
  'PATCH /api/identity/v1/session-settings': {
    status: 200,
    prepare: async () => await Promise.resolve({ body: { stepUp: { minutes: otherMinutes() } } }),
    entries: ['organization.session-settings-changed'],
  },
  [`GET ${C}/:connectionId/domains`]: { status: 200, prepare: of('connectionId', connection) },
  [`PUT ${C}/:connectionId/domains`]: {
    status: 200,
    prepare: of('connectionId', connection, { domains: ['branch.acme.example'] }),
    entries: ['connection.domains-set'],
  },
};

const driftReport: RouteCase['prepare'] = async (workshop) => ({ params: await workshop.driftReport() });

const DRIFT: Readonly<Record<string, RouteCase>> = {
  [`GET ${C}/:connectionId/drift-reports`]: { status: 200, prepare: of('connectionId', connection) },
  [`POST ${C}/:connectionId/drift-reports`]: {
    status: 202,
    prepare: of('connectionId', connection, { users: [{ userName: 'somebody@acme.example' }] }),
    entries: ['drift-report.created'],
  },
  [`GET ${C}/:connectionId/drift-reports/:reportId`]: { status: 200, prepare: driftReport },
  [`GET ${C}/:connectionId/drift-reports/:reportId/findings`]: { status: 200, prepare: driftReport },
};

const ACCOUNTS: Readonly<Record<string, RouteCase>> = {
  [`GET ${A}/:accountId`]: { status: 200, prepare: of('accountId', user) },
  [`POST ${A}`]: {
    status: 201,
    prepare: async (workshop) =>
      await Promise.resolve({ body: { kind: 'service_account', userName: workshop.name('robot') } }),
    entries: ['account.created', 'service-account.owner-changed'],
  },
  [`PATCH ${A}/:accountId`]: {
    status: 200,
    prepare: of('accountId', async (workshop) => await workshop.serviceAccount(), { displayName: 'Renamed' }),
    entries: ['account.updated'],
  },
  [`POST ${A}/:accountId/deactivate`]: {
    status: 200,
    prepare: of('accountId', user, { reason: 'left' }),
    entries: ['account.deactivated', 'account.deactivation-effective'],
  },
  [`POST ${A}/:accountId/reactivate`]: {
    status: 200,
    prepare: async (workshop) => {
      const accountId = await workshop.user();
      await expectStatus(workshop.company.owner, 200, 'POST', `${A}/${accountId}/deactivate`, {});
      return { params: { accountId }, body: { reason: 'is back' } };
    },
    entries: ['account.reactivated'],
  },
  [`GET ${A}/:accountId/sessions`]: { status: 200, prepare: async (w) => ({ params: await w.signedIn() }) },
  [`DELETE ${A}/:accountId/sessions/:sessionId`]: {
    status: 204,
    prepare: async (workshop) => ({ params: await workshop.signedIn() }),
    entries: ['session.ended'],
  },
  [`DELETE ${A}/:accountId/sessions`]: {
    status: 204,
    prepare: async (workshop) => ({ params: await workshop.signedIn() }),
    entries: ['session.ended'],
  },
  [`GET ${A}/:accountId/owner`]: {
    status: 200,
    prepare: of('accountId', async (workshop) => await workshop.serviceAccount()),
  },
  [`PUT ${A}/:accountId/owner`]: {
    status: 200,
    prepare: async (workshop) => ({
      params: { accountId: await workshop.serviceAccount() },
      body: { ownerId: await workshop.user() },
    }),
    entries: ['service-account.owner-changed'],
  },
  [`GET ${A}/:accountId/keys`]: {
    status: 200,
    prepare: of('accountId', async (workshop) => await workshop.serviceAccount()),
  },
  [`POST ${A}/:accountId/keys`]: {
    status: 201,
    prepare: async (workshop) => ({ params: { accountId: await workshop.serviceAccount() }, body: workshop.keyBody() }),
    entries: ['workload-key.created'],
  },
  [`DELETE ${A}/:accountId/keys/:keyId`]: {
    status: 204,
    prepare: async (workshop) => {
      const accountId = await workshop.serviceAccount();
      return { params: { accountId, keyId: await workshop.workloadKey(accountId) } };
    },
    entries: ['workload-key.revoked'],
  },
  [`GET ${A}/:accountId/api-tokens`]: {
    status: 200,
    prepare: of('accountId', async (workshop) => await workshop.serviceAccount()),
  },
  [`POST ${A}/:accountId/api-tokens`]: {
    status: 201,
    prepare: async (workshop) => ({
      params: { accountId: await workshop.serviceAccount() },
      body: { name: workshop.name('token'), expiresAt: inAnHour().toISOString() },
    }),
    entries: ['api-token.created'],
  },
  [`DELETE ${A}/:accountId/api-tokens/:tokenId`]: {
    status: 204,
    prepare: async (workshop) => {
      const accountId = await workshop.serviceAccount();
      return { params: { accountId, tokenId: (await workshop.serviceAccountToken(accountId)).id } };
    },
    entries: ['api-token.revoked'],
  },
  [`GET ${G}/:groupId`]: { status: 200, prepare: of('groupId', group) },
  // The directory owns it.
  [`PATCH ${G}/:groupId`]: { status: 409, prepare: of('groupId', group, { displayName: 'Renamed' }) },
  [`GET ${G}/:groupId/members`]: { status: 200, prepare: of('groupId', group) },
  'DELETE /api/identity/v1/sessions/:sessionId': {
    as: 'owner-session',
    status: 204,
    prepare: of('sessionId', async (workshop) => await workshop.session()),
    entries: ['session.ended'],
  },
  'POST /api/identity/v1/api-tokens': {
    as: 'owner-session',
    status: 201,
    prepare: async (workshop) =>
      await Promise.resolve({ body: { name: workshop.name('token'), expiresAt: inAnHour().toISOString() } }),
    entries: ['api-token.created'],
  },
  'DELETE /api/identity/v1/api-tokens/:tokenId': {
    as: 'owner-session',
    status: 204,
    prepare: of('tokenId', async (workshop) => await workshop.apiToken()),
    entries: ['api-token.revoked'],
  },
  'POST /api/identity/v1/oauth-clients': {
    status: 201,
    prepare: async (workshop) =>
      await Promise.resolve({
        body: { name: workshop.name('application'), redirectUris: ['https://app.acme.example/callback'] },
      }),
    entries: ['oauth-client.created'],
  },
  'GET /api/identity/v1/oauth-clients/:clientId': {
    status: 200,
    prepare: of('clientId', async (workshop) => await workshop.client()),
  },
  'PATCH /api/identity/v1/oauth-clients/:clientId': {
    status: 200,
    prepare: of('clientId', async (workshop) => await workshop.client(), { requirePar: true }),
    entries: ['oauth-client.updated'],
  },
  'POST /api/identity/v1/oauth-clients/:clientId/secrets': {
    status: 201,
    prepare: of('clientId', async (workshop) => await workshop.client()),
    entries: ['oauth-client.secret-added'],
  },
  'DELETE /api/identity/v1/oauth-clients/:clientId/secrets/:secretId': {
    status: 204,
    prepare: async (workshop) => {
      const clientId = await workshop.client();
      return { params: { clientId, secretId: await workshop.clientSecret(clientId) } };
    },
    entries: ['oauth-client.secret-removed'],
  },
  'DELETE /api/identity/v1/oauth-clients/:clientId': {
    status: 204,
    prepare: of('clientId', async (workshop) => await workshop.client()),
    entries: ['oauth-client.deleted'],
  },
};

/** Routes of identity, by the name of the row. */
export const IDENTITY_ROUTE_CASES: Readonly<Record<string, RouteCase>> = {
  ...SCIM,
  ...CONNECTIONS,
  ...DRIFT,
  ...ACCOUNTS,
};
