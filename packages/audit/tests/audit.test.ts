import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { leafHash, personal, type AuditContext, type AuditLog } from '@sallyport/audit';
import { newId, orgTable, sqlMigration, type WriteTx } from '@sallyport/storage';
import { adminQuery, type Sample } from '@sallyport/storage/testing';
import fc from 'fast-check';

import { openAuditSample } from './support.ts';

const thing = sqlMigration(2, 'create-thing', [
  'CREATE TABLE sample.thing (org_id uuid NOT NULL, name text NOT NULL, PRIMARY KEY (org_id, name))',
  orgTable('sample', 'thing'),
]);

let sample: Sample;
let audit: AuditLog;

const newOrganization = async (): Promise<string> => {
  const orgId = newId();
  await sample.db.unauditedWrite(orgId, 'test', async (tx) => {
    await audit.createOrganization(tx, orgId);
  });
  return orgId;
};

const contextOf = (orgId: string): AuditContext => ({
  orgId,
  actor: { type: 'user', id: newId(), via: 'session:1' },
  ip: '192.0.2.7',
  userAgent: 'curl/8',
  requestId: newId(),
});

const create = async (tx: WriteTx, name: string): Promise<void> => {
  await tx.query('INSERT INTO thing (org_id, name) VALUES ($1, $2)', [tx.orgId, name]);
};

const createThing = async (orgId: string, name: string, context = contextOf(orgId)): Promise<string> => {
  const { receipts } = await audit.mutate(context, async (tx) => {
    await create(tx, name);
    tx.record({ action: 'thing.created', target: { type: 'thing', id: name }, after: { name } });
  });
  return String(receipts[0]);
};

const thingsOf = async (orgId: string): Promise<string[]> => {
  const rows = await sample.db.read(orgId, async (tx) => await tx.query<{ name: string }>('SELECT name FROM thing'));
  return rows.map(({ name }) => name).sort();
};

const entriesOf = async (orgId: string): Promise<Record<string, unknown>[]> =>
  (await audit.list(orgId, { limit: 500 })).map(({ entry }) => entry);

describe('audit log', () => {
  before(async () => {
    ({ sample, audit } = await openAuditSample([thing]));
  });
  after(async () => {
    await sample.db.close();
  });

  it('commits a mutation and its entry together', async () => {
    const orgId = await newOrganization();
    const receipt = await createThing(orgId, 'a');
    assert.match(receipt, new RegExp(`^test/o/${orgId}/sample#0:[0-9a-f]{64}$`));
    assert.deepEqual(await thingsOf(orgId), ['a']);
    const [entry] = await entriesOf(orgId);
    assert.equal(entry?.['action'], 'thing.created');
    assert.equal(entry?.['ip'], '192.0.2.7');
    assert.equal(entry?.['user_agent'], 'curl/8');
    assert.equal(entry?.['outcome'], 'success');
  });

  it('rolls a mutation back when nobody recorded anything', async () => {
    const orgId = await newOrganization();
    const silent = audit.mutate(contextOf(orgId), async (tx) => {
      await create(tx, 'silent');
    });
    await assert.rejects(silent, { code: 'AUDIT_MISSING' });
    assert.deepEqual(await thingsOf(orgId), []);
  });

  it('rolls a mutation back when its entry cannot be appended', async () => {
    const orgId = newId(); // has no log
    await assert.rejects(createThing(orgId, 'a'), /no audit log/);
    assert.deepEqual(await thingsOf(orgId), []);
  });

  it('leaves neither the mutation nor an entry nor a gap when the last step fails', async () => {
    const orgId = await newOrganization();
    const failing = audit.mutate(contextOf(orgId), async (tx) => {
      await create(tx, 'half');
      tx.record({ action: 'thing.created', target: { type: 'thing', id: 'half' } });
      tx.last(async () => await Promise.reject(new TypeError('last step')));
    });
    await assert.rejects(failing, /last step/);
    assert.deepEqual(await thingsOf(orgId), []);
    assert.match(await createThing(orgId, 'whole'), /#0:/);
  });

  it('needs no entry when the work says that nothing was changed', async () => {
    const orgId = await newOrganization();
    const { receipts } = await audit.mutate(contextOf(orgId), async (tx) => {
      tx.unchanged();
      await Promise.resolve();
    });
    assert.deepEqual(receipts, []);
    assert.equal(await audit.size(orgId), 0n);
  });

  it('numbers entries without a gap or a fork under concurrent writers and rollbacks', async () => {
    const orgId = await newOrganization();
    const subject = newId();
    const attempts = Array.from({ length: 120 }, async (_, number) => {
      const context = {
        ...contextOf(orgId),
        actor: { type: 'user' as const, id: number % 3 === 0 ? subject : newId() },
      };
      return await audit.mutate(context, async (tx) => {
        await create(tx, `t${String(number)}`);
        tx.record({
          action: 'thing.created',
          target: { type: 'thing', id: String(number) },
          after: { by: personal(subject, 'x') },
        });
        if (number % 4 === 0) throw new TypeError('rolled back');
      });
    });
    const outcomes = await Promise.allSettled(attempts);
    const indexes = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value.receipts[0]?.index] : [],
    );
    assert.equal(indexes.length, 90);
    assert.deepEqual(
      [...indexes].sort((a, b) => Number(a) - Number(b)),
      Array.from({ length: 90 }, (_, n) => BigInt(n)),
    );
    assert.equal((await thingsOf(orgId)).length, 90);
  });

  it('stores leaves whose bytes hash to the leaf hash, with origin and index inside', async () => {
    const orgId = await newOrganization();
    await createThing(orgId, 'a');
    await createThing(orgId, 'b');
    const records = await audit.list(orgId, { limit: 10 });
    assert.equal(records.length, 2);
    records.forEach((record, index) => {
      const leaf = Buffer.from(record.leaf, 'utf8');
      assert.equal(leafHash(leaf).toString('hex'), record.leafHash);
      assert.ok(record.leaf.startsWith(`v1\ntest/o/${orgId}/sample\n${String(index)}\n{"action":`));
    });
  });

  it('keeps personal values out of the leaf, behind commitments that anybody with the opening can check', async () => {
    const orgId = await newOrganization();
    await audit.mutate(contextOf(orgId), async (tx) => {
      tx.record({
        action: 'thing.created',
        target: { type: 'thing', id: 'p' },
        after: {
          email: personal('alice', 'alice@acme.example'),
          nested: [{ name: personal('alice', 'Älice "A"\n') }],
          n: null,
        },
      });
      await Promise.resolve();
    });
    const [record] = await audit.list(orgId, { limit: 1 });
    assert.ok(record !== undefined);
    for (const secret of ['acme.example', 'lice \\"A', '192.0.2.7', 'curl'])
      assert.equal(record.leaf.includes(secret), false);
    assert.deepEqual(record.entry['after'], {
      email: 'alice@acme.example',
      nested: [{ name: 'Älice "A"\n' }],
      n: null,
    });
    const { pii } = JSON.parse(record.leaf.split('\n')[3] ?? '') as { pii: { c: string; f: string }[] };
    const prefixed = (text: string): Buffer => {
      const bytes = Buffer.from(text, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    assert.equal(record.openings.length, 4);
    for (const { number, field, salt, value } of record.openings) {
      const hash = createHash('sha256').update('pii1').update(Buffer.from(salt, 'base64'));
      assert.equal(hash.update(prefixed(field)).update(prefixed(value)).digest('base64'), pii[number]?.c);
    }
  });

  it('reads "[erased]" once the key of a subject is destroyed, and still shows the same leaf', async () => {
    const orgId = await newOrganization();
    await audit.mutate(contextOf(orgId), async (tx) => {
      tx.record({
        action: 'thing.created',
        target: { type: 'thing', id: 'x' },
        after: { a: personal('alice', 'A'), b: personal('bob', 'B') },
      });
      await Promise.resolve();
    });
    const [before] = await audit.list(orgId, { limit: 1 });
    await adminQuery(sample.adminUrl, `DELETE FROM sample.subject_key WHERE org_id = $1 AND subject_id = 'alice'`, [
      orgId,
    ]);
    const [after] = await audit.list(orgId, { limit: 1 });
    assert.deepEqual(after?.entry['after'], { a: '[erased]', b: 'B' });
    assert.equal(after?.leaf, before?.leaf);
  });

  it('moves before and after out of line when an entry would be too large, leaving their digests', async () => {
    const orgId = await newOrganization();
    const members = Array.from({ length: 5_000 }, (_, n) => `member-${String(n)}-${'x'.repeat(20)}`);
    await audit.mutate(contextOf(orgId), async (tx) => {
      tx.record({
        action: 'group.replaced',
        target: { type: 'group', id: 'g' },
        before: { members: [] },
        after: { members },
      });
      await Promise.resolve();
    });
    const [record] = await audit.list(orgId, { limit: 1 });
    const after = record?.entry['after'] as { $sha256: string; $bytes: number };
    const [row] = await adminQuery<{ body: Buffer }>(
      sample.adminUrl,
      `SELECT body FROM sample.audit_attachment WHERE org_id = $1 AND name = 'after'`,
      [orgId],
    );
    assert.equal(row?.body.length, after.$bytes);
    assert.equal(
      createHash('sha256')
        .update(row?.body ?? '')
        .digest('base64'),
      after.$sha256,
    );
    assert.ok((record?.leaf.length ?? 0) < 61_000);
  });

  it('round-trips any JSON in before and after (property)', async () => {
    const orgId = await newOrganization();
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.string().filter((name) => !name.startsWith('$')),
          fc.jsonValue({ depthSize: 'small' }),
        ),
        async (state) => {
          const plain = JSON.parse(JSON.stringify(state)) as Record<string, never>;
          const { receipts } = await audit.mutate(contextOf(orgId), async (tx) => {
            tx.record({ action: 'thing.changed', target: { type: 'thing', id: 'x' }, after: plain });
            await Promise.resolve();
          });
          const [record] = await audit.list(orgId, { limit: 1, after: (receipts[0]?.index ?? 0n) - 1n });
          assert.deepEqual(record?.entry['after'], plain);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('rolls a mutation back whose entry holds U+0000, which PostgreSQL does not store', async () => {
    const orgId = await newOrganization();
    const attempt = audit.mutate(contextOf(orgId), async (tx) => {
      await create(tx, 'half');
      tx.record({ action: 'thing.changed', target: { type: 'thing', id: 'x' }, after: { text: 'a\u0000b' } });
    });
    await assert.rejects(attempt, /Unicode escape/);
    assert.deepEqual([await thingsOf(orgId), await audit.size(orgId)], [[], 0n]);
  });

  it('sends what is kept for the commit behind its entries, and is undone with them', async () => {
    const orgId = await newOrganization();
    const attempt = (name: string) =>
      audit.mutate(contextOf(orgId), async (tx) => {
        tx.atCommit(async () => {
          const [head] = await tx.query<{ size: string }>('SELECT size FROM audit_head WHERE org_id = $1', [orgId]);
          sizes.push(head?.size ?? '');
        });
        tx.atCommit(() => create(tx, name));
        tx.record({ action: 'thing.created', target: { type: 'thing', id: name } });
        await Promise.resolve();
      });
    const sizes: string[] = [];
    const { receipts } = await attempt('a');
    assert.equal(receipts[0]?.index, 0n);
    await assert.rejects(attempt('a'), /thing_pkey/);
    assert.deepEqual(sizes, ['1', '2']);
    assert.deepEqual([await thingsOf(orgId), await audit.size(orgId)], [['a'], 1n]);
  });

  it('seals with keys that were asked for ahead, and asks for those that were not', async () => {
    const orgId = await newOrganization();
    const [foreseen, other] = [newId(), newId()];
    await audit.mutate(contextOf(orgId), async (tx) => {
      tx.createSubjectKeys([foreseen]);
      await create(tx, 'a');
      const after = { a: personal(foreseen, 'A'), b: personal(other, 'B') };
      tx.record({ action: 'thing.created', target: { type: 'thing', id: 'a' }, after });
    });
    assert.deepEqual((await entriesOf(orgId))[0]?.['after'], { a: 'A', b: 'B' });
    const failing = audit.mutate(contextOf(orgId), async (tx) => {
      tx.createSubjectKeys([newId()]);
      await Promise.reject(new TypeError('before the keys came'));
    });
    await assert.rejects(failing, /before the keys came/);
  });

  it('numbers many entries of one mutation in the order they were recorded', async () => {
    const orgId = await newOrganization();
    const { receipts } = await audit.mutate(contextOf(orgId), async (tx) => {
      for (let number = 0; number < 50; number += 1)
        tx.record({ action: 'thing.changed', target: { type: 'thing', id: String(number) } });
      await Promise.resolve();
    });
    assert.deepEqual(
      receipts.map(({ index }) => index),
      Array.from({ length: 50 }, (_, number) => BigInt(number)),
    );
    const targets = (await entriesOf(orgId)).map((entry) => (entry['target'] as { id: string }).id);
    assert.deepEqual(
      targets,
      Array.from({ length: 50 }, (_, number) => String(number)),
    );
  });

  it('records denied attempts', async () => {
    const orgId = await newOrganization();
    await audit.recordDenied(contextOf(orgId), {
      action: 'flag.toggled',
      target: { type: 'flag', id: 'f' },
      reason: 'NO_GRANT',
    });
    const [entry] = await entriesOf(orgId);
    assert.equal(entry?.['outcome'], 'denied');
    assert.equal(entry?.['reason'], 'NO_GRANT');
  });

  it('filters and pages in both directions', async () => {
    const orgId = await newOrganization();
    for (const name of ['a', 'b', 'c']) await createThing(orgId, name);
    const indexes = async (filter: Parameters<AuditLog['list']>[1]): Promise<string[]> =>
      (await audit.list(orgId, filter)).map(({ index }) => index);
    assert.deepEqual(await indexes({ limit: 2 }), ['0', '1']);
    assert.deepEqual(await indexes({ limit: 2, after: 1n }), ['2']);
    assert.deepEqual(await indexes({ limit: 2, order: 'newest-first' }), ['2', '1']);
    assert.deepEqual(await indexes({ limit: 2, order: 'newest-first', after: 1n }), ['0']);
    assert.deepEqual(await indexes({ limit: 9, targetId: 'b', targetType: 'thing' }), ['1']);
    assert.deepEqual(await indexes({ limit: 9, outcome: 'denied' }), []);
  });

  it('exports every entry once, in order, as JSON Lines', async () => {
    const orgId = await newOrganization();
    for (let number = 0; number < 12; number += 1) await createThing(orgId, String(number));
    const lines = await Array.fromAsync(audit.exportLines(orgId));
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { index: string }).index),
      Array.from({ length: 12 }, (_, n) => String(n)),
    );
    assert.ok(lines.every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1));
    const part = await Array.fromAsync(audit.exportLines(orgId, { after: 3n, until: 6n }));
    assert.deepEqual(
      part.map((line) => (JSON.parse(line) as { index: string }).index),
      ['4', '5'],
    );
  });

  it('shows one organisation nothing of another', async () => {
    const [acme, globex] = [await newOrganization(), await newOrganization()];
    await createThing(acme, 'secret');
    assert.deepEqual(await entriesOf(globex), []);
    const rows = await sample.db.read(
      globex,
      async (tx) => await tx.query('SELECT leaf FROM audit_entry WHERE org_id = $1', [acme]),
    );
    assert.deepEqual(rows, []);
  });
});
