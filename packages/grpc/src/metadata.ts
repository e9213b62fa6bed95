import type { Metadata } from '@grpc/grpc-js';
import { REQUEST_ID_HEADER, acceptRequestId, injectTrace } from '@sallyport/telemetry';

const TRACE_KEYS = ['traceparent', 'tracestate'] as const;

const text = (metadata: Metadata, key: string): string | undefined => {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
};

/** The caller's request id, or a new one. */
export const requestIdOf = (metadata: Metadata): string => acceptRequestId(text(metadata, REQUEST_ID_HEADER));

/** What W3C Trace Context left in the metadata. */
export const traceCarrierOf = (metadata: Metadata): Record<string, string | undefined> =>
  Object.fromEntries(TRACE_KEYS.map((key) => [key, text(metadata, key)]));

/** Adds the request id and the active trace to outgoing metadata. */
export const propagate = (metadata: Metadata, requestId: string): Metadata => {
  metadata.set(REQUEST_ID_HEADER, requestId);
  for (const [key, value] of Object.entries(injectTrace({}))) metadata.set(key, value);
  return metadata;
};
