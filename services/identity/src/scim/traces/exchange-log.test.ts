import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import type { Database, WriteTx } from '@sallyport/storage';
import { createMetrics, silentLogger } from '@sallyport/telemetry';

import { ExchangeLog } from './exchange-log.ts';
import type { Exchange } from './exchange.ts';

const exchange = (number: number, connectionId = 'c'): Exchange => ({
  orgId: 'o',
  connectionId,
  id: String(number),
  at: new Date(0),
  requestId: 'r',
  method: 'GET',
  path: '/scim/v2/Users',
  query: '',
  resourceId: null,
  profile: 'auto',
  credentialClass: 'scim_token',
  credentialId: 't',
  ip: '192.0.2.1',
  userAgent: null,
  body: null,
  status: 200,
  scimType: null,
  detail: null,
  durationMs: 1,
  changes: [],
});

/** A database that notes what is written, and waits or fails as a test says. */
const scene = (keep: number) => {
  const statements: { readonly sql: string; readonly params: readonly unknown[] }[] = [];
  const state = { isDown: false, gate: Promise.resolve() };
  const tx = {
    query: async (sql: string, params: readonly unknown[]) => {
      statements.push({ sql, params });
      return await Promise.resolve([]);
    },
  } as unknown as WriteTx;
  const db = {
    unauditedWrite: async (_scope: string, _why: string, work: (tx: WriteTx) => Promise<unknown>) => {
      await state.gate;
      if (state.isDown) throw new AppError('UNAVAILABLE', 'away');
      return await work(tx);
    },
  } as unknown as Database;
  const metrics = createMetrics('test', { processMetrics: false });
  const log = new ExchangeLog({ db, logger: silentLogger(), metrics, keep });
  const written = (): string[] =>
    statements
      .filter(({ sql }) => sql.includes('INSERT'))
      .flatMap(({ params }) => (JSON.parse(String(params[0])) as { readonly id: string }[]).map(({ id }) => id));
  const pruned = (): unknown[] => statements.filter(({ sql }) => sql.startsWith('DELETE')).map(({ params }) => params);
  const dropped = async (): Promise<number> =>
    Number(/scim_exchanges_dropped_total\{[^}]*\} (\d+)/.exec((await metrics.render()).body)?.[1]);
  return { log, state, written, pruned, dropped };
};

describe('ExchangeLog', () => {
  it('writes everything in order, in batches, and what is left when it is closed', async () => {
    const { log, written, dropped } = scene(500);
    for (let number = 0; number < 450; number += 1) log.add(exchange(number));
    await log.close();
    assert.deepEqual(
      written(),
      Array.from({ length: 450 }, (_, index) => String(index)),
    );
    assert.equal(await dropped(), 0);
  });

  it('never holds anybody up: with a database that is slow it keeps 5,000 and counts what it drops', async () => {
    const { log, state, written, dropped } = scene(500);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    state.gate = promise.then(() => undefined);
    for (let number = 0; number < 6_000; number += 1) log.add(exchange(number));
    resolve(undefined);
    await log.flush();
    const lost = await dropped();
    assert.ok(lost > 0);
    assert.equal(written().length + lost, 6_000);
  });

  it('goes on after the database was away; what it could not write is counted', async () => {
    const { log, state, written, dropped } = scene(500);
    state.isDown = true;
    log.add(exchange(1));
    await log.flush();
    state.isDown = false;
    log.add(exchange(2));
    await log.flush();
    assert.deepEqual([written(), await dropped()], [['2'], 1]);
  });

  it('prunes a connection now and then, each by itself', async () => {
    const { log, pruned } = scene(500);
    for (let number = 0; number < 49; number += 1) log.add(exchange(number));
    log.add(exchange(100, 'other'));
    await log.flush();
    assert.deepEqual(pruned(), []);
    log.add(exchange(50));
    await log.flush();
    assert.deepEqual(pruned(), [['o', 'c', 500]]);
  });

  it('keeps nothing when it is switched off', async () => {
    const { log, written } = scene(0);
    log.add(exchange(1));
    await log.close();
    assert.deepEqual([log.isEnabled, written()], [false, []]);
  });
});
