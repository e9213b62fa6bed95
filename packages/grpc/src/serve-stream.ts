import { constants } from 'node:http2';

import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { AppError } from '@sallyport/errors';

import type { LiveCall } from './live-call.ts';
import { inServerSpan } from './metadata.ts';
import { http2StreamOf } from './peer.ts';
import { admit, record, recordRefused, type Runtime } from './runtime.ts';
import type { BidiStream, BoundMethod, ServerStreamHandler, BidiHandler } from './service.ts';
import { toAppError, toGrpcStatus } from './status.ts';
import { DEFAULT_STALL_MS, Inbox, Outbox, type StreamLimits } from './stream.ts';

type Surface = ServerDuplexStream<unknown, unknown> | ServerWritableStream<unknown, unknown>;

/** Ends a stream at once and for good, whatever is still buffered: the only way past a consumer that stopped reading. */
const reset = (surface: Surface): void => {
  http2StreamOf(surface)?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  surface.destroy();
};

const sendStatus = (surface: Surface, error: AppError | null): void => {
  // grpc-js takes the status of a stream from an `error` event and sends it after what is buffered.
  if (error === null) surface.end();
  else surface.emit('error', toGrpcStatus(error));
};

interface OpenStream {
  readonly outbox: Outbox<unknown>;
  readonly inbox: Inbox<unknown> | null;
  /** Ends the stream with a status; only the first call counts. */
  readonly finish: (error: AppError | null) => void;
}

const openStream = (runtime: Runtime, surface: Surface, call: LiveCall, limits: StreamLimits): OpenStream => {
  let isOver = false;
  const over = (error: AppError | null, close: () => void): void => {
    if (isOver) return;
    isOver = true;
    runtime.openStreams.delete(finish);
    record(runtime, call, error);
    const reason = error ?? new AppError('CANCELLED', 'The stream is over.');
    outbox.close(reason);
    inbox?.fail(reason);
    call.abort(reason);
    close();
  };
  const finish = (error: AppError | null): void => {
    over(error, () => {
      sendStatus(surface, error);
      // The status waits behind what is buffered: a consumer that does not read must not keep the stream open.
      const linger = setTimeout(() => {
        reset(surface);
      }, limits.stallMs ?? DEFAULT_STALL_MS);
      linger.unref();
      surface.once('close', () => {
        clearTimeout(linger);
      });
    });
  };
  const outbox = new Outbox<unknown>(surface, limits, (reason) => {
    call.logger.warn({ peer: call.peer }, 'stream dropped: the consumer does not keep up');
    over(reason, () => {
      reset(surface);
    });
  });
  const inbox = 'resume' in surface ? new Inbox<unknown>(surface) : null;
  surface.on('cancelled', () => {
    if (!isOver) over(call.cancellation(), () => undefined);
  });
  runtime.openStreams.add(finish);
  return { outbox, inbox, finish };
};

interface StreamJob {
  readonly limits: StreamLimits;
  readonly run: (stream: OpenStream, call: LiveCall) => Promise<void>;
}

const serve = (runtime: Runtime, method: BoundMethod, surface: Surface, job: StreamJob): void => {
  const call = admit(runtime, method, surface);
  if (call instanceof AppError) {
    recordRefused(runtime, method, call);
    sendStatus(surface, call);
    return;
  }
  const stream = openStream(runtime, surface, call, job.limits);
  const run = async (): Promise<void> => {
    await job.run(stream, call);
  };
  const traced = async (): Promise<void> => {
    await inServerSpan(call.method, surface.metadata, run);
  };
  traced().then(
    () => {
      stream.finish(null);
    },
    (error: unknown) => {
      stream.finish(toAppError(error));
    },
  );
};

/** Runs a server-streaming handler. */
export const serveServerStream =
  (runtime: Runtime, method: BoundMethod, { limits, run }: ServerStreamHandler<unknown, unknown>) =>
  (surface: ServerWritableStream<unknown, unknown>): void => {
    serve(runtime, method, surface, { limits, run: ({ outbox }, call) => run(surface.request, outbox, call) });
  };

/** Runs a bidirectional handler. */
export const serveBidi =
  (runtime: Runtime, method: BoundMethod, { limits, run }: BidiHandler<unknown, unknown>) =>
  (surface: ServerDuplexStream<unknown, unknown>): void => {
    serve(runtime, method, surface, {
      limits,
      run: ({ outbox, inbox }, call) => run(duplex(inbox ?? new Inbox<unknown>(surface), outbox), call),
    });
  };

const duplex = (inbox: Inbox<unknown>, outbox: Outbox<unknown>): BidiStream<unknown, unknown> => ({
  next: () => inbox.next(),
  [Symbol.asyncIterator]: () => inbox[Symbol.asyncIterator](),
  write: (message) => outbox.write(message),
  offer: (message) => outbox.offer(message),
});

/** Refuses a stream of a method without an entry. */
export const refuseStream =
  (runtime: Runtime, method: BoundMethod) =>
  (surface: Surface): void => {
    const refusal = new AppError('PERMISSION_DENIED', 'Nobody may call this method.');
    serve(runtime, method, surface, { limits: {}, run: () => Promise.reject(refusal) });
  };
