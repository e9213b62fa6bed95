import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import pg from 'pg';

import { encoded, responseText } from './idp.ts';
import { SamlScene } from './scene.ts';

describe('a SAML response that opened no session', () => {
  let scene: SamlScene;
  let personId: string;
  before(async () => {
    scene = await SamlScene.start();
    personId = await scene.person('00u1', 'ada@example.com');
  });
  after(async () => {
    await scene.close();
  });

  it('is used up as well: where the account was refused', async () => {
    const started = await scene.begin();
    const message = encoded(responseText(scene.response(started.requestId, { nameId: 'nobody' })));
    await scene.isRefused(await scene.post(started.browser, message, started.relayState), 'ACCOUNT_UNKNOWN');
    await scene.isRefused(await scene.post(started.browser, message, started.relayState), 'REQUEST_CONSUMED');
  });

  it('is used up as well: where the account was closed between our look and our write', async () => {
    const started = await scene.begin();
    const message = encoded(responseText(scene.response(started.requestId)));
    const closing = new pg.Client({ connectionString: scene.identity.database.adminUrl });
    await closing.connect();
    await closing.query('BEGIN');
    await closing.query(
      `UPDATE identity.account SET status = 'inactive', directory_active = false, epoch = epoch + 1 WHERE id = $1`,
      [personId],
    );
    const answer = scene.post(started.browser, message, started.relayState);
    await waitFor(
      async () => {
        const [row] = await scene.identity.admin<{ count: string }>(
          `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%account%FOR SHARE%'`,
        );
        return row?.count === '1';
      },
      { message: 'the login to wait for the account' },
    );
    await closing.query('COMMIT');
    await closing.end();
    await scene.isRefused(await answer, 'ACCOUNT_INACTIVE');
    assert.equal(await scene.sessions(), 0);
    const [used] = await scene.identity.admin<{ n: number }>(
      'SELECT count(*)::int AS n FROM identity.consumed_assertion',
    );
    assert.equal(used?.n, 2);
    await scene.isRefused(await scene.post(started.browser, message, started.relayState), 'REQUEST_CONSUMED');
  });
});
