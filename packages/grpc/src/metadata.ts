import type { Metadata } from '@grpc/grpc-js';
import {
  REQUEST_ID_HEADER,
  acceptRequestId,
  currentTraceId,
  extractTrace,
  injectTrace,
  isRecording,
  isTracing,
  withSpan,
} from '@sallyport/telemetry';

const TRACE_PARENT = 'traceparent';
const TRACE_STATE = 'tracestate';

const text = (metadata: Metadata, key: string): string | undefined => {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
};

/** The caller's request id, or a new one. */
export const requestIdOf = (metadata: Metadata): string => acceptRequestId(text(metadata, REQUEST_ID_HEADER));

/**
 * Runs a call in a server span that continues the caller's trace (W3C Trace Context); a plain call where there is neither
 * a trace to continue nor a span to be recorded.
 */
export const inServerSpan = <R>(method: string, metadata: Metadata, run: () => R | Promise<R>): R | Promise<R> => {
  if (!isTracing()) return run();
  const traceparent = text(metadata, TRACE_PARENT);
  if (traceparent === undefined && !isRecording() && currentTraceId() === undefined) return run();
  const parent = extractTrace({ traceparent, tracestate: text(metadata, TRACE_STATE) });
  return withSpan(method, { kind: 'server', parent }, async () => await run());
};

/** Adds the request id and the active trace to outgoing metadata. */
export const propagate = (metadata: Metadata, requestId: string): Metadata => {
  metadata.set(REQUEST_ID_HEADER, requestId);
  if (isTracing()) for (const [key, value] of Object.entries(injectTrace({}))) metadata.set(key, value);
  return metadata;
};
