import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import type { GrpcClient } from '@sallyport/grpc';
import type { IntrospectionServiceService } from '@sallyport/proto/identity/v1';
import { newId } from '@sallyport/storage';

import type { AuditEntry } from '../support/http.ts';
import { newOrganization } from '../support/identity.ts';
import { introspectionClient } from './introspection.ts';
import type { ProviderScene } from './scene.ts';
import { newKey, tomorrow, WorkloadScene, type Machine } from './workload-scene.ts';

const WAITING = `SELECT count(*)::int AS waiting FROM pg_stat_activity
  WHERE wait_event_type = 'Lock' AND datname = current_database()`;

describe('Whoever answers for a service account', () => {
  let scene: WorkloadScene;
  let provider: ProviderScene;
  let policy: GrpcClient<IntrospectionServiceService>;

  before(async () => {
    scene = await WorkloadScene.start();
    ({ provider } = scene);
    policy = await introspectionClient(provider.identity);
  });
  after(async () => {
    policy.close();
    await scene.close();
  });

  const lastEntry = async (action: string, targetId: string): Promise<AuditEntry | undefined> => {
    const query = { limit: 1, order: 'newest-first', action, targetId } as const;
    const [found] = await provider.identity.context.audit.list(provider.organization.orgId, query);
    return found?.entry as unknown as AuditEntry | undefined;
  };

  const introspect = async (value: string) =>
    await policy.unary('introspect', { credential: { $case: 'bearer', value } }, { deadlineMs: 10_000 });

  const sponsorsOf = async (bearer: string): Promise<readonly string[]> =>
    [...((await introspect(bearer)).principal?.sponsorSubjectIds ?? [])].sort();

  const handOver = async ({ id }: Pick<Machine, 'id'>, ownerId: string): Promise<void> => {
    assert.equal((await provider.api('PUT', `/accounts/${id}/owner`, { ownerId })).status, 200);
  };

  /** The account as a machine of before there were owners. */
  const disown = async ({ id }: Pick<Machine, 'id'>): Promise<void> => {
    await provider.identity.admin('UPDATE identity.account SET owner_id = NULL WHERE id = $1', [id]);
  };

  it('is whoever created it, until it is handed over, which is on record', async () => {
    const id = await scene.serviceAccount('bot-new');
    const path = `/accounts/${id}/owner`;
    const { ownerId } = provider.organization;
    assert.equal((await provider.api('GET', path)).body['ownerId'], ownerId);
    assert.deepEqual((await lastEntry('service-account.owner-changed', id))?.after, { ownerId });
    const next = await provider.person('next');
    await handOver({ id }, next);
    assert.equal((await provider.api('GET', path)).body['ownerId'], next);
    const entry = await lastEntry('service-account.owner-changed', id);
    assert.deepEqual([entry?.before, entry?.after], [{ ownerId }, { ownerId: next }]);
    assert.equal(entry?.actor['id'], ownerId);
  });

  it('is an active person of the organisation, and nobody else', async () => {
    const id = await scene.serviceAccount('bot-choosy');
    const left = await provider.person('left');
    await provider.setActive(left, false);
    const stranger = (await newOrganization(provider.identity)).ownerId;
    for (const ownerId of [id, newId(), left, stranger])
      assert.equal((await provider.api('PUT', `/accounts/${id}/owner`, { ownerId })).status, 409, ownerId);
    assert.equal((await provider.api('PUT', `/accounts/${id}/owner`, { ownerId: 'x' })).status, 400);
    assert.equal((await provider.api('PUT', `/accounts/${id}/owner`, { ownerId: null })).status, 400);
    const person = provider.organization.ownerId;
    assert.equal((await provider.api('GET', `/accounts/${person}/owner`)).status, 404);
    assert.equal((await provider.api('PUT', `/accounts/${person}/owner`, { ownerId: person })).status, 404);
  });

  it('is who they are at the moment a credential is made: one begun before a handover is not finished after it', async () => {
    const { identity, organization, api } = provider;
    const id = await scene.serviceAccount('bot-passed-on');
    const next = await provider.person('heir');
    const { jwk } = await newKey();
    for (const [path, body] of [
      ['keys', { name: 'ci', jwk, expiresAt: tomorrow() }],
      ['api-tokens', { name: 'ci', expiresAt: tomorrow() }],
    ] as const) {
      await handOver({ id }, organization.ownerId);
      let making: ReturnType<typeof api> | undefined;
      await identity.context.db.unauditedWrite(organization.orgId, 'a test', async (tx) => {
        await tx.query('UPDATE account SET owner_id = $2 WHERE id = $1', [id, next]);
        making = api('POST', `/accounts/${id}/${path}`, body);
        const isWaiting = async () => (await identity.admin(WAITING))[0]?.['waiting'] !== 0;
        await waitFor(isWaiting, { message: 'the request waits for the account' });
      });
      assert.equal((await making)?.status, 409, path);
    }
  });

  it('takes every token along when they leave, and the machine gets none until somebody takes it over', async () => {
    const machine = await scene.machineOf('bert');
    const tokens = [await scene.token(machine), await scene.apiTokenOf(machine)];
    for (const each of tokens) assert.equal((await introspect(each)).active, true);
    await provider.setActive(machine.ownerId, false);
    for (const each of tokens) {
      assert.equal(await provider.me(each), 401);
      assert.equal((await introspect(each)).active, false);
    }
    assert.equal((await scene.ask(machine)).status, 401);
    const refused = await provider.api('POST', `/accounts/${machine.id}/api-tokens`, {
      name: 'x',
      expiresAt: tomorrow(),
    });
    assert.equal(refused.status, 409);
    const { jwk } = await newKey('k2');
    const key = { name: 'x', jwk, expiresAt: tomorrow() };
    assert.equal((await provider.api('POST', `/accounts/${machine.id}/keys`, key)).status, 409);
    const raised = await lastEntry('account.epoch-raised', machine.id);
    assert.equal(raised?.after?.['cause'], 'owner.closed');

    await handOver(machine, await provider.person('bertha'));
    for (const each of tokens) assert.equal(await provider.me(each), 401); // What has ended does not live again.
    assert.equal(await provider.me(await scene.token(machine)), 200);
  });

  it('does not bring a token back by coming back', async () => {
    const machine = await scene.machineOf('cora');
    const tokens = [await scene.token(machine), await scene.apiTokenOf(machine)];
    await provider.setActive(machine.ownerId, false);
    await provider.setActive(machine.ownerId, true);
    for (const each of tokens) assert.equal(await provider.me(each), 401);
    assert.equal((await scene.ask(machine)).status, 200);
  });

  it('and the machine are one entry of the subject log: whoever follows it refuses both at once', async () => {
    const machine = await scene.machineOf('cleo');
    await provider.setActive(machine.ownerId, false);
    const [last] = await provider.identity.admin(
      `SELECT ARRAY(SELECT s->>'subjectId' FROM jsonb_array_elements(subjects) s) AS ids FROM identity.subject_log
        WHERE org_id = $1 ORDER BY position DESC LIMIT 1`,
      [provider.organization.orgId],
    );
    assert.deepEqual([...(last as { ids: string[] }).ids].sort(), [machine.id, machine.ownerId].sort());
  });

  it('takes the tokens along however it came about that they stand closed', async () => {
    const machine = await scene.machineOf('carl');
    const tokens = [await scene.token(machine), await scene.apiTokenOf(machine)];
    await provider.identity.admin(
      `UPDATE identity.account SET status = 'inactive', admin_hold = true, epoch = epoch + 1 WHERE id = $1`,
      [machine.ownerId],
    );
    for (const each of tokens) assert.equal(await provider.me(each), 401);
    assert.equal((await scene.ask(machine)).status, 401);
  });

  it('takes nothing along once they have handed it over', async () => {
    const machine = await scene.machineOf('dora');
    const bearer = await scene.token(machine);
    await handOver(machine, await provider.person('doris'));
    await provider.setActive(machine.ownerId, false);
    assert.equal(await provider.me(bearer), 200);
  });

  it('may stay when the machine goes', async () => {
    const machine = await scene.machineOf('emil');
    const bearer = await scene.token(machine);
    assert.equal((await provider.api('POST', `/accounts/${machine.id}/deactivate`, {})).status, 200);
    assert.equal(await provider.me(bearer), 401);
    assert.equal((await scene.ask(machine)).status, 401);
  });

  it('has to be there before a machine of before gets anything new; what it holds goes on', async () => {
    const machine = await scene.machineOf('fred');
    const [bearer, fixed] = [await scene.token(machine), await scene.apiTokenOf(machine)];
    await disown(machine);
    assert.deepEqual([await provider.me(bearer), await provider.me(fixed)], [401, 200]);
    assert.equal((await scene.ask(machine)).status, 401);
    const body = { name: 'x', expiresAt: tomorrow() };
    assert.equal((await provider.api('POST', `/accounts/${machine.id}/api-tokens`, body)).status, 409);
    const made = await scene.as(fixed)('POST', '/accounts', { kind: 'service_account', userName: 'bot-of-nobody' });
    assert.equal(made.status, 409);
  });

  describe('is behind what it does, for whoever asks for approval', () => {
    it('with whoever issued the credential', async () => {
      const machine = await scene.machineOf('gert');
      const both = [machine.ownerId, provider.organization.ownerId].sort();
      for (const bearer of [await scene.token(machine), await scene.apiTokenOf(machine)]) {
        assert.deepEqual(await sponsorsOf(bearer), both);
        assert.deepEqual([...((await scene.whoIs(bearer))['sponsorIds'] as string[])].sort(), both);
      }
    });

    it('with everybody who has owned it while the credential lived', async () => {
      const machine = await scene.machineOf('hans');
      const tokens = [await scene.token(machine), await scene.apiTokenOf(machine)];
      const [second, third] = [await provider.person('hanna'), await provider.person('henri')];
      await handOver(machine, second);
      await handOver(machine, third);
      const all = [machine.ownerId, provider.organization.ownerId, second, third].sort();
      for (const bearer of tokens) assert.deepEqual(await sponsorsOf(bearer), all);
      const fresh = await scene.addKey(machine.id, 'k2');
      assert.deepEqual(await sponsorsOf(await scene.token(fresh)), [third, provider.organization.ownerId].sort());
    });

    it('with who owns the machine that created it', async () => {
      const issuer = await scene.machineOf('ida');
      const api = scene.as(await scene.token(issuer));
      const made = await api('POST', '/accounts', { kind: 'service_account', userName: 'bot-of-bot' });
      assert.equal(made.status, 201);
      assert.equal((await provider.api('GET', `/accounts/${made.body.id}/owner`)).body['ownerId'], issuer.ownerId);
    });

    it('and nobody is behind a person', async () => {
      await provider.person('kai');
      const browser = await provider.signIn('kai');
      const answer = await browser.open(`${provider.origin}/api/identity/v1/me`);
      assert.deepEqual(((await answer.json()) as { sponsorIds: unknown }).sponsorIds, []);
    });
  });

  it('is nobody of another organisation, who sees and changes nothing (404)', async () => {
    const machine = await scene.machineOf('lars');
    const rival = scene.rival(await newOrganization(provider.identity));
    const path = `/accounts/${machine.id}`;
    const { jwk } = await newKey('k2');
    const calls: readonly (readonly [string, string, object?])[] = [
      ['GET', `${path}/owner`],
      ['PUT', `${path}/owner`, { ownerId: machine.ownerId }],
      ['GET', `${path}/keys`],
      ['POST', `${path}/keys`, { name: 'x', jwk, expiresAt: tomorrow() }],
      ['DELETE', `${path}/keys/${machine.keyId}`],
      ['GET', `${path}/api-tokens`],
      ['POST', `${path}/api-tokens`, { name: 'x', expiresAt: tomorrow() }],
    ];
    for (const [method, at, body] of calls)
      assert.equal((await rival(method, at, body)).status, 404, `${method} ${at}`);
    assert.equal((await provider.api('GET', `${path}/keys`)).body.items.length, 1);
    assert.equal(await provider.me(await scene.token(machine)), 200);
    const own = await scene.machineOf('lina');
    const crossed = `/accounts/${own.id}/keys/${machine.keyId}`;
    assert.equal((await provider.api('DELETE', crossed)).status, 404);
  });
});
