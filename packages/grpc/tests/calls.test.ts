import assert from 'node:assert/strict';

import { Metadata, credentials } from '@grpc/grpc-js';
import { AppError, ERROR_CODES, ERROR_REGISTRY, isAppError } from '@sallyport/errors';
import {
  DecisionServiceClient,
  DecisionServiceService,
  type CheckRequest,
  type CheckResponse,
} from '@sallyport/proto/policy/v1';
import { createMetrics } from '@sallyport/telemetry';
import { experiencedMs } from '@sallyport/testing';

import { MAX_MESSAGE_BYTES, grpcService, type ServerCall, type ServiceMethods } from '../src/index.ts';
import { World, answer, decisionService, question, type DecisionTestClient } from './world.ts';

const failure = async (promise: Promise<unknown>): Promise<AppError> => {
  const error: unknown = await promise.then(
    () => assert.fail('the call was answered'),
    (reason: unknown) => reason,
  );
  assert.ok(isAppError(error), String(error));
  return error;
};

describe('unary calls', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.create();
  });
  afterEach(() => world.dispose());

  const pair = async (
    run: (request: CheckRequest, call: ServerCall) => Promise<CheckResponse>,
    options: { maxDeadlineMs?: number } = {},
  ): Promise<DecisionTestClient> => {
    const { port } = await world.server([decisionService(run)], options);
    return await world.decisionClient(port);
  };

  describe('errors', () => {
    it('carries every code of the registry from handler to caller', async () => {
      let thrown: AppError = new AppError('INTERNAL', '');
      const client = await pair(() => Promise.reject(thrown));
      for (const code of ERROR_CODES) {
        thrown = new AppError(code, 'The detail.', { metadata: { id: 'x' }, fields: [{ pointer: '/a', code: 'B' }] });
        const error = await failure(client.unary('check', question(), { deadlineMs: 10_000 }));
        assert.equal(error.code, code);
        assert.equal(error.message, ERROR_REGISTRY[code].http >= 500 ? ERROR_REGISTRY[code].title : 'The detail.');
        assert.deepEqual(error.fields, thrown.fields);
      }
    });

    it('hides an unknown error from the caller and logs it with the request id', async () => {
      const client = await pair(() => Promise.reject(new TypeError('hunter2 leaked')));
      const error = await failure(client.unary('check', question(), { deadlineMs: 10_000, requestId: 'request-0001' }));
      assert.equal(error.code, 'INTERNAL');
      assert.doesNotMatch(JSON.stringify([error.message, error.metadata]), /hunter2/);
      const line = world.kept.lines.find((entry) => entry['msg'] === 'call failed');
      assert.equal(line?.['requestId'], 'request-0001');
      assert.match(JSON.stringify(line), /hunter2 leaked/);
    });

    it('treats a handler that throws at once like one that rejects', async () => {
      const client = await pair(() => {
        throw new AppError('STALE_BASE', 'It was changed.');
      });
      assert.equal((await failure(client.unary('check', question(), { deadlineMs: 10_000 }))).code, 'STALE_BASE');
    });

    it('logs a response that cannot be serialised', async () => {
      const client = await pair(() => Promise.resolve({ reason: Symbol('odd') } as unknown as CheckResponse));
      assert.equal((await failure(client.unary('check', question(), { deadlineMs: 10_000 }))).code, 'INTERNAL');
      assert.ok(world.kept.lines.some((entry) => entry['msg'] === 'a response could not be serialised'));
    });
  });

  describe('who may call what', () => {
    it('denies a method of the definition that has no entry, to everybody', async () => {
      const client = await pair(() => Promise.resolve(answer('')));
      const error = await failure(client.unary('checkMany', { checks: [] }, { deadlineMs: 10_000 }));
      assert.equal(error.code, 'PERMISSION_DENIED');
      assert.equal(error.metadata['method'], '/sallyport.policy.v1.DecisionService/CheckMany');
    });

    it('denies a method whose list is empty', async () => {
      const { port } = await world.server([decisionService(() => Promise.resolve(answer('')), [])]);
      const client = await world.decisionClient(port);
      const error = await failure(client.unary('check', question(), { deadlineMs: 10_000 }));
      assert.equal(error.code, 'PERMISSION_DENIED');
    });

    it('does not take a method name of Object.prototype for an entry', () => {
      const definition: ServiceMethods = { toString: DecisionServiceService.check };
      const service = grpcService(definition, {});
      assert.equal(service.methods.find(({ name }) => name === 'toString')?.handler, null);
    });

    it('answers a service it does not serve with NOT_IMPLEMENTED: no reflection, no channelz', async () => {
      const { port } = await world.server([]);
      const client = await world.decisionClient(port);
      assert.equal((await failure(client.unary('check', question(), { deadlineMs: 10_000 }))).code, 'NOT_IMPLEMENTED');
    });
  });

  describe('deadlines', () => {
    it('sends no call without one', async () => {
      let handled = 0;
      const client = await pair(() => {
        handled += 1;
        return Promise.resolve(answer(''));
      });
      for (const deadlineMs of [0, -1, Number.NaN, Infinity, undefined as unknown as number]) {
        assert.equal((await failure(client.unary('check', question(), { deadlineMs }))).code, 'INTERNAL');
      }
      assert.equal(handled, 0);
    });

    it('fails at the deadline, on both sides', async () => {
      const aborted = Promise.withResolvers<unknown>();
      const client = await pair((_request, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted.resolve(signal.reason);
        });
        return new Promise(() => undefined);
      });
      const tookMs = await experiencedMs(async () => {
        const error = await failure(client.unary('check', question(), { deadlineMs: 100 }));
        assert.equal(error.code, 'DEADLINE_EXCEEDED');
      });
      assert.ok(tookMs < 1_000, String(tookMs));
      const reason = await aborted.promise;
      assert.ok(isAppError(reason) && ['DEADLINE_EXCEEDED', 'CANCELLED'].includes(reason.code));
    });

    it('tells the handler how long it has', async () => {
      let given = 0;
      const client = await pair((_request, call) => {
        given = call.deadlineMs;
        assert.ok(call.remainingMs() <= call.deadlineMs);
        return Promise.resolve(answer(''));
      });
      await client.unary('check', question(), { deadlineMs: 300 });
      assert.ok(given > 0 && given <= 300, String(given));
      await client.unary('check', question(), { deadlineMs: 60_000 });
      assert.ok(given <= 5_000, 'the server allows 5 s at most');
    });

    it('ends a call that came without one at the limit of the server', async () => {
      const { port } = await world.server([decisionService(() => new Promise(() => undefined))], {
        maxDeadlineMs: 150,
      });
      const { ca, cert, key } = await world.certificate('flags');
      const raw = new DecisionServiceClient(
        `127.0.0.1:${String(port)}`,
        credentials.createSsl(ca, key, cert, { checkServerIdentity: () => undefined }),
        { 'grpc.ssl_target_name_override': 'policy' },
      );
      world.onDispose(() => {
        raw.close();
      });
      const code = await new Promise((resolve) => {
        raw.check(question(), new Metadata(), (error) => {
          resolve(error?.code);
        });
      });
      assert.equal(code, 4, 'DEADLINE_EXCEEDED');
    });

    it('cancels the call when the caller gives up, and passes the reason', async () => {
      const aborted = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      const client = await pair((_request, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted.resolve();
        });
        started.resolve();
        return new Promise(() => undefined);
      });
      const controller = new AbortController();
      const pending = failure(client.unary('check', question(), { deadlineMs: 5_000, signal: controller.signal }));
      await started.promise;
      controller.abort(new AppError('CANCELLED', 'The browser is gone.'));
      assert.equal((await pending).message, 'The browser is gone.');
      await aborted.promise;
      const late = await failure(client.unary('check', question(), { deadlineMs: 10_000, signal: controller.signal }));
      assert.equal(late.code, 'CANCELLED');
    });
  });

  describe('limits', () => {
    const big = 'x'.repeat(MAX_MESSAGE_BYTES + 1);

    it('does not send a request above 4 MiB', async () => {
      let handled = 0;
      const client = await pair(() => {
        handled += 1;
        return Promise.resolve(answer(''));
      });
      const error = await failure(client.unary('check', question(big), { deadlineMs: 10_000 }));
      assert.equal(error.code, 'PAYLOAD_TOO_LARGE');
      assert.equal(handled, 0);
      assert.equal((await client.unary('check', question(), { deadlineMs: 10_000 })).reason, '', 'the channel is fine');
    });

    for (const [what, compression] of [
      ['a request above 4 MiB from a client without a limit', {}],
      ['a small request that grows above 4 MiB when unpacked', { 'grpc.default_compression_algorithm': 2 }],
    ] as const) {
      it(`does not read ${what}`, async () => {
        let handled = 0;
        const service = decisionService(() => {
          handled += 1;
          return Promise.resolve(answer(''));
        });
        const { port } = await world.server([service]);
        const { ca, cert, key } = await world.certificate('flags');
        const raw = new DecisionServiceClient(
          `127.0.0.1:${String(port)}`,
          credentials.createSsl(ca, key, cert, { checkServerIdentity: () => undefined }),
          { ...compression, 'grpc.ssl_target_name_override': 'policy' },
        );
        world.onDispose(() => {
          raw.close();
        });
        const code = await new Promise((resolve) => {
          raw.check(question(big), (error) => {
            resolve(error?.code);
          });
        });
        assert.equal(code, 8, 'RESOURCE_EXHAUSTED');
        assert.equal(handled, 0);
      });
    }

    it('does not send a response above 4 MiB', async () => {
      const client = await pair(() => Promise.resolve(answer(big)));
      const error = await failure(client.unary('check', question(), { deadlineMs: 10_000 }));
      assert.equal(error.code, 'PAYLOAD_TOO_LARGE');
    });
  });

  describe('what is passed on', () => {
    it('passes the request id, and makes one where there is none or an odd one', async () => {
      const seen: string[] = [];
      const client = await pair((_request, call) => {
        seen.push(call.requestId);
        return Promise.resolve(answer(''));
      });
      await client.unary('check', question(), { deadlineMs: 10_000, requestId: 'request-0001' });
      await client.unary('check', question(), { deadlineMs: 10_000 });
      await client.unary('check', question(), { deadlineMs: 10_000, requestId: 'short' });
      assert.equal(seen[0], 'request-0001');
      assert.match(seen[1] ?? '', /^[0-9a-f-]{36}$/);
      assert.match(seen[2] ?? '', /^[0-9a-f-]{36}$/);
    });

    it('counts calls and their time by method and code', async () => {
      const metrics = createMetrics('policy', { processMetrics: false });
      const service = decisionService(({ orgId }) =>
        orgId === 'bad' ? Promise.reject(new AppError('NOT_FOUND', 'No.')) : Promise.resolve(answer('')),
      );
      const { port } = await world.server([service], { metrics });
      const client = await world.decisionClient(port);
      await client.unary('check', question(), { deadlineMs: 10_000 });
      await client.unary('check', question(), { deadlineMs: 10_000 });
      await failure(client.unary('check', question('bad'), { deadlineMs: 10_000 }));
      await failure(client.unary('checkMany', { checks: [] }, { deadlineMs: 10_000 }));
      const { body } = await metrics.render();
      const count = (method: string, code: string): string | undefined =>
        new RegExp(
          `policy_grpc_server_duration_seconds_count\\{.*method="/sallyport.policy.v1.DecisionService/${method}",code="${code}".*\\} (\\d+)`,
        ).exec(body)?.[1];
      assert.deepEqual(
        [count('Check', 'OK'), count('Check', 'NOT_FOUND'), count('CheckMany', 'PERMISSION_DENIED')],
        ['2', '1', '1'],
      );
    });
  });

  it('says that an address is taken in a sentence', async () => {
    const { port } = await world.server([]);
    const error = await failure(world.server([], { port }));
    assert.equal(error.message, `Cannot listen on 127.0.0.1:${String(port)}.`);
  });

  it('fails at once after the client was closed', async () => {
    const { port } = await world.server([]);
    const client = await world.decisionClient(port);
    client.close();
    assert.equal((await failure(client.unary('check', question(), { deadlineMs: 10_000 }))).code, 'UNAVAILABLE');
  });

  it('fails at once when nobody listens', async () => {
    const server = await world.server([]);
    await server.close();
    const client = await world.decisionClient(server.port);
    const error = await failure(client.unary('check', question(), { deadlineMs: 10_000 }));
    assert.equal(error.code, 'UNAVAILABLE');
  });
});
