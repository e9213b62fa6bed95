import assert from 'node:assert/strict';

import { newId, secretHash } from '@sallyport/storage';

import { insertIssued } from '../../src/provider/artifact-store.ts';
import type { Browser } from '../support/browser.ts';
import { ProviderScene, REDIRECT_URI, type Application, type Authorized } from './scene.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What a request reads at once and writes at once. */
describe('The token endpoint', () => {
  let scene: ProviderScene;
  let app: Application;
  let browser: Browser;

  before(async () => {
    scene = await ProviderScene.start();
    app = await scene.register();
    await scene.person('ada');
    browser = await scene.signIn('ada');
  });
  after(async () => {
    await scene.close();
  });

  const redeem = async (
    { callback, verifier }: Authorized,
    over: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; body: Fields }> => {
    const code = callback.searchParams.get('code') ?? '';
    const form = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier };
    const answer = await scene.token(app, { ...form, ...over });
    return { status: answer.status, body: (await answer.json()) as Fields };
  };

  const refresh = async (token: unknown): Promise<{ status: number; body: Fields }> => {
    const answer = await scene.token(app, { grant_type: 'refresh_token', refresh_token: String(token) });
    return { status: answer.status, body: (await answer.json()) as Fields };
  };

  const refused = { error: 'invalid_grant', error_description: 'grant request is invalid' };

  it('shows no token to whoever comes second, not even a dead one (RFC 6749 §5.2)', async () => {
    const authorized = await scene.authorize(browser, app);
    const answers = await Promise.all(Array.from({ length: 4 }, async () => await redeem(authorized)));
    const lost = answers.filter(({ status }) => status !== 200);
    assert.ok(lost.length >= 3);
    for (const { status, body } of lost) assert.deepEqual([status, body], [400, refused]);
    for (const { body } of answers)
      if ('access_token' in body) assert.equal(await scene.me(String(body['access_token'])), 401);
  });

  it('says the same of a refresh token that is used twice at once', async () => {
    const { body } = await redeem(await scene.authorize(browser, app));
    const answers = await Promise.all([1, 2, 3].map(async () => await refresh(body['refresh_token'])));
    const lost = answers.filter(({ status }) => status !== 200);
    assert.ok(lost.length >= 2);
    for (const answer of lost) assert.deepEqual(answer, { status: 400, body: refused });
    for (const answer of answers) assert.equal((await refresh(answer.body['refresh_token'])).status, 400);
  });

  it('has used up what a request showed that then failed', async () => {
    const authorized = await scene.authorize(browser, app);
    const failed = await redeem(authorized, { resource: 'https://elsewhere.example/' });
    assert.deepEqual([failed.status, failed.body['error']], [400, 'invalid_target']);
    assert.deepEqual(await redeem(authorized), { status: 400, body: refused });
  });

  it('reads what hangs together under the one condition: each of it gone, nothing is issued', async () => {
    for (const model of ['Grant', 'Session']) {
      const { body } = await redeem(await scene.authorize(browser, app));
      const [row] = await scene.identity.admin(
        `DELETE FROM identity.provider_artifact p USING identity.provider_artifact t
          WHERE t.model = 'RefreshToken' AND t.id_hash = $1 AND p.model = $2
            AND (p.id_hash = t.grant_hash OR p.uid = t.payload->>'sessionUid') RETURNING p.model`,
        [secretHash(String(body['refresh_token'])), model],
      );
      assert.deepEqual(row, { model });
      assert.deepEqual(await refresh(body['refresh_token']), { status: 400, body: refused }, model);
    }
  });

  describe('writes in one statement', () => {
    const issue = async (over: object = {}, idHash?: Buffer) => {
      const { body } = await redeem(await scene.authorize(browser, app));
      const shown = secretHash(String(body['refresh_token']));
      const [row] = await scene.identity.admin(
        'SELECT grant_hash, account_id FROM identity.provider_artifact WHERE id_hash = $1',
        [shown],
      );
      const { grant_hash: grantHash, account_id: accountId } = row as { grant_hash: Buffer; account_id: string };
      const at = new Date();
      const token = {
        model: 'AccessToken',
        idHash: secretHash(newId()),
        clientId: app.clientId,
        grantHash,
        uid: null,
        payload: { kind: 'AccessToken' },
        createdAt: at,
        expiresAt: new Date(at.getTime() + 60_000),
      };
      const usedUp = { model: 'RefreshToken', idHash: idHash ?? shown, at };
      const issued = { usedUp, accountId, artifacts: [{ ...token, ...over }] };
      const { db } = scene.identity.context;
      const write = async () =>
        await db.unauditedWrite('all-organizations', 'a test', async (tx) => await insertIssued(tx, issued));
      return { accountId, first: await write(), write };
    };

    it('nothing when somebody else was faster', async () => {
      const { first, write } = await issue();
      assert.deepEqual(first, { isUsedUp: true, count: 1 });
      assert.deepEqual(await write(), { isUsedUp: false, count: 0 });
    });

    it('nothing for what does not exist, for another grant or another application', async () => {
      assert.deepEqual((await issue({}, secretHash('nothing'))).first, { isUsedUp: false, count: 0 });
      for (const over of [{ grantHash: secretHash('another') }, { clientId: 'another' }])
        assert.deepEqual((await issue(over)).first, { isUsedUp: true, count: 0 });
    });
  });
});
