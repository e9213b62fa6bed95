import assert from 'node:assert/strict';

import { newId, secretHash } from '@sallyport/storage';

import {
  insertWorkloadToken,
  insertWorkloadTokens,
  type WorkloadIssue,
  type WorkloadProof,
} from '../../src/provider/workload-token-store.ts';
import type { ProviderScene } from './scene.ts';
import { newKey, WorkloadScene, type Machine } from './workload-scene.ts';

/** What is checked where: each place by itself, whatever the others would have said. */
describe('What stands behind a service account', () => {
  let scene: WorkloadScene;
  let provider: ProviderScene;

  before(async () => {
    scene = await WorkloadScene.start();
    ({ provider } = scene);
  });
  after(async () => {
    await scene.close();
  });

  const admin = async (sql: string, ...params: unknown[]): Promise<void> => {
    await provider.identity.admin(sql, params);
  };

  type Fall = (machine: Machine) => Promise<void>;
  const FALLS: Readonly<Record<string, Fall>> = {
    'its account is closed': async ({ id }) => {
      await admin(
        `UPDATE identity.account SET status = 'inactive', admin_hold = true, epoch = epoch + 1 WHERE id = $1`,
        id,
      );
    },
    'its owner is closed': async ({ ownerId }) => {
      await admin(
        `UPDATE identity.account SET status = 'inactive', admin_hold = true, epoch = epoch + 1 WHERE id = $1`,
        ownerId,
      );
    },
    'it has no owner': async ({ id }) => {
      await admin('UPDATE identity.account SET owner_id = NULL WHERE id = $1', id);
    },
    'its key is revoked': async ({ keyId }) => {
      await admin('UPDATE identity.workload_key SET revoked_at = now() WHERE id = $1', keyId);
    },
    'its key has expired': async ({ keyId }) => {
      await admin(`UPDATE identity.workload_key SET expires_at = now() - interval '1 minute' WHERE id = $1`, keyId);
    },
  };

  const newEpoch: Fall = async ({ id }) => {
    await admin('UPDATE identity.account SET epoch = epoch + 1 WHERE id = $1', id);
  };

  for (const [name, fall] of Object.entries({ ...FALLS, 'its epoch has risen': newEpoch }))
    it(`is looked at when a token is used: ${name}`, async () => {
      const machine = await scene.machineOf(newId());
      const bearer = await scene.token(machine);
      assert.equal(await provider.me(bearer), 200);
      await fall(machine);
      assert.equal(await provider.me(bearer), 401);
    });

  for (const [name, fall] of Object.entries(FALLS))
    it(`is looked at when it shows who it is, where no token is issued: ${name} (RFC 7009)`, async () => {
      const machine = await scene.machineOf(newId());
      const ask = async (): Promise<number> => {
        const body = await scene.assertion(machine);
        return (await fetch(`${provider.issuer}/token/revocation`, { method: 'POST', body })).status;
      };
      await scene.token(machine);
      assert.equal(await ask(), 200);
      await fall(machine);
      assert.equal(await ask(), 401);
    });

  const toIssue = async (machine: Machine, over: Partial<WorkloadProof> = {}) => {
    const [row] = await provider.identity.admin('SELECT epoch, org_id FROM identity.account WHERE id = $1', [
      machine.id,
    ]);
    const { epoch, org_id: orgId } = row as { epoch: string; org_id: string };
    const createdAt = new Date();
    const artifact = {
      model: 'ClientCredentials',
      idHash: secretHash(newId()),
      clientId: machine.clientId,
      grantHash: null,
      uid: null,
      payload: {},
      createdAt,
      expiresAt: new Date(createdAt.getTime() + 60_000),
    };
    const by = { orgId, accountId: machine.id, epoch: BigInt(epoch), kid: machine.kid, ...over };
    const assertion = { ...artifact, model: 'ReplayDetection', idHash: secretHash(newId()) };
    return { artifact, by, assertion };
  };

  const again = (issue: WorkloadIssue): WorkloadIssue => ({
    ...issue,
    artifact: { ...issue.artifact, idHash: secretHash(newId()) },
  });

  const write = async (machine: Machine, over: Partial<WorkloadProof> = {}) => {
    const issue = await toIssue(machine, over);
    const { db } = provider.identity.context;
    const insert = async (each: WorkloadIssue) =>
      await db.unauditedWrite('all-organizations', 'a test', async (tx) => await insertWorkloadToken(tx, each));
    return { first: await insert(issue), second: await insert(again(issue)) };
  };

  const writeTogether = async (all: readonly WorkloadIssue[]) =>
    await provider.identity.context.db.unauditedWrite('all-organizations', 'a test', async (tx) => {
      return await insertWorkloadTokens(tx, all);
    });

  it('is judged for each of those that come side by side; an assertion that two of them show is good for one', async () => {
    const [fine, stale] = [await scene.machineOf('xena'), await scene.machineOf('yves')];
    const shown = await toIssue(fine);
    const all = [shown, await toIssue(stale, { epoch: 99n }), again(shown), await toIssue(fine)];
    const written = { isUsedUp: true, isWritten: true };
    assert.deepEqual(await writeTogether(all), [written, { isUsedUp: true, isWritten: false }, null, written]);
    const rows = await provider.identity.admin(
      'SELECT id_hash FROM identity.provider_artifact WHERE id_hash = ANY($1)',
      [all.map(({ artifact }) => artifact.idHash)],
    );
    assert.equal(rows.length, 2);
    assert.deepEqual(await writeTogether([again(shown)]), [null]);
  });

  it('is not waited for by those that come side by side', async () => {
    const [busy, free] = [await scene.machineOf('zoe'), await scene.machineOf('zack')];
    const held = await toIssue(busy);
    await provider.identity.context.db.unauditedWrite('all-organizations', 'a test', async (tx) => {
      await tx.query('SELECT FROM account WHERE id = $1 FOR UPDATE', [busy.id]);
      assert.deepEqual(await writeTogether([held, await toIssue(free)]), [null, { isUsedUp: true, isWritten: true }]);
    });
    // Nothing was used up.
    assert.deepEqual(await writeTogether([held]), [{ isUsedUp: true, isWritten: true }]);
  });

  for (const [name, fall] of Object.entries(FALLS))
    it(`is looked at when a token is written: ${name}`, async () => {
      const machine = await scene.machineOf(newId());
      assert.deepEqual((await write(machine)).first, { isUsedUp: true, isWritten: true });
      await fall(machine);
      assert.deepEqual((await write(machine)).first, { isUsedUp: true, isWritten: false });
    });

  it('is the same epoch, key and organisation as when it showed who it is; an assertion is good for one token', async () => {
    const [machine, other] = [await scene.machineOf('uta'), await scene.machineOf('ute')];
    const refused = { isUsedUp: true, isWritten: false };
    for (const over of [{ epoch: 99n }, { kid: 'k9' }, { orgId: newId() }, { accountId: other.ownerId }])
      assert.deepEqual((await write(machine, over)).first, refused);
    assert.deepEqual((await write(machine)).second, { isUsedUp: false, isWritten: false });
  });

  it('is what holds at this moment, however often it has been asked for', async () => {
    const machine = await scene.machineOf('vera');
    await scene.token(machine);
    await newEpoch(machine);
    assert.equal(await provider.me(await scene.token(machine)), 200);
    const second = await scene.addKey(machine.id, 'k2');
    assert.equal(await provider.me(await scene.token(second)), 200);
    await FALLS['its key is revoked']?.(machine);
    assert.equal((await scene.ask(machine)).status, 401);
    assert.equal(await provider.me(await scene.token(second)), 200);
  });

  it('says when it ends: a token lives no longer than its key, and is told to', async () => {
    const machine = await scene.machineOf('gwen');
    const { privateKey, jwk } = await newKey('short');
    const end = new Date(Date.now() + 120_000);
    const key = { name: 'ci', jwk, expiresAt: end.toISOString() };
    assert.equal((await scene.provider.api('POST', `/accounts/${machine.id}/keys`, key)).status, 201);
    const { body } = await scene.ask({ ...machine, kid: 'short', privateKey });
    const told = body['expires_in'];
    assert.ok(typeof told === 'number' && told > 60 && told <= 120, String(told));
    const me = await scene.whoIs(String(body['access_token']));
    assert.ok(Date.parse(String(me['expiresAt'])) <= end.getTime(), String(me['expiresAt']));
    assert.equal((await scene.ask(machine)).body['expires_in'], 3600);
  });

  it('does not give back an assertion that got nothing', async () => {
    const machine = await scene.machineOf('wim');
    const claims = { jti: newId() };
    assert.equal((await scene.ask(machine, { claims, parameters: { scope: '*' } })).status, 400);
    assert.equal((await scene.ask(machine, { claims })).status, 401);
  });
});
