import assert from 'node:assert/strict';
import { setImmediate as aTurn } from 'node:timers/promises';

import { isAppError } from '@sallyport/errors';
import { experiencedMs } from '@sallyport/testing';

import { World, answer, decisionService, question } from './world.ts';

const DEAD_FOR_MS = 2_500;
const service = () => decisionService(() => Promise.resolve(answer('')));

describe('a peer that was dead and is back', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.create();
  });
  afterEach(() => world.dispose());

  it('answers the first call that waits for a connection, however long the channel would still back off', async () => {
    const server = await world.server([service()]);
    const client = await world.decisionClient(server.port);
    await client.unary('check', question(), { deadlineMs: 10_000 });
    await server.close();
    const failing = (): Promise<unknown> => client.unary('check', question(), { deadlineMs: 5_000 });
    // The longer nobody answers, the longer the channel backs off.
    for (const deadMs = performance.now(); performance.now() - deadMs < DEAD_FOR_MS; await aTurn())
      await assert.rejects(failing(), (error) => isAppError(error) && error.code === 'UNAVAILABLE');
    await world.server([service()], { port: server.port });
    const tookMs = await experiencedMs(() =>
      client.unary('check', question(), { deadlineMs: 20_000, waitForReady: true }),
    );
    assert.ok(tookMs < 300, String(tookMs));
  });
});
