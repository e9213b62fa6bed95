import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { type ChangeContent, contentText } from '../src/changes/content.ts';
import { act, arrange, ok, PROJECT, requestToggle, type Scenario, stateIn } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { Organization, Person, World } from './support/world.ts';

const DENIED = '42501';

/** The database holds the last word: what follows is what a hole in the service, or its stolen password, could try. */
describe('flag state, against SQL as the service role', () => {
  let world: World;
  let org: Organization;
  let scene: Scenario;

  const opened = organizationForEachTest();
  beforeEach(async () => {
    ({ world, org } = opened());
    scene = await arrange(org);
  });

  const sql = async (text: string, params: unknown[] = []): Promise<Record<string, unknown>[]> =>
    await world.asService(org.id, text, params);

  const refuses = async (code: string, text: string, params: unknown[] = []): Promise<void> => {
    const error: unknown = await sql(text, params).then(
      () => assert.fail(`accepted: ${text}`),
      (reason: unknown) => reason,
    );
    assert.equal((error as { code?: string }).code, code, `${text}: ${String(error)}`);
  };

  const tables = ['flag', 'flag_version', 'flag_environment', 'flag_environment_version'];
  for (const table of tables)
    it(`refuses INSERT, UPDATE, DELETE, TRUNCATE and locks on ${table}`, async () => {
      await refuses(DENIED, `INSERT INTO ${table} SELECT * FROM ${table}`);
      await refuses(DENIED, `UPDATE ${table} SET org_id = org_id`);
      await refuses(DENIED, `DELETE FROM ${table}`);
      await refuses(DENIED, `TRUNCATE ${table} CASCADE`);
      await refuses(
        DENIED,
        `MERGE INTO ${table} t USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES`,
      );
      await refuses(DENIED, `COPY ${table} FROM PROGRAM 'true'`);
      await refuses(DENIED, `SELECT FROM ${table} FOR UPDATE`);
    });

  it('refuses to make itself more than it is', async () => {
    await refuses(DENIED, 'SET ROLE sallyport_owner');
    await refuses(DENIED, 'ALTER TABLE flag DISABLE TRIGGER ALL');
    await refuses(DENIED, 'DROP TRIGGER environment_protection_only_rises ON environment');
    await refuses(
      DENIED,
      'CREATE OR REPLACE FUNCTION flags.sallyport_org() RETURNS uuid LANGUAGE sql AS $$ SELECT NULL::uuid $$',
    );
    // PostgreSQL only warns that nothing was granted.
    await sql('GRANT UPDATE ON flag TO sallyport_flags');
    await refuses(DENIED, 'UPDATE flag SET key = key');
    await refuses(DENIED, 'SET session_replication_role = replica');
  });

  it('refuses the functions that write without checking', async () => {
    const id = newId();
    await refuses(DENIED, `SELECT write_definition($1, $1, '{}', $1, now())`, [id]);
    await refuses(DENIED, `SELECT write_configuration($1, $1, $1, '{}', $1, now())`, [id]);
    await refuses(DENIED, `SELECT apply_operation($1, $1, '{}', $1, now())`, [id]);
  });

  it('refuses to lower the protection of an environment, or to touch its tier and versions', async () => {
    await refuses('FLPRT', `UPDATE environment SET protected = false, required_approvals = 0 WHERE key = 'production'`);
    await refuses('FLPRT', `UPDATE environment SET required_approvals = 0 WHERE key = 'production'`);
    await refuses(DENIED, `UPDATE environment SET tier = 'non-production'`);
    await refuses(DENIED, `UPDATE environment SET version = 7`);
    await refuses(DENIED, `UPDATE environment SET rule_version = 7`);
    await refuses(DENIED, `DELETE FROM environment`);
  });

  it('refuses to write reviews, or to rewrite revisions and authors', async () => {
    const change = await requestToggle(scene.releaseManager);
    await refuses(DENIED, 'INSERT INTO change_review SELECT * FROM change_review');
    await refuses(DENIED, `UPDATE change_review SET verdict = 'approve'`);
    await refuses(DENIED, 'DELETE FROM change_review');
    await refuses(DENIED, `UPDATE change_revision SET content = 'x'`);
    await refuses(DENIED, `UPDATE change_request SET author_id = $1`, [newId()]);
    await refuses(DENIED, `UPDATE change_request SET state = 'approved' WHERE change_id = $1`, [change.id]);
    await refuses(DENIED, `UPDATE change_request SET state = 'applied' WHERE change_id = $1`, [change.id]);
    await refuses(DENIED, `UPDATE change_request SET revision = 0 WHERE change_id = $1`, [change.id]);
    // The hash of a revision is computed, never stated.
    await refuses('428C9', `INSERT INTO change_revision (content_hash) VALUES ('x')`);
  });

  const apply = (change: { id: string; hash: string }, confirmed: unknown = null): [string, unknown[]] => [
    'SELECT apply_change($1, $2, $3, $4, $5, now())',
    [
      org.id,
      change.id,
      Buffer.from(change.hash, 'hex'),
      newId(),
      confirmed === null ? null : JSON.stringify(confirmed),
    ],
  ];

  const review = (change: { id: string; hash: string }, reviewer: Person): [string, unknown[]] => [
    'SELECT record_review($1, $2, $3, $4, now())',
    [
      org.id,
      change.id,
      Buffer.from(change.hash, 'hex'),
      JSON.stringify({
        reviewerId: reviewer.id,
        reviewerType: 'user',
        verdict: 'approve',
        environments: [],
        comment: '',
      }),
    ],
  ];

  it('applies nothing to a protected environment without approvals', async () => {
    const change = await requestToggle(scene.releaseManager);
    await refuses('FLAPR', ...apply(change));
    await refuses('FLAPR', ...apply(change, [{ reviewer: scene.approver.id, environment: newId() }]));
    assert.equal(await stateIn(scene.owner, 'production'), 'DISABLED');
  });

  it('applies nothing but the hash that was approved', async () => {
    const change = await requestToggle(scene.releaseManager);
    ok(await act(scene.approver, change.id, 'approve', { hash: change.hash }), 200);
    await refuses('FLHSH', ...apply({ ...change, hash: '00'.repeat(32) }));
    await refuses('FLHSH', ...review({ ...change, hash: '00'.repeat(32) }, scene.approver));
  });

  it('counts no approval of the author, and none for another environment', async () => {
    const change = await requestToggle(scene.releaseManager);
    await refuses('FLSLF', ...review(change, scene.releaseManager));
    // A review for no environment is stored, and counts nowhere.
    await sql(...review(change, scene.approver));
    await refuses('FLAPR', ...apply(change));
  });

  it('counts no approval of somebody who wrote a revision, even where one is on the table', async () => {
    const change = await requestToggle(scene.releaseManager);
    const path = `${PROJECT}/changes/${change.id}`;
    const edit = { kind: 'set-state', flag: 'checkout', environment: 'production', state: 'ENABLED' };
    const { hash } = ok(await scene.approver.call('PATCH', path, { changes: [edit] }), 200).body;
    for (const writer of [scene.releaseManager, scene.approver])
      await world.asAdmin(
        org.id,
        `INSERT INTO change_review (org_id, change_id, revision, reviewer_id, reviewer_type, content_hash, verdict,
                                    environments, comment, created_at)
           SELECT $1, $2, 2, $3, 'user', $4, 'approve', array_agg(environment_id), '', now() FROM environment`,
        [org.id, change.id, writer.id, Buffer.from(hash, 'hex')],
      );
    await refuses('FLAPR', ...apply({ id: change.id, hash }));
  });

  it('counts an approval only while it is confirmed', async () => {
    const change = await requestToggle(scene.releaseManager);
    ok(await act(scene.approver, change.id, 'approve', { hash: change.hash }), 200);
    await refuses('FLAPR', ...apply(change, []));
  });

  it('applies a change once', async () => {
    const change = await requestToggle(scene.releaseManager);
    ok(await act(scene.approver, change.id, 'approve', { hash: change.hash }), 200);
    ok(await act(scene.releaseManager, change.id, 'apply'), 200);
    await refuses('FLSTA', ...apply(change));
    await refuses('FLSTA', `UPDATE change_request SET state = 'in_review' WHERE change_id = $1`, [change.id]);
  });

  it('takes no review of a request that is stale', async () => {
    const change = await requestToggle(scene.releaseManager);
    await sql(`UPDATE change_request SET state = 'stale' WHERE change_id = $1`, [change.id]);
    await refuses('FLSTA', ...review(change, scene.approver));
    await refuses('FLSTA', ...apply(change));
  });

  it('refuses another organisation, also when it is named', async () => {
    const change = await requestToggle(scene.releaseManager);
    const other = await world.organization();
    const [text, params] = apply(change);
    const error: unknown = await world.asService(other.id, text, params).catch((reason: unknown) => reason);
    assert.equal((error as { code?: string }).code, DENIED);
    assert.deepEqual(await world.asService(other.id, 'SELECT * FROM flag'), []);
  });

  describe('with change sets of its own making', () => {
    /** Stores content as a change request, the way the service does, and tries to apply it. */
    const smuggle = async (edit: (content: ChangeContent) => object): Promise<[string, unknown[]]> => {
      const { content } = ok(
        await scene.releaseManager.call('GET', `${PROJECT}/changes/${(await requestToggle(scene.releaseManager)).id}`),
        200,
      ).body;
      const changeId = newId();
      const forged = Buffer.from(contentText(edit(content as unknown as ChangeContent) as ChangeContent));
      await sql(
        `INSERT INTO change_request (org_id, change_id, project_id, title, description, direct, author_type, author_id,
           created_at, updated_at) VALUES ($1, $2, $3, '', '', true, 'user', $4, now(), now())`,
        [org.id, changeId, content['project'], newId()],
      );
      const [row] = await sql(
        `INSERT INTO change_revision (org_id, change_id, revision, content, author_type, author_id, created_at)
           VALUES ($1, $2, 1, $3, 'user', $4, now()) RETURNING encode(content_hash, 'hex') AS hash`,
        [org.id, changeId, forged, newId()],
      );
      return apply({ id: changeId, hash: String(row?.['hash']) });
    };

    it('refuses one that calls itself direct', async () => {
      await refuses('FLAPR', ...(await smuggle((content) => content)));
    });

    it('refuses one that conceals an environment it touches', async () => {
      await refuses('FLSTL', ...(await smuggle((content) => ({ ...content, environments: [] }))));
    });

    it('refuses one that names another approval rule', async () => {
      const other = ({ environments, ...content }: ChangeContent) => ({
        ...content,
        environments: environments.map((environment) => ({ ...environment, ruleVersion: 1 })),
      });
      await refuses('FLSTL', ...(await smuggle(other)));
    });

    it('refuses one without base versions, or with wrong ones', async () => {
      await refuses('22023', ...(await smuggle((content) => ({ ...content, base: [] }))));
      const wrong = ({ base, ...content }: ChangeContent) => ({
        ...content,
        base: base.map((one) => ({ ...one, environments: one.environments.map((e) => ({ ...e, version: 9 })) })),
      });
      await refuses('FLSTL', ...(await smuggle(wrong)));
      const outdated = ({ base, ...content }: ChangeContent) => ({
        ...content,
        base: base.map((one) => ({ ...one, version: one.version + 1 })),
      });
      await refuses('FLSTL', ...(await smuggle(outdated)));
    });

    it('refuses one for another organisation or project, an unknown operation and a due time', async () => {
      for (const field of ['organization', 'project'])
        await refuses('22023', ...(await smuggle((content) => ({ ...content, [field]: newId() }))));
      await refuses('22023', ...(await smuggle((content) => ({ ...content, schedule: '2030-01-01' }))));
    });

    it('refuses one that reaches into another project', async () => {
      ok(await scene.owner.call('POST', '/projects', { key: 'other', name: 'Other' }), 201);
      const environment = { key: 'open', name: 'Open', tier: 'non-production' };
      const { id } = ok(await scene.owner.call('POST', '/projects/other/environments', environment), 201).body;
      const body = { key: 'theirs', type: 'boolean', variants: { on: true } };
      const { flag } = ok(await scene.owner.call('POST', '/projects/other/flags', body), 201).body;
      const environments = [{ environmentId: id, key: 'open', ruleVersion: 1 }];
      const elsewhere = (content: ChangeContent) => ({
        ...content,
        changes: [{ kind: 'set-state', flagId: flag.id, flagKey: 'theirs', environmentId: id, state: 'ENABLED' }],
        base: [{ flagId: flag.id, version: 1, environments: [{ environmentId: id, version: 1 }] }],
        environments,
      });
      await refuses('22023', ...(await smuggle(elsewhere)));
      const configuration = { state: 'ENABLED', rules: [], defaultVariant: 'on' };
      const abroad = (content: ChangeContent) => ({
        ...content,
        changes: content.changes.map(({ flagId, flagKey }) => ({
          kind: 'add-flag',
          flagId,
          flagKey,
          environments: [{ environmentId: id, configuration }],
        })),
        base: content.base.map(({ flagId, version }) => ({
          flagId,
          version,
          environments: [{ environmentId: id, version: 0 }],
        })),
        environments,
      });
      await refuses('22023', ...(await smuggle(abroad)));
    });

    it('refuses an unknown kind of operation', async () => {
      const odd = ({ changes, ...content }: ChangeContent) => ({
        ...content,
        changes: changes.map((operation) => ({ ...operation, kind: 'overwrite' })),
      });
      // It touches nothing as far as anybody can tell, which is not what it says it touches.
      await refuses('FLSTL', ...(await smuggle(odd)));
    });

    it('leaves no trace of any of them', async () => {
      const before = await stateIn(scene.owner, 'production');
      for (const edit of [(content: ChangeContent) => content, (content: ChangeContent) => ({ ...content, base: [] })])
        await sql(...(await smuggle(edit))).catch(() => undefined);
      assert.equal(await stateIn(scene.owner, 'production'), before);
    });
  });

  it('keeps versions immutable even for the owner of the tables', async () => {
    const asOwner = async (text: string): Promise<unknown> =>
      await world.asAdmin(org.id, text).then(
        () => assert.fail('accepted'),
        (error: unknown) => (error as { code?: string }).code,
      );
    for (const table of ['flag_version', 'flag_environment_version', 'change_revision']) {
      assert.equal(await asOwner(`UPDATE ${table} SET created_at = now()`), DENIED);
      assert.equal(await asOwner(`DELETE FROM ${table}`), DENIED);
    }
  });
});
