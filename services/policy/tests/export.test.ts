import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

import { newEnforcer, type Enforcer } from 'casbin';

import { attributesText } from '../src/conditions/index.ts';
import type { Decision, DecisionRequest } from '../src/decide/index.ts';
import { nameOf } from '../src/model/lines.ts';
import { PERMISSION_NAMES, resourceTypeOf, type Place } from '../src/model/permissions.ts';
import { GrantDesk } from './support/grant-desk.ts';
import { RoleDesk } from './support/role-desk.ts';
import { World, type Organization } from './support/world.ts';

interface Exported {
  readonly model: string;
  readonly policy: string;
  readonly functions: string;
  readonly leftOut: number;
}

/** A Casbin that knows nothing of us: files, and one function. */
const plainCasbin = async ({ model, policy, functions }: Exported, folder: string): Promise<Enforcer> => {
  const paths = { model: join(folder, 'model.conf'), policy: join(folder, 'policy.csv'), met: join(folder, 'met.mjs') };
  writeFileSync(paths.model, model);
  writeFileSync(paths.policy, policy);
  writeFileSync(paths.met, functions);
  const enforcer = await newEnforcer(paths.model, paths.policy);
  const { met } = (await import(pathToFileURL(paths.met).href)) as { met: (...args: string[]) => boolean };
  await enforcer.addFunction('met', met);
  return enforcer;
};

describe('exported policy', () => {
  let world: World;
  let org: Organization;
  let desk: GrantDesk;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'policy-export-'));
    world = await World.create();
    org = await world.organization();
    desk = new GrantDesk(world, org);
  });
  after(async () => {
    await world.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('decides in any Casbin as it does here', async () => {
    const group = await desk.newGroup();
    const member = await desk.newUser([group]);
    await world.grant(org, { subject: { type: 'group', id: group }, role: 'release_manager', tier: 'production' });
    const developer = await desk.holding('developer', { projectId: org.projectId });
    await new RoleDesk(desk).made();
    const switcher = await desk.holding('switcher', { projectId: org.projectId });
    const ended = await desk.holding('viewer', {}, '2999-01-01T00:00:00Z');
    const careful = await desk.newUser();
    const near = { property: 'context.ip', operator: 'inNetwork', value: ['192.0.2.0/24'] };
    await world.grant(org, { subject: { type: 'user', id: careful.id }, role: 'developer', condition: near });
    await world.grant(org, {
      subject: { type: 'user', id: developer.id },
      role: 'developer',
      effect: 'deny',
      resourceType: 'change',
      condition: { not: { property: 'context.note', operator: 'like', value: 'a "quoted", (odd) * note' } },
    });
    const leaver = await desk.holding('owner');
    await world.applied(
      org.orgId,
      world.identity.commit(org.orgId, [{ subjectId: leaver.id, active: false, epoch: 2n }]),
    );

    const { status, body } = await world.call('GET', '/api/policy/v1/export', { token: org.ownerToken });
    assert.equal(status, 200);
    const exported = body as Exported;
    assert.equal(exported.leftOut, 1);
    const enforcer = await plainCasbin(exported, folder);

    const now = new Date();
    const places: readonly (readonly [Place, string, string])[] = [
      ['organization', '', ''],
      ['project', org.projectId, ''],
      ['non-production', org.projectId, org.stagingId],
      ['production', org.projectId, org.liveId],
    ];
    const contexts = [{}, { ip: '192.0.2.9' }, { ip: '198.51.100.1', note: 'a "quoted", (odd) good note' }];
    // So many in one turn that leases are not renewed meanwhile: then the same is asked again.
    const decided = async (request: DecisionRequest): Promise<Decision> => {
      for (;;) {
        const decision = await world.context.decisions.ask(request);
        if (!decision.reason.endsWith('_STALE')) return decision;
        await setImmediate();
      }
    };
    let allowed = 0;
    const people = [member, developer, switcher, ended, careful, leaver, { id: org.ownerId }];
    const actions = PERMISSION_NAMES.filter((name) => /^(flag|change|project|grant):/.test(name));
    const questions = people.flatMap(({ id }) =>
      actions.flatMap((action) =>
        places.flatMap((place) => contexts.map((context) => ({ id, action, place, context }))),
      ),
    );
    for (const {
      id,
      action,
      place: [place, projectId, environmentId],
      context,
    } of questions) {
      const here = await decided({
        orgId: org.orgId,
        subject: { type: 'user', id, epoch: 0n },
        action,
        projectId,
        environmentId,
        given: { context },
      });
      const attributes = attributesText({
        subjectType: 'user',
        subjectId: id,
        action,
        resourceType: '',
        resourceId: '',
        place,
        projectId,
        environmentId,
        nowMs: now.getTime(),
        given: { context },
      });
      const scope =
        environmentId !== ''
          ? nameOf('environment', environmentId)
          : projectId === ''
            ? nameOf('org', org.orgId)
            : nameOf('project', projectId);
      const there = await enforcer.enforce(
        nameOf('org', org.orgId),
        nameOf('user', id),
        nameOf('permission', action),
        nameOf('type', resourceTypeOf(action)),
        nameOf('place', place),
        scope,
        now.toISOString(),
        attributes,
      );
      assert.equal(there, here.allowed, `${id} ${action} ${place} ${JSON.stringify(context)} ${here.reason}`);
      if (there) allowed += 1;
    }
    assert.ok(allowed > 100, String(allowed));
  });

  it("is for who may see everybody's grants", async () => {
    const viewer = await desk.holding('viewer');
    assert.equal((await world.call('GET', '/api/policy/v1/export', { token: viewer.token })).status, 403);
  });
});
