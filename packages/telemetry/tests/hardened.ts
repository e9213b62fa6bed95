// Run by tracing.test.ts in a process of its own: everything is imported, the intrinsics are frozen, then it works.
import { hardenProcess } from '@sallyport/http';
import { createRequire } from 'node:module';

import { createLogger, createMetrics, currentTraceId, extractTrace, startTracing, withSpan } from '../src/index.ts';

const url = process.argv[2] ?? '';
const logger = createLogger({ service: 'hardened' });
const metrics = createMetrics('hardened');
logger.info('before');
const tracing = startTracing({ service: 'hardened', otlpUrl: url, sampleRatio: 1 });

const { cache } = createRequire(import.meta.url);
hardenProcess();
const loaded = new Set(Object.keys(cache));

const parent = extractTrace({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
await withSpan('hardened span', { parent, kind: 'server' }, async () => {
  logger.child({ requestId: 'r' }).info({ traceId: currentTraceId() }, 'inside');
  await withSpan('failing span', {}, () => Promise.reject(new TypeError('hunter2'))).catch(() => undefined);
});
metrics.counter({ name: 'calls_total', help: 'h', labels: ['a'] }).inc({ a: 'b' });
const { body } = await metrics.render();
await tracing.shutdown();
logger.info(
  {
    metricsRendered: body.includes('hardened_calls_total{a="b"'),
    lazyModules: Object.keys(cache).filter((name) => !loaded.has(name)),
  },
  'after',
);
