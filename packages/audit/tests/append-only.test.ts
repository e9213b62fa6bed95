import assert from 'node:assert/strict';

import { personal, type AuditLog } from '@sallyport/audit';
import { isInsufficientPrivilege, newId } from '@sallyport/storage';
import { adminQuery, type Sample } from '@sallyport/storage/testing';

import { openAuditSample } from './support.ts';

describe('audit log, append-only', () => {
  let sample: Sample;
  let audit: AuditLog;
  before(async () => {
    ({ sample, audit } = await openAuditSample());
  });
  after(async () => {
    await sample.db.close();
  });

  /** An organisation with one entry. */
  const newOrganization = async (): Promise<string> => {
    const orgId = newId();
    await sample.db.unauditedWrite(orgId, 'test', (tx) => audit.createOrganization(tx, orgId));
    const context = { orgId, actor: { type: 'user', id: newId() }, requestId: newId() } as const;
    await audit.recordDenied(context, { action: 'thing.created', target: { type: 'thing', id: 'a' } });
    return orgId;
  };

  const statements = [
    `UPDATE sample.audit_entry SET action = 'x'`,
    'DELETE FROM sample.audit_entry',
    'TRUNCATE sample.audit_entry CASCADE',
    'UPDATE sample.audit_head SET size = 0',
    'DELETE FROM sample.audit_head',
    'TRUNCATE sample.audit_head CASCADE',
    'DELETE FROM sample.audit_opening',
    'DELETE FROM sample.subject_key',
    `UPDATE sample.subject_key SET wrapped = ''`,
    `INSERT INTO sample.audit_entry (org_id, idx, leaf) VALUES ('${newId()}', 0, '')`,
    'ALTER TABLE sample.audit_entry DISABLE TRIGGER ALL',
  ];
  for (const sql of statements) {
    it(`refuses the service role: ${sql.slice(0, 48)}`, async () => {
      await newOrganization();
      const attempt = sample.db.unauditedWrite('all-organizations', 'attack', async (tx) => await tx.query(sql));
      await assert.rejects(attempt, isInsufficientPrivilege);
    });
  }

  it('refuses even the superuser while the triggers stand', async () => {
    const orgId = await newOrganization();
    for (const sql of [statements[0], statements[1], statements[3], statements[4]]) {
      await assert.rejects(
        adminQuery(sample.adminUrl, `${sql ?? ''} WHERE org_id = '${orgId}'`),
        isInsufficientPrivilege,
      );
    }
    await assert.rejects(adminQuery(sample.adminUrl, statements[2] ?? ''), isInsufficientPrivilege);
  });

  it('refuses an entry whose leaf names another organisation, and what was to be appended with it', async () => {
    const [acme, globex] = [await newOrganization(), await newOrganization()];
    const whole = { occurred_at: new Date(0), action: 'a', outcome: 'success', request_id: 'r' };
    const party = { type: 't', id: 'i' };
    const body = (org: string): Buffer =>
      Buffer.from(JSON.stringify({ ...whole, org, id: newId(), actor: party, target: party }));
    const attempt = async (sql: string, bodies: unknown): Promise<void> => {
      const written = sample.db.unauditedWrite(acme, 'attack', (tx) => tx.query(sql, [acme, bodies]));
      await assert.rejects(written, /another organisation/);
    };
    const before = await audit.size(acme);
    await attempt('SELECT * FROM append_audit($1, $2, NULL, NULL)', body(globex));
    const together = `SELECT * FROM append_audit_entries($1, $2, '{}', '{}', '{}', '{}', '{}', '{}', '{}')`;
    await attempt(together, [body(globex)]);
    await attempt(together, [body(acme), body(globex)]);
    assert.equal(await audit.size(acme), before);
  });

  it('refuses to make a key for somebody who has one, and an entry of another actor or organisation', async () => {
    const orgId = await newOrganization();
    const context = { orgId, actor: { type: 'system', id: newId() }, requestId: 'r' } as const;
    const event = (subject: string) =>
      ({
        action: 'thing.created',
        target: { type: 'thing', id: 'a' },
        after: { name: personal(subject, 'A') },
      }) as const;
    const subject = newId();
    const announce = async (): Promise<unknown> =>
      await audit.mutate(context, async (tx) => {
        tx.createSubjectKeys([subject]);
        tx.record(event(subject));
        await Promise.resolve();
      });
    await announce();
    await assert.rejects(announce(), /subject_key_pkey/);
    const others = [
      { ...context, orgId: newId() },
      { ...context, actor: { type: 'system', id: newId() } },
    ] as const;
    for (const other of others) {
      const mixed = audit.mutate(context, async (tx) => {
        tx.record(event(subject), other);
        await Promise.resolve();
      });
      await assert.rejects(mixed, /another organisation or actor/);
    }
    await audit.mutate(context, async (tx) => {
      tx.record(event(subject), { ...context, requestId: 's' });
      await Promise.resolve();
    });
    const entries = await audit.list(orgId, { limit: 10 });
    assert.deepEqual(entries.map(({ entry }) => entry['request_id']).slice(-2), ['r', 's']);
  });
});
