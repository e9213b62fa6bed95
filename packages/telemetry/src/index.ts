/**
 * Logs, metrics and traces of a process.
 *
 * Owns: the logger and its redaction, the metric registry and its naming rule, W3C trace propagation and spans,
 * request ids. Does not own: what is worth logging or measuring (each package and slice decides for itself).
 */
export {
  LOG_LEVELS,
  createLogger,
  silentLogger,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  type LogMethod,
} from './logger.ts';
export {
  LATENCY_BUCKETS_SECONDS,
  createMetrics,
  metricName,
  type CreateMetricsOptions,
  type HistogramOptions,
  type MetricOptions,
  type Metrics,
} from './metrics.ts';
export { REDACTED, redactText, redactValue } from './redact.ts';
export { REQUEST_ID_HEADER, acceptRequestId, newRequestId } from './request-id.ts';
export {
  currentTraceId,
  extractTrace,
  injectTrace,
  isRecording,
  isTracing,
  startTracing,
  withSpan,
  type SpanOptions,
  type TraceCarrier,
  type TraceContext,
  type Tracing,
  type TracingOptions,
} from './tracing.ts';
