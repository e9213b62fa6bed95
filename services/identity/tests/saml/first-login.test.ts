import assert from 'node:assert/strict';

import { Browser } from '../support/browser.ts';
import { SamlScene } from './scene.ts';

describe('SAML sign-on without a directory', () => {
  let scene: SamlScene;
  let id: string;

  before(async () => {
    scene = await SamlScene.start();
    id = (await scene.api('POST', '/connections', { name: 'No directory' })).body.id;
    await scene.api('PUT', `/connections/${id}/domains`, { domains: ['Example.org'] });
    await scene.person('00u1', 'ada@example.com'); // Of the other connection.
  });
  after(async () => {
    await scene.close();
  });

  const signIn = async (nameId: string, email: string): Promise<Response> => {
    const attributes = [
      ['email', [email]],
      ['displayName', ['Ada L.']],
    ] as const;
    return await scene.answer(await scene.begin(new Browser(), id), { nameId, attributes });
  };

  it('creates nobody unless told so', async () => {
    await scene.putFacet(id, {});
    await scene.isRefused(await signIn('p-1', 'first@example.org'), 'ACCOUNT_UNKNOWN');
  });

  it('creates nobody in a domain that the connection lists and nobody has proven', async () => {
    await scene.putFacet(id, { accountRule: { createOnFirstLogin: true } });
    await scene.isRefused(await signIn('p-1', 'first@example.org'), 'DOMAIN_NOT_OF_CONNECTION');
  });

  it('creates at the first login and knows the subject again, whatever its address becomes', async () => {
    await scene.prove(id, 'example.org');
    assert.equal((await signIn('p-1', 'first@example.org')).status, 303);
    assert.equal((await signIn('p-1', 'renamed@example.org')).status, 303);
    const rows = await scene.identity.admin('SELECT id FROM identity.account WHERE connection_id = $1', [id]);
    assert.equal(rows.length, 1);
  });

  it('never adopts an address somebody else has, nor takes one of another domain', async () => {
    await scene.isRefused(await signIn('p-2', 'first@example.org'), 'NAME_TAKEN');
    await scene.isRefused(await signIn('p-2', 'ada@example.com'), 'DOMAIN_NOT_OF_CONNECTION');
    await scene.api('PUT', `/connections/${id}/domains`, { domains: ['example.org', 'example.com'] });
    await scene.prove(id, 'example.com');
    await scene.isRefused(await signIn('p-2', 'ada@example.com'), 'NAME_TAKEN');
    await scene.isRefused(await signIn('p-2', 'OWNER@example.com'), 'NAME_TAKEN');
  });

  it('makes nobody of what is no address, or looks like another one', async () => {
    const addresses = ['@example.org', 'a@b@example.org', 'a b@example.org', 'a\tb@example.org', ' a@example.org'];
    const unseen = ['\u202e', '\u200b', '\u200d', '\u00ad', '\ufeff'].map((character) => `a${character}b@example.org`);
    const long = `${'a'.repeat(250)}@example.org`;
    for (const email of [...addresses, ...unseen, long])
      await scene.isRefused(await signIn(`p-${email.length}`, email), 'IDENTIFIER_MISSING');
  });

  it('makes nobody anew whom the directory of another connection has removed', async () => {
    const gone = await scene.person('00u-gone', 'gone@example.org');
    assert.equal((await scene.directory.scim('DELETE', `/Users/${gone}`)).status, 204);
    await scene.isRefused(await signIn('p-gone', 'Gone@example.org'), 'ACCOUNT_INACTIVE');
  });

  it('leaves out a display name that is none', async () => {
    for (const [at, displayName] of ['Eve\u202eadA', 'E'.repeat(1_025)].entries()) {
      const email = `shown-${at}@example.org`;
      const attributes = [
        ['email', [email]],
        ['displayName', [displayName]],
      ] as const;
      const answer = await scene.answer(await scene.begin(new Browser(), id), { nameId: email, attributes });
      assert.equal(answer.status, 303);
      const [made] = await scene.identity.admin<{ display_name: string }>(
        'SELECT display_name FROM identity.account WHERE user_name = $1',
        [email],
      );
      assert.equal(made?.display_name, email);
    }
  });

  describe('at the same moment', () => {
    const countOf = async (table: string): Promise<number> =>
      (await scene.identity.admin(`SELECT FROM identity.${table} WHERE connection_id = $1`, [id])).length;
    const signInTogether = async (people: readonly string[], groupsOf: (at: number) => readonly string[]) => {
      await scene.putFacet(id, { accountRule: { createOnFirstLogin: true, groupsAttribute: 'groups' } });
      const started = await Promise.all(people.map(async () => await scene.begin(new Browser(), id)));
      const answers = await Promise.all(
        started.map(async (one, at) => {
          const nameId = people[at] ?? '';
          const attributes = [
            ['email', [`${nameId}@example.org`]],
            ['groups', groupsOf(at)],
          ] as const;
          return await scene.answer(one, { nameId, attributes, assertionId: `_together-${nameId}-${at}` });
        }),
      );
      return answers.map(({ status }) => status);
    };

    it('makes somebody once who signs in in several windows', async () => {
      const before = await countOf('account');
      const statuses = await signInTogether(['twice', 'twice', 'twice'], () => []);
      assert.deepEqual([statuses, (await countOf('account')) - before], [[303, 303, 303], 1]);
    });

    it('makes a group once that many are the first of, in whatever order they name it', async () => {
      const before = await countOf('directory_group');
      const groups = Array.from({ length: 8 }, (_, at) => `Together ${at}`);
      const people = Array.from({ length: 6 }, (_, at) => `member-${at}`);
      const statuses = await signInTogether(people, (at) => (at % 2 === 0 ? groups : groups.toReversed()));
      assert.deepEqual(
        statuses,
        people.map(() => 303),
      );
      assert.equal((await countOf('directory_group')) - before, groups.length);
    });
  });

  it('lets nobody back in who was closed out', async () => {
    const [row] = await scene.identity.admin<{ id: string }>(
      'SELECT id FROM identity.account WHERE connection_id = $1 ORDER BY id',
      [id],
    );
    assert.equal((await scene.api('POST', `/accounts/${row?.id}/deactivate`, { reason: 'left' })).status, 200);
    await scene.isRefused(await signIn('p-1', 'first@example.org'), 'ACCOUNT_INACTIVE');
  });
});
