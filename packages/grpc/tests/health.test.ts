import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import {
  HealthClient,
  HealthCheckResponse_ServingStatus as Serving,
  type HealthService,
} from '@sallyport/proto/grpc/health/v1';

import { createGrpcClient, type GrpcClient } from '../src/index.ts';
import { DEPLOYMENT, World, answer, decisionService } from './world.ts';

const SERVICE = 'sallyport.policy.v1.DecisionService';

describe('health', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.create();
  });
  afterEach(() => world.dispose());

  const healthClient = async (port: number): Promise<GrpcClient<HealthService>> => {
    const client = createGrpcClient(HealthClient, {
      address: `127.0.0.1:${String(port)}`,
      // Any service of the deployment may ask.
      tls: await world.certificate('operator'),
      serverName: 'policy',
      deployment: DEPLOYMENT,
      logger: world.kept.logger,
    });
    world.onDispose(() => {
      client.close();
    });
    return client;
  };

  it('answers for the server and for each of its services; NOT_FOUND for others', async () => {
    const { port, health } = await world.server([decisionService(() => Promise.resolve(answer('')))]);
    const client = await healthClient(port);
    const status = async (service: string) => (await client.unary('check', { service }, { deadlineMs: 10_000 })).status;
    assert.equal(await status(''), Serving.SERVING);
    assert.equal(await status(SERVICE), Serving.SERVING);
    health.setServing(false, SERVICE);
    assert.equal(await status(''), Serving.SERVING);
    assert.equal(await status(SERVICE), Serving.NOT_SERVING);
    await assert.rejects(status('unknown'), (error) => isAppError(error) && error.code === 'NOT_FOUND');
  });

  it('tells a watcher every change, and NOT_SERVING before a drain ends the stream', async () => {
    const server = await world.server([decisionService(() => Promise.resolve(answer('')))]);
    const client = await healthClient(server.port);
    const stream = client.serverStream('watch', { service: SERVICE });
    const next = async () => (await stream.next()).value?.status;
    assert.equal(await next(), Serving.SERVING);
    server.health.setServing(false);
    assert.equal(await next(), Serving.NOT_SERVING);
    server.health.setServing(true);
    assert.equal(await next(), Serving.SERVING);
    const drained = server.drain();
    await assert.rejects(
      async () => {
        for (;;) assert.equal(await next(), Serving.NOT_SERVING);
      },
      (error) => isAppError(error) && error.code === 'UNAVAILABLE',
    );
    await drained;
  });

  it('says SERVICE_UNKNOWN to a watcher of a service that is not there', async () => {
    const { port } = await world.server([]);
    const client = await healthClient(port);
    const stream = client.serverStream('watch', { service: 'unknown' });
    assert.equal((await stream.next()).value?.status, Serving.SERVICE_UNKNOWN);
    stream.cancel();
  });
});
