import { setTimeout as delay } from 'node:timers/promises';

import {
  SpanKind,
  SpanStatusCode,
  context as contextApi,
  defaultTextMapGetter,
  defaultTextMapSetter,
  isSpanContextValid,
  trace as traceApi,
  ROOT_CONTEXT,
  type Attributes,
  type Context,
  type Tracer,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';

// Both are loaded lazily by the exporter; loaded here, nothing is imported after the intrinsics are frozen.
import 'node:http';
import 'node:https';

/** Headers or metadata that carry a trace: `traceparent` and `tracestate` (W3C Trace Context). */
export type TraceCarrier = Record<string, string>;

/** An incoming trace. Opaque: made by {@link extractTrace}, passed to {@link withSpan}. */
export type TraceContext = Context;

export interface TracingOptions {
  readonly service: string;
  /** OTLP/HTTP collector, for example `http://collector:4318/v1/traces`. Absent: no spans, but traces pass through. */
  readonly otlpUrl?: string | undefined;
  /** Share of new traces that are recorded, 0 to 1; default 0.05. A caller's decision is respected. */
  readonly sampleRatio?: number | undefined;
}

export interface Tracing {
  /** Sends what is buffered, for at most 2 s, and stops. Never rejects; safe to call twice. */
  shutdown(): Promise<void>;
}

export interface SpanOptions {
  readonly kind?: 'internal' | 'server' | 'client';
  /** Low cardinality, no personal data, no secrets. */
  readonly attributes?: Attributes;
  /** Default: the span that is active now. */
  readonly parent?: TraceContext;
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
} as const;
const DEFAULT_SAMPLE_RATIO = 0.05;
const EXPORT_TIMEOUT_MS = 5_000;
const SHUTDOWN_TIMEOUT_MS = 2_000;

const propagator = new W3CTraceContextPropagator();

/** The process has one tracer, as it has one event loop. */
let started = false;
let tracer: Tracer | null = null;

/**
 * Starts tracing for the process. Until it is called every helper here is a plain call: nothing is recorded and
 * nothing passes on. Call it before the intrinsics are frozen and before serving.
 */
export const startTracing = (options: TracingOptions): Tracing => {
  const manager = new AsyncLocalStorageContextManager().enable();
  contextApi.setGlobalContextManager(manager);
  started = true;
  const provider = options.otlpUrl === undefined ? null : createProvider(options, options.otlpUrl);
  tracer = provider?.getTracer('sallyport') ?? null;
  let stopped: Promise<void> | null = null;
  const shutdown = async (): Promise<void> => {
    started = false;
    tracer = null;
    if (provider !== null) await flush(provider);
    contextApi.disable();
  };
  return { shutdown: () => (stopped ??= shutdown()) };
};

/** A collector that is away or slow must not fail or hold up the end of the process: its last spans are lost then. */
const flush = async (provider: BasicTracerProvider): Promise<void> => {
  const timer = new AbortController();
  const late = delay(SHUTDOWN_TIMEOUT_MS, undefined, { signal: timer.signal }).catch(() => undefined);
  const done = provider.shutdown().catch(() => undefined);
  await Promise.race([done, late]);
  timer.abort();
};

const createProvider = (options: TracingOptions, url: string): BasicTracerProvider =>
  new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `sallyport-${options.service}` }),
    sampler: new ParentBasedSampler({
      root: new TraceIdRatioBasedSampler(options.sampleRatio ?? DEFAULT_SAMPLE_RATIO),
    }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS }))],
  });

/** Whether {@link startTracing} was called: lets a hot path skip reading and writing trace headers. */
export const isTracing = (): boolean => started;

/** Whether spans are made at all: there is a collector. Without one, traces only pass through. */
export const isRecording = (): boolean => tracer !== null;

/** The trace a request arrived with; a malformed `traceparent` is ignored, never an error. */
export const extractTrace = (carrier: Readonly<Record<string, string | undefined>>): TraceContext => {
  if (!started || carrier['traceparent'] === undefined) return ROOT_CONTEXT;
  return propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
};

/** Adds the active trace to outgoing headers or metadata; adds nothing when there is none. */
export const injectTrace = (carrier: TraceCarrier): TraceCarrier => {
  if (!started) return carrier;
  propagator.inject(contextApi.active(), carrier, defaultTextMapSetter);
  return carrier;
};

/** Trace id of the active span, for log lines. */
export const currentTraceId = (): string | undefined => {
  const span = started ? traceApi.getSpanContext(contextApi.active()) : undefined;
  return span !== undefined && isSpanContextValid(span) ? span.traceId : undefined;
};

/**
 * Runs `fn` inside a span. The span ends when the promise settles; a rejection marks it failed with the error's
 * name and code, not its message. Without tracing it is a plain call; without an exporter only the context passes.
 */
export const withSpan = <T>(name: string, options: SpanOptions, fn: () => Promise<T>): Promise<T> => {
  if (!started) return fn();
  const parent = options.parent ?? contextApi.active();
  if (tracer === null) return parent === contextApi.active() ? fn() : contextApi.with(parent, fn);
  const span = tracer.startSpan(
    name,
    { kind: KINDS[options.kind ?? 'internal'], attributes: options.attributes ?? {} },
    parent,
  );
  return contextApi.with(traceApi.setSpan(parent, span), async () => {
    try {
      return await fn();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: errorKind(error) });
      throw error;
    } finally {
      span.end();
    }
  });
};

const errorKind = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown';
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : error.name;
};
