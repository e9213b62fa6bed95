import assert from 'node:assert/strict';

import { ScopeServiceClient } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { PERMISSION_NAMES } from '../src/model/permissions.ts';
import { EVALUATION, SEARCH, type AuthzenDesk, type Json } from './support/authzen-desk.ts';
import { SearchDesk, idsOf } from './support/search-desk.ts';
import { World } from './support/world.ts';

describe('AuthZEN searches (§8)', () => {
  let world: World;
  let people: SearchDesk;
  let desk: AuthzenDesk;

  before(async () => {
    world = await World.create();
    people = await SearchDesk.open(world);
    ({ desk } = people);
  });
  after(async () => {
    await world.dispose();
  });

  const sorted = (ids: readonly string[]): readonly string[] => [...ids].sort();

  describe('semantics (§8.1)', () => {
    it('Subject Search finds who may, transitively through groups, and nobody who is not active', async () => {
      const found = await people.search(SEARCH.subject, people.whoToggles());
      assert.deepEqual(idsOf(found), sorted([...people.members, desk.developer, desk.org.ownerId]));
      assert.deepEqual(
        idsOf(await people.search(SEARCH.subject, people.whoToggles({ subject: { type: 'service_account' } }))),
        [people.robot],
      );
      const inLive = people.whoToggles({ resource: desk.flag('live') });
      assert.deepEqual(idsOf(await people.search(SEARCH.subject, inLive)), [desk.org.ownerId]);
    });

    it('Resource Search finds where somebody may, at every level', async () => {
      const { orgId, projectId, stagingId, liveId, ownerId } = desk.org;
      assert.deepEqual(idsOf(await people.search(SEARCH.resource, people.whereToggled())), [stagingId]);
      const reading = (type: string, id: string, properties?: Json): Json =>
        people.whereToggled({
          subject: { type: 'user', id },
          action: { name: 'project:read' },
          resource: { type, ...(properties === undefined ? {} : { properties }) },
        });
      assert.deepEqual(idsOf(await people.search(SEARCH.resource, reading('project', people.viewer))), [projectId]);
      assert.deepEqual(idsOf(await people.search(SEARCH.resource, reading('organization', people.viewer))), []);
      assert.deepEqual(idsOf(await people.search(SEARCH.resource, reading('organization', ownerId))), [orgId]);
      const everywhere = people.whereToggled({ subject: { type: 'user', id: ownerId } });
      assert.deepEqual(idsOf(await people.search(SEARCH.resource, everywhere)), sorted([stagingId, liveId]));
    });

    it('Resource Search within a project finds what lies in it', async () => {
      const { orgId, projectId, stagingId, liveId, ownerId } = desk.org;
      const [otherId, elsewhereId] = [newId(), newId()];
      const scopes = world.client(ScopeServiceClient, 'flags');
      const options = { deadlineMs: 10_000 };
      const project = { orgId, projectId: otherId, deleted: false };
      await scopes.unary('putProject', { ...project, key: 'other', sequence: 10n }, options);
      const environment = { ...project, environmentId: elsewhereId, key: 'staging', tier: 1 as const, sequence: 11n };
      await scopes.unary('putEnvironment', environment, options);
      const within = async (properties: Json): Promise<readonly unknown[]> => {
        const question = { subject: { type: 'user', id: ownerId }, resource: { type: 'environment', properties } };
        return idsOf(await people.search(SEARCH.resource, people.whereToggled(question)));
      };
      assert.deepEqual(await within({}), sorted([stagingId, liveId, elsewhereId]));
      assert.deepEqual(await within({ project: 'shop' }), sorted([stagingId, liveId]));
      assert.deepEqual(await within({ project: projectId }), sorted([stagingId, liveId]));
      assert.deepEqual(await within({ project: 'other' }), [elsewhereId]);
      for (const nothing of ['Shop', 'shop/../other', '', ['shop'], null])
        assert.deepEqual(await within({ project: nothing }), [], JSON.stringify(nothing));
    });

    it('Action Search finds what somebody may do here', async () => {
      const { results } = await people.search(
        SEARCH.action,
        people.whatMay({ subject: { type: 'user', id: people.viewer } }),
      );
      const names = results.map(({ name }) => name);
      assert.deepEqual(names, ['environment:read', 'flag:read', 'change:read']);
    });

    it('what is found, and nothing else, is permitted by an evaluation of it', async () => {
      const { orgId, projectId, stagingId, liveId, ownerId } = desk.org;
      const may = async (question: Json): Promise<boolean> =>
        (await desk.answered(EVALUATION, question))['decision'] as boolean;
      const everybody = [...people.members, people.viewer, desk.developer, ownerId, newId()];
      for (const environment of ['staging', 'live'])
        for (const name of ['flag:read', 'flag:toggle', 'change:review', 'nothing:at-all']) {
          const question = { action: { name }, resource: desk.flag(environment) };
          const found = idsOf(await people.search(SEARCH.subject, { subject: { type: 'user' }, ...question }));
          for (const id of everybody)
            assert.equal(
              await may({ subject: { type: 'user', id }, ...question }),
              found.includes(id),
              `${name} ${id}`,
            );
        }
      const places = { organization: [orgId], project: [projectId], environment: [stagingId, liveId] };
      for (const [type, ids] of Object.entries(places))
        for (const name of ['project:read', 'flag:read', 'grant:manage', 'organization:read']) {
          const subject = desk.subject();
          const found = idsOf(await people.search(SEARCH.resource, { subject, action: { name }, resource: { type } }));
          for (const id of ids)
            assert.equal(await may({ subject, action: { name }, resource: { type, id } }), found.includes(id), name);
        }
      const actions = (await people.search(SEARCH.action, people.whatMay())).results.map(({ name }) => name);
      for (const name of PERMISSION_NAMES)
        assert.equal(await may(desk.question({ action: { name } })), actions.includes(name), name);
    });

    it('conditions look at what is said in the search', async () => {
      const id = newId();
      await world.user(desk.org.orgId, id, `door-${id}`);
      const condition = { property: 'context.door', operator: 'equals', value: 'front' };
      await world.grant(desk.org, { subject: { type: 'user', id }, role: 'developer', condition });
      const subject = { type: 'user', id };
      for (const [context, there] of [
        [{ door: 'front' }, true],
        [{ door: 'back' }, false],
        [{}, false],
      ] as const) {
        assert.equal(idsOf(await people.search(SEARCH.subject, people.whoToggles({ context }))).includes(id), there);
        assert.equal(
          (await people.search(SEARCH.resource, people.whereToggled({ subject, context }))).results.length > 0,
          there,
        );
        assert.equal(
          (await people.search(SEARCH.action, people.whatMay({ subject, context }))).results.length > 0,
          there,
        );
      }
    });

    it('a type nobody knows, and what is not there, finds nothing: 200', async () => {
      const stranger = { type: 'user', id: newId() };
      const nowhere = { type: 'flag', id: 'x', properties: { project: 'shop', environment: 'dev/../staging' } };
      const cases: readonly (readonly [path: string, body: Json])[] = [
        ...['group', 'User', 'robot', 'constructor', '__proto__', 'x'.repeat(1_000)].map(
          (type) => [SEARCH.subject, people.whoToggles({ subject: { type } })] as const,
        ),
        [SEARCH.subject, people.whoToggles({ action: { name: 'flag:fly' } })],
        [SEARCH.subject, people.whoToggles({ action: { name: 'a\nb' } })],
        [SEARCH.subject, people.whoToggles({ resource: nowhere })],
        [SEARCH.subject, people.whoToggles({ resource: { type: 'organization', id: 'other' } })],
        ...['flag', 'spaceship', 'Environment', 'toString'].map(
          (type) => [SEARCH.resource, people.whereToggled({ resource: { type } })] as const,
        ),
        [SEARCH.resource, people.whereToggled({ subject: stranger })],
        [SEARCH.resource, people.whereToggled({ subject: { type: 'group', id: people.groupId } })],
        [SEARCH.resource, people.whereToggled({ subject: { type: 'user', id: 'x'.repeat(1_000) } })],
        [SEARCH.resource, people.whereToggled({ action: { name: '*' } })],
        [SEARCH.action, people.whatMay({ subject: stranger })],
        [SEARCH.action, people.whatMay({ subject: { type: 'service_account', id: desk.developer } })],
        [SEARCH.action, people.whatMay({ subject: { type: 'user', id: "'; --\n" } })],
        [SEARCH.action, people.whatMay({ resource: nowhere })],
      ];
      for (const [path, body] of cases)
        assert.equal((await desk.post(path, body)).text, '{"results":[]}', JSON.stringify(body).slice(0, 200));
    });
  });

  describe('requests (§8.4, §8.5, §8.6)', () => {
    it('the id that is searched for is ignored, whatever it is', async () => {
      const { results: subjects } = await people.search(SEARCH.subject, people.whoToggles());
      const { results: resources } = await people.search(SEARCH.resource, people.whereToggled());
      for (const id of ['somebody', '', 7, null, ['x'], { a: 1 }]) {
        const subject = { type: 'user', id };
        assert.deepEqual((await people.search(SEARCH.subject, people.whoToggles({ subject }))).results, subjects);
        const resource = { type: 'environment', id };
        assert.deepEqual((await people.search(SEARCH.resource, people.whereToggled({ resource }))).results, resources);
      }
    });

    it('an action in an Action Search is ignored', async () => {
      const { results } = await people.search(SEARCH.action, people.whatMay());
      for (const action of [{ name: 'flag:read' }, 'flag:read', 7, null, []])
        assert.deepEqual((await people.search(SEARCH.action, people.whatMay({ action }))).results, results);
    });

    it('400 for a missing id of what is not searched for, a missing type, a missing or wrong entity', async () => {
      const flag = desk.flag('staging');
      const bad: readonly (readonly [path: string, body: Json])[] = [
        [SEARCH.subject, people.whoToggles({ subject: undefined })],
        [SEARCH.subject, people.whoToggles({ subject: {} })],
        [SEARCH.subject, people.whoToggles({ subject: { type: '' } })],
        [SEARCH.subject, people.whoToggles({ subject: { type: ['user'] } })],
        [SEARCH.subject, people.whoToggles({ subject: 'user' })],
        [SEARCH.subject, people.whoToggles({ action: undefined })],
        [SEARCH.subject, people.whoToggles({ action: {} })],
        [SEARCH.subject, people.whoToggles({ resource: undefined })],
        [SEARCH.subject, people.whoToggles({ resource: { ...flag, id: undefined } })],
        [SEARCH.subject, people.whoToggles({ resource: { ...flag, id: ['checkout'] } })],
        [SEARCH.subject, people.whoToggles({ context: [] })],
        [SEARCH.subject, people.whoToggles({ page: 'x' })],
        [SEARCH.resource, people.whereToggled({ subject: { type: 'user' } })],
        [SEARCH.resource, people.whereToggled({ subject: { type: 'user', id: { a: 1 } } })],
        [SEARCH.resource, people.whereToggled({ subject: undefined })],
        [SEARCH.resource, people.whereToggled({ action: undefined })],
        [SEARCH.resource, people.whereToggled({ resource: {} })],
        [SEARCH.resource, people.whereToggled({ resource: undefined })],
        [SEARCH.action, people.whatMay({ subject: { type: 'user' } })],
        [SEARCH.action, people.whatMay({ subject: undefined })],
        [SEARCH.action, people.whatMay({ resource: { ...flag, id: undefined } })],
        [SEARCH.action, people.whatMay({ resource: undefined })],
      ];
      for (const [path, body] of bad) await desk.refused(path, body);
    });

    it('the paths of drafts are not there', async () => {
      for (const path of ['/access/v1/subject/search', '/access/v1/resource/search', '/access/v1/search'])
        assert.equal((await desk.post(path, people.whoToggles())).status, 404);
    });
  });

  it('an empty list would be a statement: while nothing can be told it is an error (§10.1.2)', async () => {
    world.identity.isSilent = true;
    let answer = await desk.post(SEARCH.subject, people.whoToggles());
    while (answer.status === 200) answer = await desk.post(SEARCH.subject, people.whoToggles());
    assert.deepEqual([answer.status, answer.body], [500, 'The decision could not be made.']);
    world.identity.isSilent = false;
    while ((await desk.post(SEARCH.subject, people.whoToggles())).status !== 200);
  });
});
