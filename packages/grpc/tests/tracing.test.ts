import assert from 'node:assert/strict';

import { currentTraceId, extractTrace, startTracing, withSpan } from '@sallyport/telemetry';

import { World, answer, decisionService, question } from './world.ts';

describe('traces across gRPC', () => {
  it('pass from caller to handler, and from there on (W3C Trace Context)', async () => {
    const tracing = startTracing({ service: 'test' });
    const world = await World.create();
    try {
      const traceId = '0af7651916cd43dd8448eb211c80319c';
      const seen: (string | undefined)[] = [];
      const inner = await world.server([
        decisionService(() => {
          seen.push(currentTraceId());
          return Promise.resolve(answer(''));
        }),
      ]);
      const next = await world.decisionClient(inner.port);
      const outer = await world.server([
        decisionService(async () => {
          seen.push(currentTraceId());
          return await next.unary('check', question(), { deadlineMs: 10_000 });
        }),
      ]);
      const client = await world.decisionClient(outer.port);
      const parent = extractTrace({ traceparent: `00-${traceId}-b7ad6b7169203331-01` });
      await withSpan('test', { parent }, () => client.unary('check', question(), { deadlineMs: 10_000 }));
      await client.unary('check', question(), { deadlineMs: 10_000 });
      assert.deepEqual(seen, [traceId, traceId, undefined, undefined]);
    } finally {
      await world.dispose();
      await tracing.shutdown();
    }
  });
});
