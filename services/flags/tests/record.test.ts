import assert from 'node:assert/strict';

import { act, arrange, ok, PROJECT, requestToggle, toggle } from './support/scenario.ts';
import { organizationForEachTest } from './support/suite.ts';
import type { AuditEntry, Organization, World } from './support/world.ts';

/** Promise 2: no change without a record. */
describe('the audit log', () => {
  let world: World;
  let org: Organization;

  const opened = organizationForEachTest();
  beforeEach(() => {
    ({ world, org } = opened());
  });

  const entriesOf = async (work: () => Promise<unknown>): Promise<AuditEntry[]> => {
    const before = (await org.audit()).length;
    await work();
    return (await org.audit()).slice(before);
  };

  it('has exactly one entry per direct mutation, with before, after, actor, decision and environment', async () => {
    const { developer, owner, flagId } = await arrange(org, 0);
    const [toggled, ...none] = await entriesOf(async () => ok(await toggle(developer, 'staging', 'ENABLED'), 200));
    assert.deepEqual(none, []);
    assert.equal(toggled?.action, 'flag.toggled');
    assert.deepEqual(toggled.target, { type: 'flag', id: flagId });
    assert.equal(toggled.env, 'staging');
    assert.equal(toggled.before?.['state'], 'DISABLED');
    assert.equal(toggled.after?.['state'], 'ENABLED');
    assert.equal(toggled.actor.id, developer.id);
    assert.match(toggled.actor.via, /^api_token:/);
    assert.match(toggled.approval_ref ?? '', /^auto-approved:/);
    assert.equal(toggled.decision?.['reason'], 'GRANTED');

    const path = `${PROJECT}/flags/checkout`;
    const expected: [string, () => Promise<unknown>][] = [
      [
        'flag.retargeted',
        async () => await owner.call('PATCH', `${path}/environments/staging`, { defaultVariant: 'on' }),
      ],
      ['flag.edited', async () => await owner.call('PATCH', path, { description: 'x' })],
      ['flag.archived', async () => await owner.call('PATCH', path, { archived: true })],
      ['flag.restored', async () => await owner.call('PATCH', path, { archived: false })],
      ['project.created', async () => await owner.call('POST', '/projects', { key: 'p2', name: 'P' })],
      ['project.updated', async () => await owner.call('PATCH', '/projects/p2', { name: 'Q' })],
      [
        'environment.created',
        async () =>
          await owner.call('POST', '/projects/p2/environments', { key: 'e', name: 'E', tier: 'non-production' }),
      ],
      ['environment.updated', async () => await owner.call('PATCH', '/projects/p2/environments/e', { name: 'F' })],
      [
        'environment-key.created',
        async () => await owner.call('POST', '/projects/p2/environments/e/keys', { name: 'k' }),
      ],
      [
        'flag.created',
        async () => await owner.call('POST', '/projects/p2/flags', { key: 'f', type: 'string', variants: { a: 'b' } }),
      ],
    ];
    for (const [action, work] of expected) {
      const entries = await entriesOf(work);
      assert.deepEqual(
        entries.map((entry) => [entry.action, entry.outcome]),
        [[action, 'success']],
      );
      if (/updated|edited|archived|restored|retargeted/.test(action)) {
        assert.notDeepEqual(entries[0]?.before, entries[0]?.after, action);
        assert.ok(entries[0]?.before, action);
      }
    }
  });

  it('follows a change request from creation to effect', async () => {
    const { releaseManager, approver, flagId } = await arrange(org);
    const entries = await entriesOf(async () => {
      const change = await requestToggle(releaseManager);
      ok(await act(approver, change.id, 'approve', { hash: change.hash, comment: 'Go.' }), 200);
      ok(await act(releaseManager, change.id, 'apply'), 200);
    });
    assert.deepEqual(
      entries.map(({ action, env }) => [action, env]),
      [
        ['change.created', 'production'],
        ['change.approved', 'production'],
        ['change.applied', 'production'],
        ['flag.toggled', 'production'],
      ],
    );
    const [created, approved, applied, toggled] = entries;
    assert.equal(approved?.after?.['hash'], created?.after?.['hash']);
    assert.equal(approved?.after?.['comment'], 'Go.');
    assert.deepEqual(applied?.after?.['approvedBy'], [approver.id]);
    assert.deepEqual(toggled?.target, { type: 'flag', id: flagId });
    assert.match(toggled?.approval_ref ?? '', /^change:[0-9a-f-]{36}@1$/);
  });

  it('holds every refused attempt, with the reason, and the attempt changed nothing', async () => {
    const { developer, owner } = await arrange(org, 0);
    const [entry, ...none] = await entriesOf(async () => await toggle(developer, 'production', 'ENABLED'));
    assert.deepEqual(none, []);
    assert.equal(entry?.action, 'access.denied');
    assert.equal(entry.outcome, 'denied');
    assert.equal(entry.reason, 'NO_GRANT');
    assert.equal(entry.env, 'production');
    assert.equal(entry.decision?.['permission'], 'flag:toggle');
    assert.equal(entry.actor.id, developer.id);
    const { body } = ok(await owner.call('GET', `${PROJECT}/flags/checkout`), 200);
    assert.equal(body.environments['production']?.version, 1);
  });

  it('commits with the change or not at all', async () => {
    const { owner } = await arrange(org, 0);
    await world.asAdmin(
      org.id,
      `ALTER TABLE audit_entry ADD CONSTRAINT no_toggles CHECK (action <> 'flag.toggled') NOT VALID`,
    );
    try {
      const answer = await toggle(owner, 'staging', 'ENABLED');
      assert.equal(answer.status, 500);
      const { body } = ok(await owner.call('GET', `${PROJECT}/flags/checkout`), 200);
      assert.equal(body.environments['staging']?.state, 'DISABLED');
    } finally {
      await world.asAdmin(org.id, 'ALTER TABLE audit_entry DROP CONSTRAINT no_toggles');
    }
  });

  it('is listed and exported to who may read it', async () => {
    const { owner, developer } = await arrange(org, 0);
    const { items } = ok(await owner.call('GET', '/audit?limit=5'), 200).body;
    assert.equal(items[0]?.entry.action, 'flag.created');
    const exported = ok(await owner.call('GET', '/audit/export'), 200);
    const lines = exported.text.trim().split('\n');
    assert.equal(lines.length, (await org.audit()).length);
    assert.equal((await developer.call('GET', '/audit/export')).status, 403);
  });
});
