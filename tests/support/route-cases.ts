import { expectStatus } from '@sallyport/dev-env/actors';
import { systemClock } from '@sallyport/storage';

import { GOVERNANCE_ROUTE_CASES } from './governance-route-cases.ts';
import { IDENTITY_ROUTE_CASES } from './identity-route-cases.ts';
import { LOCAL_ACCOUNT_ROUTE_CASES } from './local-account-route-cases.ts';
import { nothing, of, type Prepared, type RouteCase } from './route-case.ts';
import type { Workshop } from './workshop.ts';

const P = '/api/policy/v1';
const F = '/api/flags/v1/projects';
const E = `${F}/:project/environments/:environment`;

const ANY_VERSION = { 'if-match': '*' };

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
  'POST /access/v1/evaluations': {
    as: 'decision-token',
    status: 200,
    prepare: async (workshop) => ({
      body: {
        subject: { type: 'user', id: await workshop.user() },
        action: { name: 'organization:read' },
        evaluations: [{ resource: { type: 'organization', id: workshop.company.orgId } }],
      },
    }),
  },
  'POST /access/v1/search/subject': {
    as: 'decision-token',
    status: 200,
    prepare: async ({ company: { orgId } }) =>
      await Promise.resolve({
        body: {
          subject: { type: 'user' },
          action: { name: 'organization:read' },
          resource: { type: 'organization', id: orgId },
        },
      }),
  },
  'POST /access/v1/search/resource': {
    as: 'decision-token',
    status: 200,
    prepare: async (workshop) => ({
      body: {
        subject: { type: 'user', id: await workshop.user() },
        action: { name: 'project:read' },
        resource: { type: 'project' },
      },
    }),
  },
  'POST /access/v1/search/action': {
    as: 'decision-token',
    status: 200,
    prepare: async (workshop) => ({
      body: {
        subject: { type: 'user', id: await workshop.user() },
        resource: { type: 'organization', id: workshop.company.orgId },
      },
    }),
  },
  [`POST ${P}/grants`]: {
    status: 201,
    prepare: async (workshop) => ({
      body: { subject: { type: 'user', id: await workshop.knownUser() }, role: 'viewer' },
    }),
    entries: ['grant.created'],
  },
  [`DELETE ${P}/grants/:grantId`]: {
    status: 204,
    prepare: of('grantId', async (workshop) => await workshop.grant()),
    entries: ['grant.deleted'],
  },
  [`GET ${P}/roles/:role`]: { status: 200, prepare: of('role', async (workshop) => await workshop.role()) },
  [`POST ${P}/roles`]: {
    status: 201,
    prepare: async (workshop) => await Promise.resolve({ body: workshop.roleBody() }),
    entries: ['role.created'],
  },
  [`PUT ${P}/roles/:role`]: {
    status: 200,
    prepare: async (workshop) => {
      const { key, ...body } = workshop.roleBody();
      return { params: { role: await workshop.role() }, body: { ...body, name: key }, condition: ANY_VERSION };
    },
    entries: ['role.updated'],
  },
  [`DELETE ${P}/roles/:role`]: {
    status: 204,
    prepare: async (workshop) => ({ params: { role: await workshop.role() }, condition: ANY_VERSION }),
    entries: ['role.deleted'],
  },
  [`POST ${P}/separation-rules`]: {
    status: 201,
    prepare: async (workshop) => ({ body: await workshop.separationBody() }),
    entries: ['separation-rule.created'],
  },
  [`DELETE ${P}/separation-rules/:ruleId`]: {
    status: 204,
    prepare: of('ruleId', async (workshop) => await workshop.separationRule()),
    entries: ['separation-rule.deleted'],
  },
  [`POST ${P}/group-mappings/preview`]: {
    status: 200,
    prepare: async (workshop) => ({ body: { groupId: (await workshop.mappedGroup()).groupId, role: 'viewer' } }),
  },
  [`POST ${P}/group-mappings`]: {
    status: 201,
    prepare: async (workshop) => ({ body: { groupId: (await workshop.mappedGroup()).groupId, role: 'developer' } }),
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
  [`POST ${P}/list/actions`]: {
    status: 200,
    prepare: async (workshop) => ({ body: { subject: { type: 'user', id: await workshop.knownUser() } } }),
  },
  [`POST ${P}/list/resources`]: {
    status: 200,
    prepare: async () => await Promise.resolve({ body: { action: 'project:read' } }),
  },
  [`POST ${P}/list/subjects`]: {
    status: 200,
    prepare: async () => await Promise.resolve({ body: { action: 'project:read' } }),
  },
  [`POST ${P}/explain`]: {
    status: 200,
    prepare: async (workshop) => ({
      body: { subject: { type: 'user', id: await workshop.knownUser() }, action: 'organization:read' },
    }),
  },
  [`POST ${P}/policy/plan`]: {
    status: 200,
    prepare: async () => await Promise.resolve({ body: { format: 'yaml', document: '{version: 1}' } }),
  },
  [`POST ${P}/policy/apply`]: {
    // A hash nobody was given: what would be applied is not what was looked at.
    status: 409,
    prepare: async () =>
      await Promise.resolve({ body: { policy: { format: 'yaml', document: '{version: 1}' }, hash: 'x' } }),
  },
  [`POST ${P}/policy/test`]: {
    status: 200,
    prepare: async (workshop) => ({
      body: {
        tests: `cases: [{subject: "user:${await workshop.knownUser()}", action: "flag:read", expect: "deny"}]`,
      },
    }),
  },
  [`POST ${P}/history/check`]: {
    status: 200,
    prepare: async (workshop) => ({
      body: {
        subject: { type: 'user', id: await workshop.knownUser() },
        action: 'organization:read',
        at: systemClock.now().toISOString(),
      },
    }),
  },
  [`POST ${P}/what-if`]: {
    status: 200,
    prepare: async (workshop) => ({
      body: {
        changes: [
          { change: 'add-grant', grant: { subject: { type: 'user', id: await workshop.knownUser() }, role: 'viewer' } },
        ],
      },
    }),
  },
  [`POST ${P}/index/reset`]: {
    status: 200,
    prepare: async () => await Promise.resolve({}),
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
  ...IDENTITY_ROUTE_CASES,
  ...LOCAL_ACCOUNT_ROUTE_CASES,
  ...POLICY,
  ...GOVERNANCE_ROUTE_CASES,
  ...PROJECTS,
  ...FLAGS,
  ...CHANGES,
};
