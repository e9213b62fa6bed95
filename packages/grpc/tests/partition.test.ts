import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';

import { isAppError, type AppError } from '@sallyport/errors';
import { FollowResponse } from '@sallyport/proto/identity/v1';
import { experiencedMs } from '@sallyport/testing';

import { TcpProxy, World, answer, decisionService, feedService, question } from './world.ts';

const failureOf = async (promise: Promise<unknown>): Promise<AppError> => {
  const error: unknown = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(isAppError(error), String(error));
  return error;
};

/** Calls until one is answered. */
const untilAnswered = async (call: () => Promise<unknown>): Promise<void> => {
  const isAnswered = (): Promise<boolean> =>
    call().then(
      () => true,
      () => false,
    );
  while (!(await isAnswered()));
};

describe('a network that falls silent', () => {
  let world: World;
  let proxy: TcpProxy;
  let port: number;
  let serverSawEnd: Promise<AppError>;

  beforeEach(async () => {
    world = await World.create();
    const ended = Promise.withResolvers<AppError>();
    serverSawEnd = ended.promise;
    const server = await world.server([
      decisionService(({ orgId }) => (orgId === 'slow' ? new Promise(() => undefined) : Promise.resolve(answer('')))),
      feedService(async (stream, { signal }) => {
        signal.addEventListener('abort', () => {
          ended.resolve(signal.reason as AppError);
        });
        await stream.write(FollowResponse.fromPartial({}));
        await stream.next();
      }),
    ]);
    proxy = new TcpProxy(server.port);
    port = await proxy.listen();
    world.onDispose(() => proxy.close());
  });
  afterEach(() => world.dispose());

  it('fails a call within 2 s, however long its deadline', async () => {
    const client = await world.decisionClient(port);
    await client.unary('check', question(), { deadlineMs: 10_000 });
    proxy.partition();
    const tookMs = await experiencedMs(async () => {
      const error = await failureOf(client.unary('check', question(), { deadlineMs: 20_000 }));
      assert.equal(error.code, 'UNAVAILABLE');
    });
    assert.ok(tookMs < 2_000, String(tookMs));
  });

  it('fails a call with a short deadline at that deadline', async () => {
    const client = await world.decisionClient(port);
    await client.unary('check', question(), { deadlineMs: 10_000 });
    proxy.partition();
    const tookMs = await experiencedMs(async () => {
      const error = await failureOf(client.unary('check', question(), { deadlineMs: 300 }));
      assert.equal(error.code, 'DEADLINE_EXCEEDED');
    });
    assert.ok(tookMs < 600, String(tookMs));
  });

  it('ends a stream within 2 s at both ends, though neither sends anything', async () => {
    const client = await world.feedClient(port);
    const stream = client.bidi('follow');
    await stream.next();
    proxy.partition();
    const tookMs = await experiencedMs(async () => {
      assert.equal((await failureOf(stream.next())).code, 'UNAVAILABLE');
      assert.equal((await serverSawEnd).code, 'CANCELLED');
    });
    assert.ok(tookMs < 2_000, String(tookMs));
  });

  it('is in use again within 2 s after it heals, also when connections were tried meanwhile', async () => {
    const client = await world.decisionClient(port);
    const call = (): Promise<unknown> => client.unary('check', question(), { deadlineMs: 400 });
    await call();
    proxy.partition();
    const partitionedAtMs = performance.now();
    // Long enough for several connections that are accepted and never answered.
    while (performance.now() - partitionedAtMs < 4_000) await failureOf(call());
    proxy.heal();
    const tookMs = await experiencedMs(() => untilAnswered(call));
    assert.ok(tookMs < 2_000, String(tookMs));
  });

  it('lets go of a stream that waits for a connection', async () => {
    proxy.partition();
    const client = await world.feedClient(port);
    const tookMs = await experiencedMs(async () => {
      const error = await failureOf(client.bidi('follow').next());
      assert.equal(error.code, 'UNAVAILABLE');
    });
    assert.ok(tookMs < 3_000, String(tookMs));
    proxy.heal();
    const openedMs = await experiencedMs(() => untilAnswered(() => client.bidi('follow').next()));
    assert.ok(openedMs < 2_000, String(openedMs));
  });

  it('gives up a connection whose peer shakes hands and then says nothing (grpc-js would wait for ever)', async () => {
    const tls = await world.certificate('policy');
    const mute = createTlsServer({ ...tls, requestCert: true, ALPNProtocols: ['h2'] });
    const held: TLSSocket[] = [];
    mute.on('secureConnection', (socket) => {
      held.push(socket);
      socket.on('error', () => undefined);
      socket.resume();
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port: mutePort } = mute.address() as AddressInfo;
    const client = await world.decisionClient(mutePort);
    const tookMs = await experiencedMs(async () => {
      const error = await failureOf(client.unary('check', question(), { deadlineMs: 20_000 }));
      assert.equal(error.code, 'UNAVAILABLE');
    });
    assert.ok(tookMs < 3_000, String(tookMs));

    // The mute peer stops listening but keeps its connections: only a new connection can reach the real one.
    mute.close();
    await world.server([decisionService(() => Promise.resolve(answer('real')))], { port: mutePort });
    await untilAnswered(() => client.unary('check', question(), { deadlineMs: 3_000 }));
    for (const socket of held) socket.destroy();
  });
});
