import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';

import { currentTraceId, extractTrace, injectTrace, startTracing, withSpan } from '../src/index.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const INCOMING = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`, tracestate: 'vendor=value' };

describe('tracing', () => {
  it('is a plain call until it is started', async () => {
    assert.equal(await withSpan('x', { parent: extractTrace(INCOMING) }, () => Promise.resolve(5)), 5);
    assert.equal(currentTraceId(), undefined);
    assert.deepEqual(injectTrace({}), {});
  });

  it('passes a trace through without an exporter, unchanged', async () => {
    const tracing = startTracing({ service: 'test' });
    try {
      await withSpan('outer', { parent: extractTrace(INCOMING) }, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(currentTraceId(), TRACE_ID);
        assert.deepEqual(injectTrace({}), INCOMING);
      });
      assert.deepEqual(injectTrace({}), {}, 'and only inside the span');
    } finally {
      await tracing.shutdown();
    }
    await tracing.shutdown();
    assert.deepEqual(injectTrace({}), {});
  });

  it('ignores a malformed traceparent (W3C Trace Context §3.2.2)', async () => {
    const tracing = startTracing({ service: 'test' });
    try {
      for (const traceparent of [
        '',
        'nonsense',
        `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
        `ff-${TRACE_ID}-b7ad6b7169203331-01`,
      ]) {
        await withSpan('x', { parent: extractTrace({ traceparent }) }, () => {
          assert.equal(currentTraceId(), undefined);
          return Promise.resolve();
        });
      }
    } finally {
      await tracing.shutdown();
    }
  });

  it('passes results and failures on', async () => {
    const tracing = startTracing({ service: 'test', otlpUrl: 'http://127.0.0.1:1/v1/traces', sampleRatio: 1 });
    try {
      assert.equal(await withSpan('x', {}, () => Promise.resolve('value')), 'value');
      await assert.rejects(
        withSpan('x', {}, () => Promise.reject(new RangeError('as it was'))),
        /as it was/,
      );
      assert.match(injectTrace({})['traceparent'] ?? 'none', /none/);
      await withSpan('x', { parent: extractTrace(INCOMING) }, () => {
        assert.match(injectTrace({})['traceparent'] ?? '', new RegExp(`^00-${TRACE_ID}-(?!b7ad6b7169203331)`));
        return Promise.resolve();
      });
    } finally {
      await tracing.shutdown();
    }
  });

  it('works after the intrinsics were frozen, exporter, metrics and logger included', async () => {
    const bodies: string[] = [];
    const collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString());
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    try {
      const url = `http://127.0.0.1:${String((collector.address() as AddressInfo).port)}/v1/traces`;
      const program = new URL('hardened.ts', import.meta.url).pathname;
      const { stdout } = await promisify(execFile)(process.execPath, [program, url], { timeout: 15_000 });
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.deepEqual(
        lines.map(({ msg }) => msg),
        ['before', 'inside', 'after'],
      );
      assert.equal(lines[1]?.['traceId'], TRACE_ID);
      assert.equal(lines[2]?.['metricsRendered'], true);
      assert.deepEqual(lines[2]['lazyModules'], [], 'nothing was loaded after the freeze');
      assert.equal(bodies.length, 1);
      assert.match(bodies[0] ?? '', /hardened span/);
      assert.match(bodies[0] ?? '', new RegExp(TRACE_ID));
      assert.doesNotMatch(bodies[0] ?? '', /hunter2/, 'messages of errors are not exported');
    } finally {
      collector.close();
    }
  });
});
