import assert from 'node:assert/strict';

import { act, arrange, ok, PROJECT, requestToggle, type Scenario, toggle } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { Answer, Organization, World } from './support/world.ts';

interface Late {
  readonly name: string;
  /** Rows somebody else holds until the decision has expired; $1 is the organisation. */
  readonly lock: string;
  readonly prepare?: (scene: Scenario) => Promise<{ id: string; hash: string }>;
  readonly work: (scene: Scenario, change: { id: string; hash: string }) => Promise<Answer>;
}

const ORGANIZATION = 'SELECT FROM organization WHERE org_id = $1 FOR UPDATE';
const PROJECTS = 'SELECT FROM project WHERE org_id = $1 FOR UPDATE';
const ENVIRONMENTS = 'SELECT FROM environment WHERE org_id = $1 FOR UPDATE';
const KEYS = 'SELECT FROM environment_key WHERE org_id = $1 FOR UPDATE';
const CHANGES = 'SELECT FROM change_request WHERE org_id = $1 FOR UPDATE';

const request = async ({ releaseManager }: Scenario): Promise<{ id: string; hash: string }> =>
  await requestToggle(releaseManager);

const LATE: readonly Late[] = [
  {
    name: 'creating a project',
    lock: ORGANIZATION,
    work: async ({ owner }) => await owner.call('POST', '/projects', { key: 'late', name: 'Late' }),
  },
  {
    name: 'editing a project',
    lock: PROJECTS,
    work: async ({ owner }) => await owner.call('PATCH', PROJECT, { name: 'Late' }),
  },
  {
    name: 'creating an environment',
    lock: ORGANIZATION,
    work: async ({ owner }) =>
      await owner.call('POST', `${PROJECT}/environments`, { key: 'late', name: 'Late', tier: 'non-production' }),
  },
  {
    name: 'editing an environment',
    lock: ENVIRONMENTS,
    work: async ({ owner }) => await owner.call('PATCH', `${PROJECT}/environments/staging`, { name: 'Late' }),
  },
  {
    name: 'creating a key',
    lock: ENVIRONMENTS,
    work: async ({ owner }) => await owner.call('POST', `${PROJECT}/environments/staging/keys`, { name: 'late' }),
  },
  {
    name: 'revoking a key',
    lock: KEYS,
    prepare: async ({ owner }) => {
      const path = `${PROJECT}/environments/staging/keys`;
      return { id: ok(await owner.call('POST', path, { name: 'k' }), 201).body.id, hash: '' };
    },
    work: async ({ owner }, { id }) => await owner.call('DELETE', `${PROJECT}/environments/staging/keys/${id}`),
  },
  { name: 'toggling a flag', lock: ENVIRONMENTS, work: async ({ owner }) => await toggle(owner, 'staging', 'ENABLED') },
  {
    name: 'requesting a change',
    lock: PROJECTS,
    work: async ({ releaseManager }) => await toggle(releaseManager, 'production', 'ENABLED'),
  },
  {
    name: 'editing a request',
    lock: CHANGES,
    prepare: request,
    work: async ({ releaseManager }, { id }) =>
      await releaseManager.call('PATCH', `${PROJECT}/changes/${id}`, { title: 'Late' }),
  },
  {
    name: 'reviewing a request',
    lock: CHANGES,
    prepare: request,
    work: async ({ approver }, { id, hash }) => await act(approver, id, 'approve', { hash }),
  },
  {
    name: 'applying a request',
    lock: ENVIRONMENTS,
    prepare: async (scene) => {
      const change = await request(scene);
      ok(await act(scene.approver, change.id, 'approve', { hash: change.hash }), 200);
      return change;
    },
    work: async ({ releaseManager }, { id }) => await act(releaseManager, id, 'apply'),
  },
  {
    name: 'cancelling a request',
    lock: CHANGES,
    prepare: request,
    work: async ({ releaseManager }, { id }) => await act(releaseManager, id, 'cancel'),
  },
];

/** A decision can be fresh and its effect late; then the effect does not happen (revocation.md §9). */
describe('a decision that expires before the commit', () => {
  let world: World;
  let org: Organization;

  const opened = organizationForEachTest();
  beforeEach(() => {
    ({ world, org } = opened());
  });
  afterEach(() => {
    world.policy.validForMs = 1_000;
  });

  const tablesOf = async (): Promise<unknown> => {
    const tables = ['project', 'environment', 'environment_key', 'change_request', 'change_review', 'flag_environment'];
    const queries = tables.map((table) => `SELECT '${table}' AS t, to_jsonb(x) - 'last_used_at' AS r FROM ${table} x`);
    return await world.asService(org.id, `SELECT * FROM (${queries.join(' UNION ALL ')}) a ORDER BY t, r`);
  };

  for (const { name, lock, prepare, work } of LATE)
    it(`stops ${name}`, async () => {
      const scene = await arrange(org);
      const change = (await prepare?.(scene)) ?? { id: '', hash: '' };
      const before = await tablesOf();
      const held = await world.holdLock(org.id, lock);
      world.policy.validForMs = 600;
      const late = work(scene, change);
      await held.releaseWhenWaitedFor(700);
      const answer = await late;
      assert.equal(answer.status, 409, answer.text);
      assert.equal(answer.body.code, 'DECISION_EXPIRED');
      assert.deepEqual(await tablesOf(), before);
    });
});
