import assert from 'node:assert/strict';

import { AppError, isAppError } from '@sallyport/errors';
import {
  FollowRequest,
  FollowResponse,
  SnapshotResponse,
  SubjectFeedServiceService,
} from '@sallyport/proto/identity/v1';

import { bidi, grpcService, serverStream, type BidiStream, type ServerCall } from '../src/index.ts';
import { World, feedService, type FeedTestClient } from './world.ts';

const renew = (nonce: bigint): FollowRequest =>
  FollowRequest.fromPartial({ message: { $case: 'renew', value: { nonce } } });
const grant = (nonce: bigint, digest = Buffer.alloc(0)): FollowResponse =>
  FollowResponse.fromPartial({ message: { $case: 'grant', value: { nonce, digest } } });
const nonceOf = ({ message }: FollowRequest | FollowResponse): bigint =>
  message?.$case === 'renew' || message?.$case === 'grant' ? message.value.nonce : -1n;

const failureOf = async (promise: Promise<unknown>): Promise<AppError> => {
  const error: unknown = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(isAppError(error), String(error));
  return error;
};

type Run = (stream: BidiStream<FollowRequest, FollowResponse>, call: ServerCall) => Promise<void>;

describe('streams', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.create();
  });
  afterEach(() => world.dispose());

  const pair = async (run: Run, limits = {}): Promise<FeedTestClient> => {
    const { port } = await world.server([feedService(run, limits)]);
    return await world.feedClient(port);
  };

  it('carries messages both ways in order, and ends OK when the handler returns', async () => {
    const client = await pair(async (stream) => {
      for await (const message of stream) await stream.write(grant(nonceOf(message)));
    });
    const stream = client.bidi('follow');
    const answers: bigint[] = [];
    for (let nonce = 0n; nonce < 200n; nonce += 1n) assert.equal(stream.offer(renew(nonce)), true);
    stream.end();
    for await (const message of stream) answers.push(nonceOf(message));
    assert.deepEqual(
      answers,
      Array.from({ length: 200 }, (_, index) => BigInt(index)),
    );
    assert.equal(await stream.closed, null);
    assert.equal((await failureOf(stream.write(renew(1n)))).code, 'CANCELLED', 'nothing can be written afterwards');
    assert.equal(stream.offer(renew(1n)), false);
  });

  it('hands out what arrived before a failure, then the failure', async () => {
    const client = await pair(async (stream) => {
      await stream.write(grant(1n));
      await stream.write(grant(2n));
      throw new AppError('CONFLICT', 'Start over.', { metadata: { logId: 'b' } });
    });
    const stream = client.bidi('follow');
    assert.equal(nonceOf((await stream.next()).value ?? grant(0n)), 1n);
    assert.equal(nonceOf((await stream.next()).value ?? grant(0n)), 2n);
    const error = await failureOf(stream.next());
    assert.equal(error.code, 'CONFLICT');
    assert.deepEqual(error.metadata, { logId: 'b' });
    assert.equal((await stream.closed)?.code, 'CONFLICT');
  });

  it('refuses a stream of a method without an entry, and of a service that is not listed', async () => {
    const { port } = await world.server([grpcService(SubjectFeedServiceService, {})]);
    const client = await world.feedClient(port);
    assert.equal((await failureOf(client.bidi('follow').next())).code, 'PERMISSION_DENIED');
    assert.equal((await failureOf(client.serverStream('snapshot', { orgId: 'a' }).next())).code, 'PERMISSION_DENIED');
    const other = await world.server([feedService(() => Promise.resolve())]);
    const stranger = await world.feedClient(other.port, { tls: await world.certificate('operator') });
    assert.equal((await failureOf(stranger.bidi('follow').next())).code, 'PERMISSION_DENIED');
  });

  it('aborts the handler when the reader leaves the loop', async () => {
    const aborted = Promise.withResolvers<AppError>();
    const client = await pair(async (stream, { signal }) => {
      signal.addEventListener('abort', () => {
        aborted.resolve(signal.reason as AppError);
      });
      await stream.write(grant(1n));
      await stream.next();
    });
    const stream = client.bidi('follow');
    for await (const message of stream) {
      assert.equal(nonceOf(message), 1n);
      break;
    }
    assert.equal((await aborted.promise).code, 'CANCELLED');
    assert.equal((await stream.closed)?.code, 'CANCELLED');
  });

  it('cancels through a signal, and tells the reader its reason', async () => {
    const controller = new AbortController();
    const client = await pair(async (stream) => {
      await stream.next();
    });
    const stream = client.bidi('follow', { signal: controller.signal });
    const pending = failureOf(stream.next());
    controller.abort(new AppError('CANCELLED', 'The replica shuts down.'));
    assert.equal((await pending).message, 'The replica shuts down.');
    const late = client.bidi('follow', { signal: controller.signal });
    assert.equal((await failureOf(late.next())).message, 'The replica shuts down.');
  });

  it('ends a stream at its own deadline', async () => {
    const client = await pair(async (stream) => {
      await stream.next();
    });
    const stream = client.bidi('follow', { deadlineMs: 100 });
    assert.equal((await failureOf(stream.next())).code, 'DEADLINE_EXCEEDED');
  });

  it('tells the writing handler that the peer is gone', async () => {
    const failed = Promise.withResolvers<AppError>();
    const client = await pair(async (stream) => {
      await stream.next();
      try {
        for (;;) await stream.write(grant(1n));
      } catch (error) {
        failed.resolve(error as AppError);
        throw error;
      }
    });
    const stream = client.bidi('follow');
    await stream.write(renew(1n));
    await stream.next();
    stream.cancel();
    assert.equal((await failed.promise).code, 'CANCELLED');
  });

  describe('with a consumer that does not read', () => {
    const bulk = Buffer.alloc(64 * 1024);
    // Reads one message and then nothing: flow control closes the stream's window.
    const silentReader = async (client: FeedTestClient) => {
      const stream = client.bidi('follow');
      await stream.write(renew(1n));
      await stream.next();
      return stream;
    };

    it('write waits for room, and drops the stream when none comes', async () => {
      const dropped = Promise.withResolvers<{ error: AppError; written: number }>();
      const run: Run = async (stream) => {
        await stream.next();
        let written = 0;
        try {
          for (; written < 10_000; written += 1) await stream.write(grant(1n, bulk));
        } catch (error) {
          dropped.resolve({ error: error as AppError, written });
          throw error;
        }
      };
      const client = await pair(run, { stallMs: 200 });
      const stream = await silentReader(client);
      const { error, written } = await dropped.promise;
      assert.equal(error.code, 'RATE_LIMITED');
      assert.ok(written < 200, `${String(written)} messages were buffered`);
      assert.notEqual(await stream.closed, null, 'the client learns of it');
      assert.ok(world.kept.lines.some(({ msg }) => String(msg).startsWith('stream dropped')));
    });

    it('offer never waits, and drops the stream when its buffer is full', async () => {
      const dropped = Promise.withResolvers<number>();
      const client = await pair(
        async (stream, { signal }) => {
          await stream.next();
          let offered = 0;
          while (stream.offer(grant(1n, bulk))) offered += 1;
          dropped.resolve(offered);
          assert.equal(signal.aborted, true);
          assert.equal(stream.offer(grant(1n)), false, 'a dropped stream takes nothing more');
        },
        { maxBufferedMessages: 50 },
      );
      const stream = client.bidi('follow');
      await stream.write(renew(1n));
      assert.ok((await dropped.promise) <= 50);
      assert.notEqual(await stream.closed, null);
    });

    it('a handler that has ended does not stay open for it', async () => {
      const client = await pair(
        async (stream) => {
          await stream.next();
          for (let count = 0; count < 60; count += 1) stream.offer(grant(1n, bulk));
        },
        { stallMs: 200 },
      );
      const stream = await silentReader(client);
      assert.notEqual(await stream.closed, null);
    });

    it('does not slow down another stream of the same connection', async () => {
      const client = await pair(async (stream) => {
        for await (const message of stream) {
          if (nonceOf(message) === 1n) for (let count = 0; count < 60; count += 1) stream.offer(grant(1n, bulk));
          else await stream.write(grant(nonceOf(message)));
        }
      });
      await silentReader(client);
      const other = client.bidi('follow');
      for (let nonce = 2n; nonce < 20n; nonce += 1n) {
        await other.write(renew(nonce));
        assert.equal(nonceOf((await other.next()).value ?? grant(0n)), nonce);
      }
      other.cancel();
    });
  });

  it('streams from the server alone', async () => {
    const service = grpcService(SubjectFeedServiceService, {
      snapshot: {
        allow: ['flags'],
        handler: serverStream(async ({ orgId }, stream, call) => {
          assert.equal(call.peer, 'flags');
          for (const part of [1, 2, 3]) {
            await stream.write(SnapshotResponse.fromPartial({ logId: `${orgId}${String(part)}` }));
          }
        }),
      },
      follow: { allow: [], handler: bidi(() => Promise.resolve()) },
    });
    const { port } = await world.server([service]);
    const client = await world.feedClient(port);
    const parts: string[] = [];
    for await (const part of client.serverStream('snapshot', { orgId: 'org' })) parts.push(part.logId);
    assert.deepEqual(parts, ['org1', 'org2', 'org3']);
  });
});
