import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { newId, secretHash, type ReadTx, type Statement, type WriteTx } from '@sallyport/storage';

import { carryOver } from '../../src/provider/index.ts';
import { TokenFlights } from '../../src/provider/token-flights.ts';
import { MAX_TOKEN_FAILURES } from '../../src/throttle/failure-limiter.ts';
import { findTogether, insertIssued, insertIssuedTogether, type Issued } from '../../src/provider/token-store.ts';
import type { Browser } from '../support/browser.ts';
import { ProviderScene, REDIRECT_URI, type Application, type Authorized } from './scene.ts';

type Fields = Readonly<Record<string, unknown>>;

const WAITING = `SELECT count(*)::int AS waiting FROM pg_stat_activity
  WHERE wait_event_type = 'Lock' AND datname = current_database()`;

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

  it('refuses no application for tokens that have ended, as many as there may be: those are no guesses', async () => {
    for (let count = 0; count < MAX_TOKEN_FAILURES; count += 1)
      assert.equal((await refresh(`ended-${String(count)}`)).status, 400);
    assert.equal((await redeem(await scene.authorize(browser, app))).status, 200);
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

  const ALL = 'all-organizations';

  it('looks at what a token hangs on and at nothing else, however many sessions there are', async () => {
    let text = '';
    const spy = { query: async (sql: Statement) => await Promise.resolve(((text = sql.text), [])) };
    await findTogether(spy as unknown as ReadTx, [], new Date());
    const plan = await scene.identity.context.db.readAcrossOrganizations('a test', async (tx) => {
      // As a statement by key is planned.
      for (const scan of ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'material'])
        await tx.query(`SET LOCAL enable_${scan} = off`);
      await tx.query(`SET LOCAL plan_cache_mode = force_generic_plan`);
      await tx.query(`PREPARE together AS ${text}`);
      return await tx.query<Record<string, string>>(`EXPLAIN EXECUTE together (now(), '{}', '{}', '{}')`);
    });
    const lines = plan.map((row) => String(row['QUERY PLAN']));
    const reached = (model: string): string[] =>
      lines.filter((line) => line.includes('Index Cond') && line.includes(`'${model}'::text`));
    assert.match(reached('Session').join('\n'), /^ *Index Cond: .*\buid = [^\n]*$/, lines.join('\n'));
    assert.match(reached('Grant').join('\n'), /^ *Index Cond: .*\bid_hash = [^\n]*$/, lines.join('\n'));
  });

  /** What a live refresh token would be used up for. */
  const toIssue = async (over: object = {}, idHash?: Buffer): Promise<Issued> => {
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
      payload: { kind: 'AccessToken' },
      expiresAt: new Date(at.getTime() + 60_000),
    };
    const usedUp = { model: 'RefreshToken', idHash: idHash ?? shown, at };
    return { usedUp, accountId, artifacts: [{ ...token, ...over }] };
  };
  /** The same token used up once more, for another access token. */
  const again = (issued: Issued): Issued => ({
    ...issued,
    artifacts: issued.artifacts.map((each) => ({ ...each, idHash: secretHash(newId()) })),
  });
  const written = async ({ artifacts }: Issued): Promise<number> => {
    const hashes = artifacts.map(({ idHash }) => idHash);
    const rows = await scene.identity.admin('SELECT FROM identity.provider_artifact WHERE id_hash = ANY($1)', [hashes]);
    return rows.length;
  };

  describe('writes in one statement', () => {
    const write = async (issued: Issued) =>
      await scene.identity.context.db.unauditedWrite(ALL, 'a test', async (tx) => await insertIssued(tx, issued));

    it('nothing when somebody else was faster', async () => {
      const issued = await toIssue();
      assert.deepEqual(await write(issued), { isUsedUp: true, count: 1 });
      assert.deepEqual(await write(again(issued)), { isUsedUp: false, count: 0 });
    });

    it('nothing for what does not exist, for another grant or another application', async () => {
      assert.deepEqual(await write(await toIssue({}, secretHash('nothing'))), { isUsedUp: false, count: 0 });
      for (const over of [{ grantHash: secretHash('another') }, { clientId: 'another' }])
        assert.deepEqual(await write(await toIssue(over)), { isUsedUp: true, count: 0 });
    });

    it('and has hold of nothing while it waits for whoever ends the access of that account', async () => {
      const issued = await toIssue();
      let writing: Promise<unknown> | undefined;
      await scene.identity.context.db.unauditedWrite(ALL, 'a test', async (tx) => {
        await tx.query('SELECT FROM account WHERE id = $1 FOR UPDATE', [issued.accountId]);
        writing = write(issued);
        await waitFor(async () => (await scene.identity.admin(WAITING))[0]?.['waiting'] !== 0, {
          message: 'nobody waits for the account',
        });
        // In the other order the two would wait for each other here.
        await tx.query('DELETE FROM provider_artifact WHERE model = $1 AND id_hash = $2', [
          issued.usedUp.model,
          issued.usedUp.idHash,
        ]);
      });
      assert.deepEqual(await writing, { isUsedUp: false, count: 0 });
      assert.equal(await written(issued), 0);
    });
  });

  it('issues for the session that takes the place of another, whichever of the two comes first', async () => {
    const { db } = scene.identity.context;
    const inTransaction = async (work: (tx: WriteTx) => Promise<unknown>): Promise<void> => {
      await db.unauditedWrite(ALL, 'a test', async (tx) => {
        await work(tx);
      });
    };
    for (const isIssuedFirst of [true, false]) {
      const issued = await toIssue();
      const [owner] = await scene.identity.admin(
        'SELECT org_id, browser_session_id FROM identity.provider_artifact WHERE id_hash = $1',
        [issued.usedUp.idHash],
      );
      const { org_id: orgId, browser_session_id: from } = owner as { org_id: string; browser_session_id: string };
      const [key, to] = [{ orgId, accountId: issued.accountId }, newId()];
      const issue = async (tx: WriteTx) => await insertIssued(tx, issued);
      const carry = async (tx: WriteTx) => {
        await carryOver(tx, { ...key, from, to });
      };
      const [first, second] = isIssuedFirst ? [issue, carry] : [carry, issue];
      let following: Promise<void> | undefined;
      await inTransaction(async (tx) => {
        await first(tx);
        following = inTransaction(second);
        await waitFor(async () => (await scene.identity.admin(WAITING))[0]?.['waiting'] !== 0, {
          message: 'the second waits for the first',
        });
      });
      await following;
      const left = await scene.identity.admin(
        `SELECT model FROM identity.provider_artifact WHERE browser_session_id = $1`,
        [from],
      );
      assert.deepEqual([left, await written(issued)], [[], 1], `issued first: ${isIssuedFirst}`);
      await inTransaction(async (tx) => {
        await carryOver(tx, { ...key, from: to, to: from });
      });
    }
  });

  describe('for requests that come side by side', () => {
    const write = async (all: readonly Issued[]) =>
      await scene.identity.context.db.unauditedWrite(ALL, 'a test', async (tx) => await insertIssuedTogether(tx, all));
    const flights = (): TokenFlights => new TokenFlights(scene.identity.context);

    it('judges each as if it had come alone', async () => {
      const [good, used, elsewhere, second] = [
        await toIssue(),
        await toIssue(),
        await toIssue({ clientId: 'another' }),
        await toIssue(),
      ];
      await write([used]);
      const all = [again(used), good, elsewhere, await toIssue({}, secretHash('nothing')), second];
      assert.deepEqual(await write(all), [
        null,
        { isUsedUp: true, count: 1 },
        { isUsedUp: true, count: 0 },
        null,
        { isUsedUp: true, count: 1 },
      ]);
      assert.deepEqual(await Promise.all(all.map(written)), [0, 1, 0, 0, 1]);
    });

    it('uses up once what two of them show', async () => {
      const issued = await toIssue();
      const both = [issued, again(issued)];
      assert.equal((await write(both)).filter((result) => result !== null).length, 1);
      const counts = await Promise.all(both.map(written));
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        1,
      );
    });

    it('passes over what somebody has hold of, and does the others', async () => {
      const [held, locked, free] = [await toIssue(), await toIssue(), await toIssue()];
      await scene.identity.context.db.unauditedWrite(ALL, 'a test', async (tx) => {
        await tx.query('SELECT FROM provider_artifact WHERE model = $1 AND id_hash = $2 FOR UPDATE', [
          held.usedUp.model,
          held.usedUp.idHash,
        ]);
        assert.deepEqual(await write([held, free]), [null, { isUsedUp: true, count: 1 }]);
        await tx.query('SELECT FROM account WHERE id = $1 FOR UPDATE', [locked.accountId]);
        assert.deepEqual(await write([locked]), [null]);
      });
      assert.deepEqual(await write([held, locked]), [
        { isUsedUp: true, count: 1 },
        { isUsedUp: true, count: 1 },
      ]);
    });

    it('keeps nobody waiting for one that waits, alone as it may have come', async () => {
      const [held, free] = [await toIssue(), await toIssue()];
      const { issue } = flights();
      let waiting: Promise<unknown> | undefined;
      await scene.identity.context.db.unauditedWrite(ALL, 'a test', async (tx) => {
        await tx.query('SELECT FROM provider_artifact WHERE model = $1 AND id_hash = $2 FOR UPDATE', [
          held.usedUp.model,
          held.usedUp.idHash,
        ]);
        waiting = issue(held);
        await waitFor(async () => (await scene.identity.admin(WAITING))[0]?.['waiting'] !== 0, {
          message: 'one waits',
        });
        assert.deepEqual(await issue(free), { isUsedUp: true, count: 1 });
      });
      assert.deepEqual(await waiting, { isUsedUp: true, count: 1 });
    });

    it('does the others when one of them cannot be written', async () => {
      const [good, broken] = [await toIssue(), await toIssue({ payload: { text: String.fromCodePoint(0) } })];
      const { issue } = flights();
      // The first two go at once; what comes behind them goes together.
      const first = [await toIssue(), await toIssue()].map(async (each) => await issue(each));
      const [ok, failed] = await Promise.allSettled([issue(good), issue(broken)]);
      assert.deepEqual(ok, { status: 'fulfilled', value: { isUsedUp: true, count: 1 } });
      assert.equal(failed.status, 'rejected');
      for (const each of await Promise.all(first)) assert.deepEqual(each, { isUsedUp: true, count: 1 });
    });

    it('finds each what it hangs on, and never what is of another', async () => {
      const all = [await toIssue(), await toIssue(), await toIssue()];
      const flying = flights();
      const { clientId } = app;
      const keys = [
        ...all.map(({ usedUp }) => ({ ...usedUp, clientId })),
        { model: 'RefreshToken', idHash: secretHash('nothing'), clientId: 'nobody' },
      ];
      const found = await Promise.all(keys.map(async (key) => await flying.findTogether(key)));
      assert.deepEqual(
        found.map(({ grant }) => grant?.idHash ?? null),
        [...all.map(({ artifacts }) => artifacts[0]?.grantHash), null],
      );
      assert.deepEqual(
        found.map(({ artifact, session }) => artifact?.payload['sessionUid'] === session?.uid),
        [true, true, true, true],
      );
      assert.deepEqual(
        found.map(({ client }) => client?.id),
        [clientId, clientId, clientId, undefined],
      );
      const nothing = { client: undefined, artifact: null, grant: null, session: null, subject: null };
      assert.deepEqual(found.at(-1), nothing);
    });
  });
});
