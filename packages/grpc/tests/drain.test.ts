import assert from 'node:assert/strict';

import { isAppError, type AppError } from '@sallyport/errors';
import { FollowResponse } from '@sallyport/proto/identity/v1';
import { experiencedMs } from '@sallyport/testing';

import { TcpProxy, World, answer, decisionService, feedService, question } from './world.ts';

const codeOf = (error: unknown): string => (isAppError(error) ? error.code : String(error));

describe('drain', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.create();
  });
  afterEach(() => world.dispose());

  it('answers every call it has started, under load, and refuses the rest as UNAVAILABLE', async () => {
    const handled = new Set<string>();
    const enough = Promise.withResolvers<void>();
    const server = await world.server([
      decisionService(async ({ orgId }) => {
        handled.add(orgId);
        if (handled.size === 500) enough.resolve();
        // Yields to the event loop, so that many calls are under way at any moment.
        await new Promise((resolve) => setImmediate(resolve));
        return answer(orgId);
      }),
    ]);
    const clients = await Promise.all([1, 2, 3].map(() => world.decisionClient(server.port)));
    const answered = new Set<string>();
    const failures = new Map<string, number>();
    const load = new AbortController();
    const worker = async (index: number): Promise<void> => {
      const client = clients[index % clients.length];
      for (let count = 0; !load.signal.aborted; count += 1) {
        const id = `${String(index)}-${String(count)}`;
        try {
          const { reason } = (await client?.unary('check', question(id), { deadlineMs: 10_000 })) ?? { reason: '' };
          assert.equal(reason, id);
          answered.add(id);
        } catch (error) {
          failures.set(codeOf(error), (failures.get(codeOf(error)) ?? 0) + 1);
          return;
        }
      }
    };
    const workers = Array.from({ length: 60 }, (_, index) => worker(index));
    await enough.promise;
    await server.drain();
    load.abort();
    await Promise.all(workers);

    assert.deepEqual(
      [...handled].filter((id) => !answered.has(id)),
      [],
      'handled but not answered',
    );
    assert.ok(answered.size >= 500);
    assert.deepEqual(
      [...failures.keys()].filter((code) => code !== 'UNAVAILABLE'),
      [],
    );
    assert.equal(
      world.kept.lines.some(({ msg }) => String(msg).startsWith('drain took too long')),
      false,
    );
  });

  it('ends streams with UNAVAILABLE and a hint to come back at once', async () => {
    const aborted = Promise.withResolvers<AppError>();
    const server = await world.server([
      feedService(async (stream, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted.resolve(signal.reason as AppError);
        });
        await stream.write(FollowResponse.fromPartial({}));
        // A handler that does not listen must not hold the drain up.
        await new Promise(() => undefined);
      }),
    ]);
    const client = await world.feedClient(server.port);
    const stream = client.bidi('follow');
    await stream.next();
    await server.drain(2_000);
    const failure = await stream.closed;
    assert.equal(failure?.code, 'UNAVAILABLE');
    assert.equal(failure.retryAfterSeconds, 0);
    assert.equal((await aborted.promise).code, 'UNAVAILABLE');
  });

  it('cuts off what has not answered in time', async () => {
    const started = Promise.withResolvers<void>();
    const server = await world.server([
      decisionService(() => {
        started.resolve();
        return new Promise(() => undefined);
      }),
    ]);
    const client = await world.decisionClient(server.port);
    const pending = client.unary('check', question(), { deadlineMs: 5_000 }).catch((error: unknown) => error);
    await started.promise;
    const tookMs = await experiencedMs(async () => {
      await server.drain(200);
      const error = await pending;
      assert.ok(isAppError(error));
      assert.ok(['UNAVAILABLE', 'CANCELLED'].includes(error.code), error.code);
    });
    assert.ok(tookMs < 2_000, String(tookMs));
  });

  it('takes no new connections, and can be asked twice', async () => {
    const server = await world.server([decisionService(() => Promise.resolve(answer('')))]);
    await Promise.all([server.drain(), server.drain()]);
    const client = await world.decisionClient(server.port);
    const error: unknown = await client.unary('check', question(), { deadlineMs: 10_000 }).catch((e: unknown) => e);
    assert.equal(codeOf(error), 'UNAVAILABLE');
  });
});

describe('connection age', () => {
  it('moves callers to a new connection without losing a call', async () => {
    const world = await World.create();
    try {
      const server = await world.server([decisionService(({ orgId }) => Promise.resolve(answer(orgId)))], {
        maxConnectionAgeMs: 150,
      });
      const proxy = new TcpProxy(server.port);
      world.onDispose(() => proxy.close());
      const client = await world.decisionClient(await proxy.listen());
      const worker = async (name: string): Promise<void> => {
        while (proxy.connections < 5) {
          const { reason } = await client.unary('check', question(name), { deadlineMs: 10_000 });
          assert.equal(reason, name);
        }
      };
      await Promise.all(Array.from({ length: 20 }, (_, index) => worker(String(index))));
    } finally {
      await world.dispose();
    }
  });
});
