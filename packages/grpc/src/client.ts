import {
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import { AppError, isAppError } from '@sallyport/errors';
import { newRequestId, withSpan, type Logger, type Metrics } from '@sallyport/telemetry';

import { Channel } from './channel.ts';
import { ClientStream, type BidiClientStream, type ServerClientStream } from './client-stream.ts';
import { monotonicMs, wallClockMs } from './clock.ts';
import type {
  AnyMethod,
  Bidirectional,
  MethodName,
  RequestOf,
  ResponseOf,
  ServerStreaming,
  ServiceMethods,
  Unary,
} from './definition.ts';
import { propagate } from './metadata.ts';
import { callObserver, type CallObserver } from './runtime.ts';
import { fromGrpcStatus } from './status.ts';
import type { StreamLimits } from './stream.ts';
import { channelCredentials, type TlsFiles } from './tls.ts';

/** A generated client class, for example `DecisionServiceClient`. */
export interface ClientConstructor<D extends ServiceMethods> {
  new (address: string, credentials: ChannelCredentials, options?: Partial<ClientOptions>): Client;
  readonly service: D;
}

export interface GrpcClientOptions {
  /** `host:port`; a name with several addresses is balanced round robin. */
  readonly address: string;
  readonly tls: TlsFiles;
  /** The service that must answer; its certificate is checked for it. */
  readonly serverName: string;
  readonly deployment: string;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

export interface UnaryOptions {
  /** ms, greater than 0: no call goes out without one. The server allows at most 5000. */
  readonly deadlineMs: number;
  /** Passed on; default: a new one. */
  readonly requestId?: string;
  /** Aborting it cancels the call. */
  readonly signal?: AbortSignal;
  /**
   * Connects now and waits for it until the deadline, instead of failing at once while the channel backs off
   * (default false): for what must arrive, and is not asked by somebody who could be told to try again.
   */
  readonly waitForReady?: boolean;
}

export interface StreamOptions extends StreamLimits {
  /** ms the stream may live; default: no limit, keepalive finds a dead peer. */
  readonly deadlineMs?: number;
  readonly requestId?: string;
  readonly signal?: AbortSignal;
}

/** A client of one service of the deployment. */
export interface GrpcClient<D extends ServiceMethods> {
  /**
   * One request, one response; sent at most once.
   *
   * @throws the AppError the peer answered with; UNAVAILABLE when it cannot be reached, DEADLINE_EXCEEDED, CANCELLED
   */
  unary<K extends MethodName<D, Unary>>(
    method: K,
    request: RequestOf<D[K]>,
    options: UnaryOptions,
  ): Promise<ResponseOf<D[K]>>;
  /** One request, many responses. Leaving the loop cancels the stream. */
  serverStream<K extends MethodName<D, ServerStreaming>>(
    method: K,
    request: RequestOf<D[K]>,
    options?: StreamOptions,
  ): ServerClientStream<ResponseOf<D[K]>>;
  /** Both sides stream. Leaving the loop cancels the stream. */
  bidi<K extends MethodName<D, Bidirectional>>(
    method: K,
    options?: StreamOptions,
  ): BidiClientStream<RequestOf<D[K]>, ResponseOf<D[K]>>;
  /** The grpc-js client of this moment, for what the above do not cover; it changes when a channel is replaced. */
  readonly raw: Client;
  close(): void;
}

const cancelled = (signal: AbortSignal): AppError =>
  isAppError(signal.reason) ? signal.reason : new AppError('CANCELLED', 'The call was cancelled.');

const requireDeadline = (deadlineMs: number): number => {
  if (Number.isFinite(deadlineMs) && deadlineMs > 0) return deadlineMs;
  throw new AppError('INTERNAL', 'A call needs a deadline greater than 0 ms.');
};

class TypedClient<D extends ServiceMethods> implements GrpcClient<D> {
  readonly #definition: D;
  readonly #channel: Channel;
  readonly #observe: CallObserver;

  constructor(definition: D, channel: Channel, observe: CallObserver) {
    this.#definition = definition;
    this.#channel = channel;
    this.#observe = observe;
  }

  get raw(): Client {
    return this.#channel.client;
  }

  #method(name: keyof D): AnyMethod {
    const methods: ServiceMethods = this.#definition;
    const method = methods[name as string];
    if (method === undefined) throw new AppError('INTERNAL', 'The service has no such method.');
    return method;
  }

  async unary<K extends MethodName<D, Unary>>(
    name: K,
    request: RequestOf<D[K]>,
    options: UnaryOptions,
  ): Promise<ResponseOf<D[K]>> {
    const deadlineMs = requireDeadline(options.deadlineMs);
    const method = this.#method(name);
    const startedAtMs = monotonicMs();
    const over = this.#channel.begin({ eager: options.waitForReady === true });
    let code = 'OK';
    try {
      const send = (): Promise<unknown> => this.#send(method, request, { ...options, deadlineMs });
      return (await withSpan(method.path, { kind: 'client' }, send)) as ResponseOf<D[K]>;
    } catch (error) {
      const failure = fromGrpcStatus(error);
      code = failure.kind.grpc;
      throw failure;
    } finally {
      over();
      this.#observe(method.path, code, (monotonicMs() - startedAtMs) / 1000);
    }
  }

  #send(method: AnyMethod, request: unknown, options: UnaryOptions): Promise<unknown> {
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(cancelled(signal));
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        call.cancel();
      };
      const call = this.raw.makeUnaryRequest(
        method.path,
        method.requestSerialize as (value: unknown) => Buffer,
        (bytes) => method.responseDeserialize(bytes),
        request,
        propagate(new Metadata({ waitForReady: options.waitForReady === true }), options.requestId ?? newRequestId()),
        { deadline: wallClockMs() + options.deadlineMs },
        (error, response) => {
          signal?.removeEventListener('abort', abort);
          if (error === null) resolve(response);
          else reject(signal?.aborted === true ? cancelled(signal) : error);
        },
      );
      signal?.addEventListener('abort', abort);
    });
  }

  serverStream<K extends MethodName<D, ServerStreaming>>(
    name: K,
    request: RequestOf<D[K]>,
    options: StreamOptions = {},
  ): ServerClientStream<ResponseOf<D[K]>> {
    const method = this.#method(name);
    return this.#open(method, options, (metadata, callOptions) =>
      this.raw.makeServerStreamRequest(
        method.path,
        method.requestSerialize as (value: unknown) => Buffer,
        (bytes) => method.responseDeserialize(bytes) as ResponseOf<D[K]>,
        request,
        metadata,
        callOptions,
      ),
    );
  }

  bidi<K extends MethodName<D, Bidirectional>>(
    name: K,
    options: StreamOptions = {},
  ): BidiClientStream<RequestOf<D[K]>, ResponseOf<D[K]>> {
    const method = this.#method(name);
    return this.#open(method, options, (metadata, callOptions) =>
      this.raw.makeBidiStreamRequest(
        method.path,
        method.requestSerialize as (value: RequestOf<D[K]>) => Buffer,
        (bytes) => method.responseDeserialize(bytes) as ResponseOf<D[K]>,
        metadata,
        callOptions,
      ),
    );
  }

  #open<Request, Response>(
    method: AnyMethod,
    options: StreamOptions,
    start: (
      metadata: Metadata,
      callOptions: CallOptions,
    ) => ClientDuplexStream<Request, Response> | ClientReadableStream<Response>,
  ): ClientStream<Request, Response> {
    const deadline =
      options.deadlineMs === undefined ? {} : { deadline: wallClockMs() + requireDeadline(options.deadlineMs) };
    const over = this.#channel.begin();
    const startedAtMs = monotonicMs();
    const call = start(propagate(new Metadata(), options.requestId ?? newRequestId()), deadline);
    const stream = new ClientStream<Request, Response>(call, options);
    stream.onClosed((failure) => {
      over();
      this.#observe(method.path, failure?.kind.grpc ?? 'OK', (monotonicMs() - startedAtMs) / 1000);
    });
    return stream;
  }

  close(): void {
    this.#channel.close();
  }
}

/**
 * A typed client over mutual TLS. It connects lazily, reconnects by itself (50 ms to 2 s, jittered), notices a silent
 * peer within 1.5 s, and passes request id and trace on.
 */
export const createGrpcClient = <D extends ServiceMethods>(
  constructor: ClientConstructor<D>,
  options: GrpcClientOptions,
): GrpcClient<D> => {
  const { address, serverName, deployment } = options;
  const channel = new Channel(constructor, {
    address,
    serverName,
    credentials: channelCredentials(options.tls, deployment, serverName),
    logger: options.logger.child({ component: 'grpc', server: serverName }),
  });
  return new TypedClient(constructor.service, channel, callObserver(options.metrics, 'client'));
};
