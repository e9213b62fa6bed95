import assert from 'node:assert/strict';

import { createMetrics, metricName } from './metrics.ts';

describe('metrics', () => {
  it('names them service, noun, unit, and _total for counters', () => {
    assert.equal(metricName('policy', 'decisions_total', 'counter'), 'policy_decisions_total');
    assert.equal(metricName('demo-idp', 'push_duration_seconds', 'histogram'), 'demo_idp_push_duration_seconds');
    assert.equal(metricName('identity', 'feed_head_position', 'gauge'), 'identity_feed_head_position');
    for (const [name, kind] of [
      ['decisions', 'counter'],
      ['decisions_total', 'gauge'],
      ['latency_ms', 'histogram'],
      ['Bad_total', 'counter'],
      ['', 'counter'],
    ] as const) {
      assert.throws(() => metricName('policy', name, kind), /is not the name of a/);
    }
  });

  it('returns the same metric for the same name', async () => {
    const metrics = createMetrics('policy', { processMetrics: false });
    const options = { name: 'decisions_total', help: 'Decisions', labels: ['outcome'] } as const;
    metrics.counter(options).inc({ outcome: 'allow' });
    metrics.counter(options).inc({ outcome: 'allow' });
    const { body, contentType } = await metrics.render();
    assert.match(body, /^policy_decisions_total\{outcome="allow",service="policy"\} 2$/m);
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  });

  it('measures the process and the delay of its event loop', async () => {
    const { body } = await createMetrics('policy').render();
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
    ])
      assert.match(body, new RegExp(`^${name}\\{service="policy"\\} `, 'm'));
  });

  it('measures HTTP requests by route template', async () => {
    const metrics = createMetrics('flags', { processMetrics: false });
    metrics.observeHttp({ method: 'GET', route: '/api/flags/v1/projects/:projectId', status: 404 }, 0.02);
    const { body } = await metrics.render();
    assert.match(
      body,
      /flags_http_request_duration_seconds_count\{.*route="\/api\/flags\/v1\/projects\/:projectId",status="404".*\} 1/,
    );
  });

  it('keeps the metrics of two services of one process apart', async () => {
    const [a, b] = [createMetrics('a', { processMetrics: false }), createMetrics('b', { processMetrics: false })];
    a.counter({ name: 'calls_total', help: 'h' }).inc();
    assert.doesNotMatch((await b.render()).body, /calls_total/);
  });
});
