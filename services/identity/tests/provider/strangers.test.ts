import assert from 'node:assert/strict';

import { strangerRules } from '../../src/throttle/index.ts';
import { sweepArtifacts } from '../../src/provider/index.ts';
import { Browser } from '../support/browser.ts';
import { ProviderScene, type Application } from './scene.ts';

/** Each request of somebody nobody knows leaves a row. */
describe('What strangers leave at the OpenID Provider', () => {
  let scene: ProviderScene;
  let app: Application;
  let open: Application;

  before(async () => {
    scene = await ProviderScene.start();
    app = await scene.register();
    open = await scene.register({ kind: 'public' });
    await scene.person('ada');
  });
  after(async () => {
    await scene.close();
  });
  beforeEach(async () => {
    await scene.identity.admin('DELETE FROM identity.login_throttle');
    await scene.identity.admin(`DELETE FROM identity.provider_artifact WHERE account_id IS NULL`);
  });

  const authorize = async (browser: Browser): Promise<Response> =>
    await browser.open((await scene.request(app)).url.href);
  const push = async (who: Application): Promise<Response> => {
    const { url } = await scene.request(who);
    const body = url.searchParams;
    if (who === open) return await fetch(`${scene.issuer}/request`, { method: 'POST', body });
    return await scene.form('/oidc/request', who, Object.fromEntries(body));
  };
  const signOut = async (): Promise<Response> => await new Browser().open(`${scene.issuer}/session/end`);

  const kept = async (): Promise<Record<string, unknown>[]> =>
    await scene.identity.admin(
      'SELECT model, count(*)::int AS count FROM identity.provider_artifact WHERE account_id IS NULL GROUP BY model ORDER BY model',
    );
  /** All but so many of what an address may leave has been left. */
  const leave = async (left: number): Promise<void> => {
    await authorize(new Browser());
    const [rule] = strangerRules('');
    await scene.identity.admin('UPDATE identity.login_throttle SET failures = $1', [(rule?.limit ?? 0) - left]);
  };

  it('is bounded for each address: requests to sign in, pushed ones, and sessions of nobody', async () => {
    const browser = await scene.signIn('ada');
    await leave(3);
    assert.match((await authorize(new Browser())).headers.get('location') ?? '', /^\/login\/interaction\//);
    assert.equal((await push(open)).status, 201);
    assert.equal((await signOut()).status, 200);
    const full = await kept();

    const refused = await authorize(new Browser());
    assert.match(refused.headers.get('location') ?? '', /[?&]error=temporarily_unavailable&/);
    const pushed = await push(open);
    assert.deepEqual(
      [pushed.status, ((await pushed.json()) as Record<string, unknown>)['error']],
      [429, 'temporarily_unavailable'],
    );
    assert.equal((await signOut()).status, 429);
    assert.deepEqual(await kept(), full);

    // Whoever is known goes on.
    assert.equal((await push(app)).status, 201);
    await scene.tokens(browser, app);
  });

  it('goes when it expires, not with what is kept to recognise a second use', async () => {
    const browser = await scene.signIn('ada');
    await scene.tokens(browser, app);
    await authorize(new Browser());
    await push(app);
    await signOut();
    const { db, clock } = scene.identity.context;
    const after = (minutes: number): Date => new Date(clock.now().getTime() + minutes * 60_000);
    await sweepArtifacts(db, after(0));
    assert.equal((await kept()).length, 3);
    await sweepArtifacts(db, after(11));
    assert.deepEqual(await kept(), []);
    const used = await scene.identity.admin(
      `SELECT FROM identity.provider_artifact WHERE model = 'AuthorizationCode' AND consumed_at IS NOT NULL`,
    );
    assert.ok(used.length > 0);
  });
});
