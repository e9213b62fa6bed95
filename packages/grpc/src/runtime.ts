import type { ServerSurfaceCall } from '@grpc/grpc-js/build/src/server-call.js';
import { AppError } from '@sallyport/errors';
import type { Logger, Metrics } from '@sallyport/telemetry';

import { wallClockMs } from './clock.ts';
import { LiveCall } from './live-call.ts';
import { requestIdOf } from './metadata.ts';
import type { PeerIdentities } from './peer.ts';
import type { BoundMethod } from './service.ts';

/** What all calls of one server share. */
export interface Runtime {
  readonly peers: PeerIdentities;
  readonly logger: Logger;
  readonly observe: CallObserver;
  /** ms a unary call may take, whatever the caller asked for. */
  readonly maxDeadlineMs: number;
  /** Ends every open stream with the reason; a drain calls them all. */
  readonly openStreams: Set<(reason: AppError) => void>;
}

/** Called once for every call that is over. */
export type CallObserver = (method: string, code: string, seconds: number) => void;

/** `<service>_grpc_<side>_duration_seconds{method,code}`: count and latency by method and canonical code. */
export const callObserver = (metrics: Metrics | undefined, side: 'server' | 'client'): CallObserver => {
  if (metrics === undefined) return () => undefined;
  const histogram = metrics.histogram({
    name: `grpc_${side}_duration_seconds`,
    help: `gRPC calls by method and status code, seen by the ${side}`,
    labels: ['method', 'code'],
  });
  // Methods and codes are closed sets: the maps stay small. Two of them, as a key of both would be made for every call.
  const methods = new Map<string, Map<string, { observe(seconds: number): void }>>();
  return (method, code, seconds) => {
    let codes = methods.get(method);
    if (codes === undefined) methods.set(method, (codes = new Map<string, { observe(seconds: number): void }>()));
    let child = codes.get(code);
    if (child === undefined) codes.set(code, (child = histogram.labels({ method, code })));
    child.observe(seconds);
  };
};

const remainingOf = (call: ServerSurfaceCall): number => {
  const deadline = call.getDeadline();
  return (deadline instanceof Date ? deadline.getTime() : deadline) - wallClockMs();
};

/**
 * Lets a call in, or says why not:
 * 1. the connection's certificate names a service of the deployment, else UNAUTHENTICATED;
 * 2. the method has an entry and the entry allows that service, else PERMISSION_DENIED.
 */
export const admit = (runtime: Runtime, method: BoundMethod, call: ServerSurfaceCall): LiveCall | AppError => {
  const { path } = method.definition;
  const requestId = requestIdOf(call.metadata);
  const peer = runtime.peers.of(call);
  if (peer === null) {
    runtime.logger.warn({ method: path, requestId }, 'call refused: the peer is no service of this deployment');
    return new AppError('UNAUTHENTICATED', 'The certificate names no service of this deployment.');
  }
  if (method.handler === null || !method.allows(peer)) {
    runtime.logger.warn({ method: path, requestId, peer }, 'call refused: the peer may not call this method');
    return new AppError('PERMISSION_DENIED', 'This service may not call this method.', {
      metadata: { method: path, peer },
    });
  }
  const asked = Math.max(0, remainingOf(call));
  const isUnary = method.handler.kind === 'unary';
  const isDeadlineOurs = isUnary && asked > runtime.maxDeadlineMs;
  const deadlineMs = isDeadlineOurs ? runtime.maxDeadlineMs : asked;
  return new LiveCall({ peer, method: path, requestId, deadlineMs, isDeadlineOurs, logger: runtime.logger });
};

/** Records the end of a call; failures of ours are logged with their cause, the caller's only at debug. */
export const record = (runtime: Runtime, call: LiveCall, error: AppError | null): void => {
  runtime.observe(call.method, error?.kind.grpc ?? 'OK', call.elapsedMs() / 1000);
  if (error === null) return;
  const fields = { code: error.code, elapsedMs: Math.round(call.elapsedMs()) };
  if (error.kind.grpc === 'INTERNAL') call.logger.error({ ...fields, err: error }, 'call failed');
  else call.logger.debug({ ...fields, detail: error.message }, 'call refused');
};

/** Records a call that never got in. */
export const recordRefused = (runtime: Runtime, method: BoundMethod, error: AppError): void => {
  runtime.observe(method.definition.path, error.kind.grpc, 0);
};
