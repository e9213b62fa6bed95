import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { auditAppendMigration, auditAppendTogetherMigration, auditMigrations, createAuditLog } from '@sallyport/audit';
import { startPostgres } from '@sallyport/dev-env';
import { openKeyring } from '@sallyport/keyring';
import { newId, orgTable, sqlMigration, statement, systemClock, type WriteTx } from '@sallyport/storage';
import { openSample } from '@sallyport/storage/testing';

import type { Benchmark } from './benchmark.ts';

const CLIENTS = 8;
const ORGANIZATIONS = 100;
const MUTATIONS = 1_500;

const counter = sqlMigration(2, 'create-counter', [
  'CREATE TABLE sample.counter (org_id uuid NOT NULL, id integer NOT NULL, value bigint NOT NULL, PRIMARY KEY (org_id, id))',
  orgTable('sample', 'counter'),
]);

// The same row with the same indexes, in the order it happens to come: no head, no contiguous number.
const looseEntries = sqlMigration(5, 'create-loose-entry', [
  `CREATE TABLE sample.loose_entry (LIKE sample.audit_entry INCLUDING ALL EXCLUDING IDENTITY)`,
  'CREATE SEQUENCE sample.loose_number; GRANT USAGE ON SEQUENCE sample.loose_number TO sallyport_sample',
  orgTable('sample', 'loose_entry'),
]);

const insertLoose = statement(`
  INSERT INTO loose_entry (org_id, idx, leaf, entry_id, occurred_at, action, outcome, actor_type, actor_id,
                           target_type, target_id, request_id)
    VALUES ($1, nextval('loose_number'), $2, $3, now(), 'counter.raised', 'success', 'user', $4, 'counter', '1', 'bench')
  RETURNING leaf_hash`);

/** Operations a second of `work` over all organisations, by a fixed number of concurrent clients. */
const rate = async (work: (number: number) => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < MUTATIONS) {
      next += 1;
      await work(next);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return MUTATIONS / ((performance.now() - startedAt) / 1000);
};

const mutate = async (tx: WriteTx): Promise<{ before: string; after: string }> => {
  const [row] = await tx.query<{ value: string }>('SELECT value FROM counter WHERE id = 1 FOR UPDATE');
  const before = row?.value ?? '0';
  await tx.query('UPDATE counter SET value = value + 1 WHERE id = 1');
  return { before, after: String(BigInt(before) + 1n) };
};

/**
 * An audited mutation over 100 organisations beside the same mutation without audit, and beside one that inserts the
 * same entry without a sequence. The budget of the brief, 85 %, is against the latter: it is the price of contiguous
 * numbers, not that of writing a row.
 */
export const audit: Benchmark = {
  title:
    'a mutation with its audit entry beside one with an unsequenced entry, and beside one without, over 100 organisations',
  async open() {
    // Durable, as in production: on the test server, which does not wait for the disk, commits cost next to nothing.
    const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
    const server = await startPostgres({ dataDir });
    const { db } = await openSample(
      [
        ...auditMigrations('sample'),
        counter,
        auditAppendMigration('sample', 3),
        auditAppendTogetherMigration('sample', 4),
        looseEntries,
      ],
      server,
    );
    const log = createAuditLog({
      db,
      keyring: openKeyring({ masterKey: randomBytes(32) }),
      clock: systemClock,
      deployment: 'bench',
      service: 'sample',
    });
    const organizations = Array.from({ length: ORGANIZATIONS }, newId);
    for (const orgId of organizations) {
      await db.unauditedWrite(orgId, 'bench', async (tx) => {
        await log.createOrganization(tx, orgId);
        await tx.query('INSERT INTO counter (org_id, id, value) VALUES ($1, 1, 0)', [orgId]);
      });
    }
    const orgOf = (number: number): string => organizations[number % ORGANIZATIONS] ?? '';
    const audited = async (number: number): Promise<void> => {
      const orgId = orgOf(number);
      await log.mutate({ orgId, actor: { type: 'user', id: orgId }, requestId: 'bench' }, async (tx) => {
        const { before, after } = await mutate(tx);
        tx.record({
          action: 'counter.raised',
          target: { type: 'counter', id: '1' },
          before: { before },
          after: { after },
        });
      });
    };
    const unsequenced = async (number: number): Promise<void> => {
      const orgId = orgOf(number);
      await db.unauditedWrite(orgId, 'bench', async (tx) => {
        const { before, after } = await mutate(tx);
        const entry = {
          action: 'counter.raised',
          actor: { id: orgId, type: 'user' },
          after: { after },
          before: { before },
        };
        const leaf = Buffer.from(
          `v1\nbench/o/${orgId}/sample\n0\n${JSON.stringify({ ...entry, id: newId(), occurred_at: systemClock.now(), org: orgId, outcome: 'success', pii: [], request_id: 'bench', target: { id: '1', type: 'counter' } })}`,
        );
        await tx.query(insertLoose, [orgId, leaf, newId(), orgId]);
      });
    };
    const bare = async (number: number): Promise<void> => {
      await db.unauditedWrite(orgOf(number), 'bench', mutate);
    };
    return {
      measurements: [
        {
          name: 'audited / unsequenced entry',
          unit: 'mutations/s',
          higherIsBetter: true,
          goal: 0.85,
          ours: async () => await rate(audited),
          reference: async () => await rate(unsequenced),
        },
        {
          name: 'audited / no entry at all',
          unit: 'mutations/s',
          higherIsBetter: true,
          goal: 0.85,
          ours: async () => await rate(audited),
          reference: async () => await rate(bare),
        },
      ],
      close: async () => {
        await db.close();
        await server.stop();
        rmSync(dataDir, { recursive: true, force: true });
      },
    };
  },
};
