/**
 * gRPC between the services of a deployment: mutual TLS, identities, deadlines, limits, errors.
 *
 * Owns: the server and client wrappers, the per-method allow list, streams with bounded memory, health, drain, and
 * the one rendering of errors as statuses. Does not own: contracts (proto/), what a call means (the services).
 */
export { createGrpcClient } from './client.ts';
export type { ClientConstructor, GrpcClient, GrpcClientOptions, StreamOptions, UnaryOptions } from './client.ts';
export type { BidiClientStream, ServerClientStream } from './client-stream.ts';
export type { AnyMethod, MethodName, RequestOf, ResponseOf, ServiceMethods } from './definition.ts';
export type { Health } from './health.ts';
export { KEEPALIVE, MAX_MESSAGE_BYTES } from './limits.ts';
export { serviceIdentity, serviceUri } from './peer-identity.ts';
export { startGrpcServer, type GrpcServer, type GrpcServerOptions } from './server.ts';
export { ANY_SERVICE, bidi, grpcService, serverStream, unary } from './service.ts';
export type {
  BidiHandler,
  BidiStream,
  GrpcService,
  HandlerOf,
  MethodEntry,
  ServerCall,
  ServerStreamHandler,
  UnaryHandler,
} from './service.ts';
export { ERROR_DOMAIN, fromGrpcStatus, toGrpcStatus } from './status.ts';
export type { MessageSink, MessageSource, StreamLimits } from './stream.ts';
export type { TlsFiles } from './tls.ts';
