import { expectStatus } from '@sallyport/dev-env/actors';

import { inAnHour } from '../src/time.ts';
import type { Sender } from './senders.ts';
import { PATCH_SCHEMA, type Workshop } from './workshop.ts';

/** One request that works for the company it belongs to. */
export interface Prepared {
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** What is known of a route beyond its row: a request that works, made anew each time. */
export interface RouteCase {
  readonly as?: Sender;
  /** What the company itself is answered. */
  readonly status: number;
  readonly prepare: (workshop: Workshop) => Promise<Prepared>;
  /** Actions of its audit entries, in order; absent: it changes nothing. */
  readonly entries?: readonly string[];
}

const C = '/api/identity/v1/connections';
const A = '/api/identity/v1/accounts';
const G = '/api/identity/v1/groups';
const P = '/api/policy/v1';
const F = '/api/flags/v1/projects';
const E = `${F}/:project/environments/:environment`;

const of =
  (name: string, make: (workshop: Workshop) => Promise<string>, body?: object) =>
  async (workshop: Workshop): Promise<Prepared> => ({
    params: { [name]: await make(workshop) },
    ...(body === undefined ? {} : { body }),
  });

const nothing = async (): Promise<Prepared> => await Promise.resolve({});

const patch = (operation: object): object => ({ schemas: [PATCH_SCHEMA], Operations: [operation] });

const user = async (workshop: Workshop): Promise<string> => await workshop.user();
const group = async (workshop: Workshop): Promise<string> => await workshop.group();
const connection = async (workshop: Workshop): Promise<string> => await workshop.connection();

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
  [`GET ${C}/:connectionId/saml`]: { status: 200, prepare: of('connectionId', async (w) => await w.withSaml()) },
  [`PUT ${C}/:connectionId/saml`]: {
    status: 200,
    prepare: async (workshop) => ({
      params: { connectionId: await workshop.connection() },
      body: await workshop.samlFacet(),
    }),
    entries: ['saml-facet.created'],
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
  [`GET ${C}/:connectionId/domains`]: { status: 200, prepare: of('connectionId', connection) },
  [`PUT ${C}/:connectionId/domains`]: {
    status: 200,
    prepare: of('connectionId', connection, { domains: ['branch.acme.example'] }),
    entries: ['connection.domains-set'],
  },
};

const ACCOUNTS: Readonly<Record<string, RouteCase>> = {
  [`GET ${A}/:accountId`]: { status: 200, prepare: of('accountId', user) },
  [`POST ${A}`]: {
    status: 201,
    prepare: async (workshop) =>
      await Promise.resolve({ body: { kind: 'service_account', userName: workshop.name('robot') } }),
    entries: ['account.created'],
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
  [`GET ${G}/:groupId`]: { status: 200, prepare: of('groupId', group) },
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
  'DELETE /api/identity/v1/oauth-clients/:clientId': {
    status: 204,
    prepare: of('clientId', async (workshop) => await workshop.client()),
    entries: ['oauth-client.deleted'],
  },
};

const POLICY: Readonly<Record<string, RouteCase>> = {
  'POST /access/v1/evaluation': {
    as: 'decision-token',
    status: 200,
    prepare: async (workshop) => ({
      body: {
        subject: { type: 'user', id: await workshop.user() },
        action: { name: 'organization:read' },
        resource: { type: 'organization', id: workshop.company.orgId },
      },
    }),
  },
  [`POST ${P}/grants`]: {
    status: 201,
    prepare: async (workshop) => ({
      body: { subject: { type: 'user', id: await workshop.user() }, role: 'viewer' },
    }),
    entries: ['grant.created'],
  },
  [`DELETE ${P}/grants/:grantId`]: {
    status: 204,
    prepare: of('grantId', async (workshop) => await workshop.grant()),
    entries: ['grant.deleted'],
  },
  [`POST ${P}/group-mappings`]: {
    status: 201,
    prepare: async (workshop) => ({ body: { groupId: await workshop.group(), role: 'viewer' } }),
    entries: ['group-mapping.created'],
  },
  [`DELETE ${P}/group-mappings/:mappingId`]: {
    status: 204,
    prepare: of('mappingId', async (workshop) => await workshop.mapping()),
    entries: ['group-mapping.deleted'],
  },
  [`POST ${P}/check`]: {
    status: 200,
    prepare: async (workshop) => ({
      body: { subject: { type: 'user', id: await workshop.user() }, action: 'organization:read' },
    }),
  },
  [`POST ${P}/decision-tokens`]: {
    status: 201,
    prepare: async (workshop) => await Promise.resolve({ body: { name: workshop.name('decision-token') } }),
    entries: ['decision-token.issued'],
  },
  [`DELETE ${P}/decision-tokens/:tokenId`]: {
    status: 204,
    prepare: of('tokenId', async (workshop) => await workshop.decisionToken()),
    entries: ['decision-token.revoked'],
  },
};

const inProject =
  (more: (workshop: Workshop) => Promise<Prepared> = nothing) =>
  async (workshop: Workshop): Promise<Prepared> => {
    const { params, ...rest } = await more(workshop);
    return { params: { project: workshop.project.key, ...params }, ...rest };
  };

const inStaging = (more: (workshop: Workshop) => Promise<Prepared> = nothing): RouteCase['prepare'] =>
  inProject(async (workshop) => {
    const { params, ...rest } = await more(workshop);
    return { params: { environment: 'staging', ...params }, ...rest };
  });

const PROJECTS: Readonly<Record<string, RouteCase>> = {
  [`POST ${F}`]: {
    status: 201,
    prepare: async (workshop) => await Promise.resolve({ body: { key: workshop.name('made'), name: 'Made' } }),
    entries: ['project.created'],
  },
  [`GET ${F}/:project`]: { status: 200, prepare: inProject() },
  [`PATCH ${F}/:project`]: {
    status: 200,
    prepare: inProject(async (workshop) => await Promise.resolve({ body: { description: workshop.name('words') } })),
    entries: ['project.updated'],
  },
  [`GET ${F}/:project/environments`]: { status: 200, prepare: inProject() },
  [`POST ${F}/:project/environments`]: {
    status: 201,
    prepare: inProject(async (workshop) => {
      // Of a project of its own: the environments of the workshop's are what its flags are in.
      const key = workshop.name('other');
      await expectStatus(workshop.company.owner, 201, 'POST', F, { key, name: 'Other' });
      return { params: { project: key }, body: { key: 'preview', name: 'Preview', tier: 'non-production' } };
    }),
    entries: ['environment.created'],
  },
  [`GET ${E}`]: { status: 200, prepare: inStaging() },
  [`PATCH ${E}`]: {
    status: 200,
    prepare: inStaging(async (workshop) => await Promise.resolve({ body: { name: workshop.name('Staging') } })),
    entries: ['environment.updated'],
  },
  [`GET ${E}/keys`]: { status: 200, prepare: inStaging() },
  [`POST ${E}/keys`]: {
    status: 201,
    prepare: inStaging(async () => await Promise.resolve({ body: { name: 'Another', kind: 'server' } })),
    entries: ['environment-key.created'],
  },
  [`DELETE ${E}/keys/:key`]: {
    status: 204,
    prepare: inStaging(of('key', async (workshop) => await workshop.key())),
    entries: ['environment-key.revoked'],
  },
};

const flag = async (workshop: Workshop): Promise<string> => await workshop.flag();

const FLAGS: Readonly<Record<string, RouteCase>> = {
  [`GET ${F}/:project/flags`]: { status: 200, prepare: inProject() },
  [`POST ${F}/:project/flags`]: {
    status: 201,
    prepare: inProject(async (workshop) => {
      const definition = { type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'off' };
      const body = { key: workshop.name('new-flag'), ...definition, environments: ['staging'] };
      return await Promise.resolve({ body });
    }),
    entries: ['flag.created'],
  },
  [`GET ${F}/:project/flags/:flag`]: { status: 200, prepare: inProject(of('flag', flag)) },
  [`PATCH ${F}/:project/flags/:flag`]: {
    status: 200,
    prepare: inProject(of('flag', flag, { description: 'Other words' })),
    entries: ['flag.edited'],
  },
  [`DELETE ${F}/:project/flags/:flag`]: {
    status: 200,
    prepare: inProject(of('flag', async (workshop) => await workshop.archivedFlag())),
    entries: ['flag.deleted'],
  },
  [`POST ${F}/:project/flags/:flag/environments`]: {
    status: 202,
    prepare: inProject(of('flag', flag, { environments: ['live'] })),
    entries: ['change.created'],
  },
  [`PATCH ${F}/:project/flags/:flag/environments/:environment`]: {
    status: 200,
    prepare: inStaging(of('flag', flag, { state: 'ENABLED' })),
    entries: ['flag.toggled'],
  },
  'POST /ofrep/v1/evaluate/flags': {
    as: 'environment-key',
    status: 200,
    prepare: async () => await Promise.resolve({ body: { context: { targetingKey: 'customer-1' } } }),
  },
  'POST /ofrep/v1/evaluate/flags/:key': {
    as: 'environment-key',
    status: 200,
    prepare: async (workshop) => {
      const key = await workshop.flag();
      const path = `${workshop.project.path}/flags/${key}/environments/staging`;
      await expectStatus(workshop.company.owner, 200, 'PATCH', path, { state: 'ENABLED' });
      return { params: { key }, body: { context: { targetingKey: 'customer-1' } } };
    },
  },
};

const review = async (workshop: Workshop): Promise<Prepared> => {
  const { id, hash } = await workshop.change();
  return { params: { change: id }, body: { hash } };
};

const changeCase = (path: string, entries: readonly string[], prepare: RouteCase['prepare'] = review) => ({
  [`POST ${F}/:project/changes/:change/${path}`]: { status: 200, prepare: inProject(prepare), entries },
});

const CHANGES: Readonly<Record<string, RouteCase>> = {
  [`GET ${F}/:project/changes`]: { status: 200, prepare: inProject() },
  [`POST ${F}/:project/changes`]: {
    status: 202,
    prepare: inProject(async () => {
      const changes = [{ kind: 'set-state', flag: 'standing', environment: 'live', state: 'ENABLED' }];
      return await Promise.resolve({ body: { title: 'Switch it on', changes } });
    }),
    entries: ['change.created'],
  },
  [`GET ${F}/:project/changes/:change`]: {
    status: 200,
    prepare: inProject(of('change', async (workshop) => (await workshop.change()).id)),
  },
  [`PATCH ${F}/:project/changes/:change`]: {
    status: 200,
    prepare: inProject(of('change', async (workshop) => (await workshop.change()).id, { title: 'Another title' })),
    entries: ['change.described'],
  },
  ...changeCase('approve', ['change.approved']),
  ...changeCase('reject', ['change.rejected']),
  ...changeCase('request-changes', ['change.objected-to']),
  ...changeCase(
    'cancel',
    ['change.cancelled'],
    of('change', async (workshop) => (await workshop.change()).id),
  ),
  ...changeCase('apply', ['change.applied', 'flag.toggled'], async (workshop) => {
    const prepared = await review(workshop);
    const path = workshop.project.changePath(prepared.params?.['change'] ?? '', 'approve');
    await expectStatus(workshop.company.owner, 200, 'POST', path, prepared.body);
    return prepared;
  }),
};

/** By the name of the row. */
export const ROUTE_CASES: Readonly<Record<string, RouteCase>> = {
  ...SCIM,
  ...CONNECTIONS,
  ...ACCOUNTS,
  ...POLICY,
  ...PROJECTS,
  ...FLAGS,
  ...CHANGES,
};
