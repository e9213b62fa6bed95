/** One RPC of a generated service definition (ts-proto, `outputServices=grpc-js`). */
export interface AnyMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: never): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(value: never): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

/** A generated service definition, for example `DecisionServiceService`. */
export type ServiceMethods = Readonly<Record<string, AnyMethod>>;

export type RequestOf<M> = M extends { requestDeserialize(bytes: Buffer): infer Request } ? Request : never;
export type ResponseOf<M> = M extends { responseDeserialize(bytes: Buffer): infer Response } ? Response : never;

export interface Unary {
  readonly requestStream: false;
  readonly responseStream: false;
}
export interface ServerStreaming {
  readonly requestStream: false;
  readonly responseStream: true;
}
export interface Bidirectional {
  readonly requestStream: true;
  readonly responseStream: true;
}

/** Names of the methods of `D` that stream as `Shape` says. */
export type MethodName<D, Shape> = { [K in keyof D]: D[K] extends Shape ? K : never }[keyof D];
