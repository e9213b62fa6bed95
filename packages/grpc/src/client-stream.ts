import {
  status as StatusCode,
  type ClientDuplexStream,
  type ClientReadableStream,
  type StatusObject,
} from '@grpc/grpc-js';
import { AppError, isAppError } from '@sallyport/errors';

import { fromGrpcStatus } from './status.ts';
import { Inbox, Outbox, type MessageSink, type MessageSource, type StreamLimits } from './stream.ts';

/** The responses of a server-streaming call. */
export interface ServerClientStream<Response> extends MessageSource<Response> {
  /** Gives the stream up; the reader gets CANCELLED. */
  cancel(): void;
  /** Resolves when the stream is over: null for OK, else why. Never rejects. */
  readonly closed: Promise<AppError | null>;
}

/** A bidirectional stream, from the client. */
export interface BidiClientStream<Request, Response> extends ServerClientStream<Response>, MessageSink<Request> {
  /** Ends the sending side; the server may go on. */
  end(): void;
}

type Call<Request, Response> = ClientDuplexStream<Request, Response> | ClientReadableStream<Response>;

/** Both kinds of client stream; a server-streaming call has no sending side. */
export class ClientStream<Request, Response> implements BidiClientStream<Request, Response> {
  readonly closed: Promise<AppError | null>;
  readonly #call: Call<Request, Response>;
  readonly #inbox: Inbox<Response>;
  readonly #outbox: Outbox<Request> | null;
  readonly #listeners: ((failure: AppError | null) => void)[] = [];
  #givenUp: AppError | null = null;
  #isClosed = false;

  constructor(call: Call<Request, Response>, options: StreamLimits & { readonly signal?: AbortSignal }) {
    this.#call = call;
    this.#inbox = new Inbox<Response>(call, () => {
      this.cancel();
    });
    this.#outbox =
      'write' in call
        ? new Outbox<Request>(call, options, (reason) => {
            this.#giveUp(reason);
          })
        : null;
    const closed = Promise.withResolvers<AppError | null>();
    this.closed = closed.promise;
    this.onClosed(closed.resolve);
    // Also keeps a failed stream from becoming an uncaught exception.
    call.on('error', (error: unknown) => {
      this.#close(fromGrpcStatus(error));
    });
    call.on('status', (status: StatusObject) => {
      if (status.code === StatusCode.OK) this.#close(null);
    });
    this.#watch(options.signal);
  }

  #watch(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const abort = (): void => {
      this.#giveUp(isAppError(signal.reason) ? signal.reason : new AppError('CANCELLED', 'The stream was cancelled.'));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    this.onClosed(() => {
      signal.removeEventListener('abort', abort);
    });
  }

  /** Runs `listener` when the stream is over, with null for OK. */
  onClosed(listener: (failure: AppError | null) => void): void {
    this.#listeners.push(listener);
  }

  #close(failure: AppError | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason = failure === null ? null : (this.#givenUp ?? failure);
    this.#outbox?.close(reason ?? new AppError('CANCELLED', 'The stream is over.'));
    if (reason !== null) this.#inbox.fail(reason);
    for (const listener of this.#listeners) listener(reason);
  }

  #giveUp(reason: AppError): void {
    this.#givenUp ??= reason;
    this.#inbox.fail(reason);
    this.#outbox?.close(reason);
    this.#call.cancel();
  }

  cancel(): void {
    this.#giveUp(new AppError('CANCELLED', 'The stream was cancelled.'));
  }

  next(): Promise<IteratorResult<Response, undefined>> {
    return this.#inbox.next();
  }

  [Symbol.asyncIterator](): AsyncIterator<Response, undefined> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  write(message: Request): Promise<void> {
    return this.#outbox?.write(message) ?? Promise.reject(new AppError('INTERNAL', 'This stream only receives.'));
  }

  offer(message: Request): boolean {
    return this.#outbox?.offer(message) ?? false;
  }

  end(): void {
    if ('end' in this.#call) this.#call.end();
  }
}
