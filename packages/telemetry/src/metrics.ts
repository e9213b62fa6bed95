import { AppError } from '@sallyport/errors';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export interface MetricOptions<Label extends string> {
  /** Without the service: `grpc_calls_total`. See {@link metricName}. */
  readonly name: string;
  readonly help: string;
  /** Closed sets only: never an id, an address or anything a caller can invent. */
  readonly labels?: readonly Label[];
}

export interface HistogramOptions<Label extends string> extends MetricOptions<Label> {
  /** Upper bounds in the unit of the name; default {@link LATENCY_BUCKETS_SECONDS}. */
  readonly buckets?: readonly number[];
}

/** The metrics of a process. Asking again for a name returns the same metric. */
export interface Metrics {
  readonly registry: Registry;
  counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label>;
  gauge<Label extends string = never>(options: MetricOptions<Label>): Gauge<Label>;
  histogram<Label extends string = never>(options: HistogramOptions<Label>): Histogram<Label>;
  /** One finished HTTP request: `http_request_duration_seconds`. `route` is the template, never the path. */
  observeHttp(labels: { method: string; route: string; status: number }, seconds: number): void;
  /** The Prometheus text exposition and its content type. */
  render(): Promise<{ contentType: string; body: string }>;
}

/** From a policy decision (0.1 ms) to the longest deadline (5 s). */
export const LATENCY_BUCKETS_SECONDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

type MetricKind = 'counter' | 'gauge' | 'histogram';

const SHAPE = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/;
const UNITS: Readonly<Record<MetricKind, RegExp>> = {
  counter: /_total$/,
  gauge: /_(?:seconds|bytes|ratio|count|position|info)$/,
  histogram: /_(?:seconds|bytes|ratio|count)$/,
};

/**
 * `<service>_<noun>_<unit>` with `_total` last on counters, for example `policy_decisions_total` or
 * `identity_grpc_call_duration_seconds`. Units are base units (seconds, bytes, ratio, count, position).
 *
 * @throws INTERNAL when the name has another shape: a programming error, found by the first test that runs the code.
 */
export const metricName = (service: string, name: string, kind: MetricKind): string => {
  const full = `${service.replaceAll('-', '_')}_${name}`;
  if (!SHAPE.test(full) || !UNITS[kind].test(name)) {
    throw new AppError('INTERNAL', `"${full}" is not the name of a ${kind}: it must end in ${UNITS[kind].source}`);
  }
  return full;
};

export interface CreateMetricsOptions {
  /** Process metrics and the event loop delay histogram (`nodejs_eventloop_lag_*`); default true. */
  readonly processMetrics?: boolean;
}

/** The metrics of one process, each labelled with its service. */
export const createMetrics = (service: string, options: CreateMetricsOptions = {}): Metrics => {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 10 });

  const known = new Map<string, Counter | Gauge | Histogram>();
  const once = <M extends Counter | Gauge | Histogram>(
    kind: MetricKind,
    wanted: MetricOptions<string>,
    create: (name: string) => M,
  ): M => {
    const name = metricName(service, wanted.name, kind);
    const existing = known.get(name);
    // The suffix rules keep counters apart from the others; a gauge and a histogram of one name would be a mistake.
    if (existing !== undefined) return existing as M;
    const metric = create(name);
    known.set(name, metric);
    return metric;
  };
  const base = <L extends string>(name: string, wanted: MetricOptions<L>) => ({
    name,
    help: wanted.help,
    labelNames: [...(wanted.labels ?? [])],
    registers: [registry],
  });

  const histogram = <L extends string>(wanted: HistogramOptions<L>): Histogram<L> =>
    once(
      'histogram',
      wanted,
      (name) => new Histogram<L>({ ...base(name, wanted), buckets: [...(wanted.buckets ?? LATENCY_BUCKETS_SECONDS)] }),
    );
  const httpDuration = (): Histogram<'method' | 'route' | 'status'> =>
    histogram({
      name: 'http_request_duration_seconds',
      help: 'HTTP requests by route template and status',
      labels: ['method', 'route', 'status'],
    });

  return {
    registry,
    histogram,
    observeHttp: (labels, seconds) => {
      httpDuration().observe(labels, seconds);
    },
    counter: <L extends string>(wanted: MetricOptions<L>) =>
      once('counter', wanted, (name) => new Counter<L>(base(name, wanted))),
    gauge: <L extends string>(wanted: MetricOptions<L>) =>
      once('gauge', wanted, (name) => new Gauge<L>(base(name, wanted))),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
};
