import type { Logger } from '@sallyport/telemetry';

import type {
  AnyMethod,
  Bidirectional,
  RequestOf,
  ResponseOf,
  ServerStreaming,
  ServiceMethods,
  Unary,
} from './definition.ts';
import type { MessageSink, MessageSource, StreamLimits } from './stream.ts';

/** What a handler knows about the call it serves. */
export interface ServerCall {
  /** The calling service, proven by its certificate: `flags`, `policy`, … */
  readonly peer: string;
  /** `/sallyport.policy.v1.DecisionService/Check` */
  readonly method: string;
  /** From the caller, or new. */
  readonly requestId: string;
  /** Aborts with an AppError when the caller is gone, the deadline has passed or the server drains. */
  readonly signal: AbortSignal;
  /** ms the handler had when it started: the caller's deadline, at most the server's. Infinity for streams without. */
  readonly deadlineMs: number;
  /** ms left now, at least 0. */
  remainingMs(): number;
  readonly logger: Logger;
}

export interface UnaryHandler<Request, Response> {
  readonly kind: 'unary';
  /** A promise only where it has to wait for something: an answer at hand is sent in the same turn. */
  readonly run: (request: Request, call: ServerCall) => Response | Promise<Response>;
}

export interface ServerStreamHandler<Request, Response> {
  readonly kind: 'serverStream';
  readonly limits: StreamLimits;
  readonly run: (request: Request, stream: MessageSink<Response>, call: ServerCall) => Promise<void>;
}

export interface BidiStream<Request, Response> extends MessageSource<Request>, MessageSink<Response> {}

export interface BidiHandler<Request, Response> {
  readonly kind: 'bidi';
  readonly limits: StreamLimits;
  readonly run: (stream: BidiStream<Request, Response>, call: ServerCall) => Promise<void>;
}

/** One request, one response. What it throws becomes the status. */
export const unary = <Request, Response>(
  run: UnaryHandler<Request, Response>['run'],
): UnaryHandler<Request, Response> => ({ kind: 'unary', run });

/** One request, many responses. The stream ends OK when the promise resolves, with a status when it rejects. */
export const serverStream = <Request, Response>(
  run: ServerStreamHandler<Request, Response>['run'],
  limits: StreamLimits = {},
): ServerStreamHandler<Request, Response> => ({ kind: 'serverStream', limits, run });

/** Both sides stream. The stream ends OK when the promise resolves, with a status when it rejects. */
export const bidi = <Request, Response>(
  run: BidiHandler<Request, Response>['run'],
  limits: StreamLimits = {},
): BidiHandler<Request, Response> => ({ kind: 'bidi', limits, run });

/** The handler that fits the shape of a method. Client streaming is not used. */
export type HandlerOf<M> = M extends Unary
  ? UnaryHandler<RequestOf<M>, ResponseOf<M>>
  : M extends ServerStreaming
    ? ServerStreamHandler<RequestOf<M>, ResponseOf<M>>
    : M extends Bidirectional
      ? BidiHandler<RequestOf<M>, ResponseOf<M>>
      : never;

/** Every service with a certificate of the deployment. For health checks; nothing else should need it. */
export const ANY_SERVICE = Symbol('any service of the deployment');

export interface MethodEntry<M> {
  /** The services that may call it, by name. */
  readonly allow: readonly string[] | typeof ANY_SERVICE;
  readonly handler: HandlerOf<M>;
}

/** A method as the server runs it: types erased, the handler null when nobody may call it. */
export interface BoundMethod {
  readonly definition: AnyMethod;
  readonly name: string;
  readonly handler: AnyHandler | null;
  readonly allows: (peer: string) => boolean;
}

export type AnyHandler =
  | UnaryHandler<unknown, unknown>
  | ServerStreamHandler<unknown, unknown>
  | BidiHandler<unknown, unknown>;

export interface GrpcService {
  /** `sallyport.policy.v1.DecisionService` */
  readonly serviceName: string;
  readonly methods: readonly BoundMethod[];
}

const serviceNameOf = (methods: readonly AnyMethod[]): string => methods[0]?.path.split('/')[1] ?? '';

/**
 * A service with its handlers and, for each method, the services that may call it. A method of the definition
 * without an entry answers PERMISSION_DENIED to everybody: forgetting it opens nothing.
 */
export const grpcService = <D extends ServiceMethods>(
  definition: D,
  entries: { readonly [K in keyof D]?: MethodEntry<D[K]> },
): GrpcService => {
  const methods = Object.entries(definition).map(([name, method]): BoundMethod => {
    // The mapped type above checked each pair; from here on the server treats all of them alike.
    const entry: MethodEntry<AnyMethod> | undefined = Object.hasOwn(entries, name) ? entries[name] : undefined;
    const allow = entry?.allow ?? [];
    const allowed = allow === ANY_SERVICE ? null : new Set(allow);
    return {
      definition: method,
      name,
      handler: (entry?.handler as AnyHandler | undefined) ?? null,
      allows: (peer) => allowed === null || allowed.has(peer),
    };
  });
  return { serviceName: serviceNameOf(Object.values(definition)), methods };
};
