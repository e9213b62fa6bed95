import type { Metadata } from '@grpc/grpc-js';
import {
  REQUEST_ID_HEADER,
  acceptRequestId,
  extractTrace,
  injectTrace,
  isTracing,
  withSpan,
} from '@sallyport/telemetry';

const TRACE_KEYS = ['traceparent', 'tracestate'] as const;

const text = (metadata: Metadata, key: string): string | undefined => {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
};

/** The caller's request id, or a new one. */
export const requestIdOf = (metadata: Metadata): string => acceptRequestId(text(metadata, REQUEST_ID_HEADER));

/** Runs a call in a server span that continues the caller's trace (W3C Trace Context); a plain call without tracing. */
export const inServerSpan = <T>(method: string, metadata: Metadata, run: () => Promise<T>): Promise<T> => {
  if (!isTracing()) return run();
  const carrier = Object.fromEntries(TRACE_KEYS.map((key) => [key, text(metadata, key)]));
  return withSpan(method, { kind: 'server', parent: extractTrace(carrier) }, run);
};

/** Adds the request id and the active trace to outgoing metadata. */
export const propagate = (metadata: Metadata, requestId: string): Metadata => {
  metadata.set(REQUEST_ID_HEADER, requestId);
  if (isTracing()) for (const [key, value] of Object.entries(injectTrace({}))) metadata.set(key, value);
  return metadata;
};
