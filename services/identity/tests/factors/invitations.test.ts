import assert from 'node:assert/strict';

import { apiClient, newDirectory, USER_URN, type Client } from '../support/http.ts';
import { Browser } from '../support/browser.ts';
import { startIdentity, newOrganization } from '../support/identity.ts';
import { Scene } from './scene.ts';

const HOUR_MS = 3_600_000;
const PASSWORD = 'vogelnest umbrella tractor';

describe('invitations into local accounts', () => {
  let scene: Scene;
  let api: Client;
  let guests = 0;

  before(async () => {
    scene = await Scene.open();
    api = apiClient(scene.identity, scene.organization);
  });
  beforeEach(async () => {
    await scene.reset();
    await scene.identity.admin('DELETE FROM identity.invitation');
  });
  after(() => scene.close());

  const nextEmail = (): string => {
    guests += 1;
    return `guest-${String(guests)}@example.com`;
  };
  const invited = async (email = nextEmail()): Promise<{ id: string; email: string; token: string }> => {
    const { status, body } = await api('POST', '/invitations', { email, displayName: 'Gus Test' });
    assert.equal(status, 201, JSON.stringify(body));
    return { id: body.id, email, token: await scene.mailedSecret('sp_inv_', email) };
  };
  const accept = async (token: string, password = PASSWORD): Promise<Response> =>
    await scene.form(new Browser(), '/login/invitation', { token, password });

  it('become an account with the password its guest chose, who signs in the usual way', async () => {
    const { id, email, token } = await invited();
    const page = await (await new Browser().open(`${scene.origin}/login/invitation`)).text();
    assert.match(page, /<script src="\/login\/link\.js" defer><\/script>/);
    assert.equal((await accept(token)).status, 200);
    const browser = await scene.signedIn({ email, password: PASSWORD });
    const me = await scene.me(browser);
    assert.equal(me?.['displayName'], 'Gus Test');
    const [listed] = (await api('GET', '/invitations')).body.items;
    assert.deepEqual([listed?.id, listed?.status, listed?.['accountId']], [id, 'accepted', me?.['subjectId']]);
    for (const action of ['invitation.created', 'invitation.accepted'])
      assert.equal((await scene.entries(action)).length, 1, action);
  });

  it('keep their secret to the mail: in no answer, in no table, in no log', async () => {
    const { id, token } = await invited();
    const dump = JSON.stringify([
      (await api('GET', '/invitations')).body,
      await scene.identity.admin(`SELECT i::text FROM identity.invitation i WHERE id = $1`, [id]),
      await scene.identity.admin(`SELECT convert_from(leaf, 'UTF8') AS leaf FROM identity.audit_entry`),
    ]);
    assert.ok(dump.includes(id) && !dump.includes(token));
  });

  it('work once, also when they are accepted many times at once', async () => {
    const { token } = await invited();
    const statuses = (await Promise.all(Array.from({ length: 4 }, () => accept(token)))).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 1, statuses.join());
    assert.equal((await accept(token)).status, 403);
  });

  it('are too old after 72 hours, and can then be sent anew', async () => {
    const { email, token } = await invited();
    scene.clock.advance(72 * HOUR_MS);
    assert.equal((await accept(token)).status, 403);
    assert.equal((await api('GET', '/invitations')).body.items[0]?.status, 'expired');
    const { token: next } = await invited(email);
    assert.equal((await accept(next)).status, 200);
  });

  it('are taken back', async () => {
    const { id, token } = await invited();
    assert.equal((await api('DELETE', `/invitations/${id}`)).status, 204);
    assert.equal((await api('DELETE', `/invitations/${id}`)).status, 404);
    assert.equal((await accept(token)).status, 403);
    assert.equal((await scene.entries('invitation.revoked')).length, 1);
  });

  it('are not used up by a password that is not good enough, which is said beside the field', async () => {
    const { email, token } = await invited();
    for (const password of ['short', 'password1234567', email]) {
      const answer = await accept(token, password);
      assert.equal(answer.status, 400);
      const page = await answer.text();
      assert.match(page, /aria-describedby="password-hint password-problem"/);
      assert.ok(page.includes(`name="token" value="${token}"`));
    }
    assert.equal((await accept(token)).status, 200);
  });

  it('are refused for whoever is there, whoever is invited, and what is no address', async () => {
    const { email } = await invited();
    assert.equal((await api('POST', '/invitations', { email: email.toUpperCase() })).status, 409);
    assert.equal((await api('POST', '/invitations', { email: 'Owner@example.com' })).status, 409);
    for (const wrong of ['nobody', 'a@b, c@d', 'a@b.example\r\nBcc: c@d.example', 'Gus <gus@example.com>'])
      assert.equal((await api('POST', '/invitations', { email: wrong })).status, 400, wrong);
  });

  it('make no second account of a name somebody has by then', async () => {
    const { email, token } = await invited();
    await scene.newLocalAccount(email);
    const answer = await accept(token);
    assert.equal(answer.status, 409);
    assert.doesNotMatch(await answer.text(), /account of this organisation|goes by/);
  });

  it('bring nobody back whom a directory has removed, sent before or after; that is for directories', async () => {
    const { connectionId, scim } = await newDirectory(scene.identity, scene.organization);
    const came = async (email: string): Promise<string> => {
      const user = {
        schemas: [USER_URN],
        userName: nextEmail(),
        emails: [{ value: email, primary: true }],
        active: true,
      };
      const made = await scim('POST', '/Users', user);
      assert.equal(made.status, 201, JSON.stringify(made.body));
      return made.body.id;
    };
    const { email, token } = await invited();
    assert.equal((await scim('DELETE', `/Users/${await came(email)}`)).status, 204);
    assert.equal((await accept(token)).status, 403);
    assert.equal((await api('POST', '/invitations', { email: email.toUpperCase() })).status, 409);
    await scene.identity.admin(`DELETE FROM identity.invitation`);
    assert.equal((await api('POST', '/invitations', { email })).status, 409);
    // A directory that is gone brings nobody back.
    assert.equal((await api('DELETE', `/connections/${connectionId}`)).status, 204);
    assert.equal((await accept((await invited(email)).token)).status, 200);
  });

  it('are nothing while local accounts are switched off, sent or not', async () => {
    const { token } = await invited();
    await scene.setRules({ localAccountsEnabled: false });
    assert.equal((await api('POST', '/invitations', { email: nextEmail() })).status, 409);
    assert.equal((await accept(token)).status, 403);
  });

  it('need the right to manage accounts, and are those of one organisation', async () => {
    const { id } = await invited();
    const other = apiClient(scene.identity, await newOrganization(scene.identity));
    assert.equal((await other('DELETE', `/invitations/${id}`)).status, 404);
    assert.deepEqual((await other('GET', '/invitations')).body.items, []);
    scene.identity.denied.add('account:manage');
    assert.equal((await api('POST', '/invitations', { email: nextEmail() })).status, 403);
    assert.equal((await api('DELETE', `/invitations/${id}`)).status, 403);
    scene.identity.denied.clear();
  });

  it('are refused from a page of another site (login CSRF)', async () => {
    const { token } = await invited();
    const answer = await new Browser().post(
      `${scene.origin}/login/invitation`,
      { token, password: PASSWORD },
      'https://evil.example',
    );
    assert.equal(answer.status, 403);
    assert.equal((await accept(token)).status, 200);
  });

  it('are told to be impossible where no mail is set up', async () => {
    const bare = await startIdentity();
    const bareApi = apiClient(bare, await newOrganization(bare));
    assert.equal((await bareApi('POST', '/invitations', { email: nextEmail() })).status, 409);
    await bare.close();
  });
});
