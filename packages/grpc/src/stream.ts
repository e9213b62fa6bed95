import type { Readable, Writable } from 'node:stream';

import { AppError } from '@sallyport/errors';

/** The receiving half of a stream: messages in order, until the peer ends it (done) or it fails (throws). */
export interface MessageSource<T> extends AsyncIterable<T> {
  /** @throws CANCELLED when the peer is gone, UNAVAILABLE when the server drains, or what the peer answered */
  next(): Promise<IteratorResult<T, undefined>>;
}

/** The sending half of a stream. Memory is bounded: a consumer that does not keep up loses the stream. */
export interface MessageSink<T> {
  /**
   * Sends one message; resolves when there is room for the next.
   *
   * @throws RATE_LIMITED when there was no room for `stallMs`: the stream is dropped; or why the stream is over
   */
  write(message: T): Promise<void>;
  /** Queues one message without waiting. False: the stream is over, or was just dropped because its buffer is full. */
  offer(message: T): boolean;
}

export interface StreamLimits {
  /** Messages {@link MessageSink.offer} may have waiting; default 256. */
  readonly maxBufferedMessages?: number;
  /** ms {@link MessageSink.write} waits for room before the stream is dropped; default 2000. */
  readonly stallMs?: number;
}

export const DEFAULT_MAX_BUFFERED_MESSAGES = 256;
export const DEFAULT_STALL_MS = 2_000;

/** What is read ahead before the transport is told to wait. */
const READ_AHEAD = 16;

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: AppError): void;
}

/** Turns a grpc-js readable into a {@link MessageSource} with a short read-ahead. One reader at a time. */
export class Inbox<T> implements MessageSource<T> {
  readonly #source: Readable;
  readonly #onReturn: () => void;
  readonly #queue: T[] = [];
  #waiter: Waiter<T> | null = null;
  #ended = false;
  #failure: AppError | null = null;

  /** `onReturn` runs when a `for await` is left early. */
  constructor(source: Readable, onReturn: () => void = () => undefined) {
    this.#source = source;
    this.#onReturn = onReturn;
    source.on('data', (message: T) => {
      this.#accept(message);
    });
    source.on('end', () => {
      this.#ended = true;
      this.#settle();
    });
  }

  #accept(message: T): void {
    if (this.#failure !== null) return;
    this.#queue.push(message);
    if (this.#queue.length >= READ_AHEAD) this.#source.pause();
    this.#settle();
  }

  /** Messages already received are still handed out; then the reader gets the failure. */
  fail(reason: AppError): void {
    if (this.#failure !== null || (this.#ended && this.#queue.length === 0)) return;
    this.#failure = reason;
    this.#settle();
  }

  #settle(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    const result = this.#take();
    if (result === null) return;
    this.#waiter = null;
    if (result instanceof AppError) waiter.reject(result);
    else waiter.resolve(result);
  }

  #take(): IteratorResult<T, undefined> | AppError | null {
    if (this.#queue.length > 0) {
      const value = this.#queue.shift() as T;
      if (this.#queue.length === 0 && !this.#ended) this.#source.resume();
      return { done: false, value };
    }
    if (this.#failure !== null) return this.#failure;
    return this.#ended ? { done: true, value: undefined } : null;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiter !== null) {
      return Promise.reject(new AppError('INTERNAL', 'A stream has one reader at a time.'));
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#settle();
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.next(),
      return: () => {
        this.#onReturn();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

/** Puts a bound and a stall limit on a grpc-js writable. */
export class Outbox<T> implements MessageSink<T> {
  readonly #target: Writable;
  readonly #maxBufferedMessages: number;
  readonly #stallMs: number;
  readonly #onStall: (reason: AppError) => void;
  #room: PromiseWithResolvers<void> | null = null;
  #stallTimer: NodeJS.Timeout | undefined;
  #closed: AppError | null = null;

  /** `onStall` must drop the stream at once: what is buffered is lost with it. */
  constructor(target: Writable, limits: StreamLimits, onStall: (reason: AppError) => void) {
    this.#target = target;
    this.#maxBufferedMessages = limits.maxBufferedMessages ?? DEFAULT_MAX_BUFFERED_MESSAGES;
    this.#stallMs = limits.stallMs ?? DEFAULT_STALL_MS;
    this.#onStall = onStall;
    target.on('drain', () => {
      clearTimeout(this.#stallTimer);
      this.#room?.resolve();
      this.#room = null;
    });
  }

  async write(message: T): Promise<void> {
    if (this.#closed !== null) throw this.#closed;
    if (this.#target.write(message)) return;
    await this.#waitForRoom();
  }

  offer(message: T): boolean {
    if (this.#closed !== null) return false;
    if (this.#target.writableLength >= this.#maxBufferedMessages) {
      this.#stall();
      return false;
    }
    this.#target.write(message);
    return true;
  }

  #waitForRoom(): Promise<void> {
    if (this.#room === null) {
      this.#room = Promise.withResolvers();
      this.#stallTimer = setTimeout(() => {
        this.#stall();
      }, this.#stallMs);
    }
    return this.#room.promise;
  }

  #stall(): void {
    const reason = new AppError('RATE_LIMITED', 'The stream was dropped: its consumer does not keep up.');
    this.close(reason);
    this.#onStall(reason);
  }

  /** Later writes fail with the reason, and so does one that waits. */
  close(reason: AppError): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    clearTimeout(this.#stallTimer);
    this.#room?.reject(reason);
    this.#room = null;
  }
}
