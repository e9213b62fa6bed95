import type { handleUnaryCall } from '@grpc/grpc-js';
import { AppError } from '@sallyport/errors';

import { inServerSpan } from './metadata.ts';
import { admit, record, recordRefused, type Runtime } from './runtime.ts';
import type { BoundMethod, UnaryHandler } from './service.ts';
import { toAppError, toGrpcStatus } from './status.ts';

/** Runs a unary handler inside its deadline and answers exactly once. */
export const serveUnary =
  (
    runtime: Runtime,
    method: BoundMethod,
    handler: UnaryHandler<unknown, unknown> | null,
  ): handleUnaryCall<unknown, unknown> =>
  (surface, respond) => {
    const admitted = admit(runtime, method, surface);
    if (admitted instanceof AppError || handler === null) {
      const refusal =
        admitted instanceof AppError ? admitted : new AppError('PERMISSION_DENIED', 'Nobody may call this method.');
      recordRefused(runtime, method, refusal);
      respond(toGrpcStatus(refusal));
      return;
    }
    const call = admitted;
    let isOver = false;
    const finish = (error: AppError | null, answer: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      record(runtime, call, error);
      answer();
      if (error !== null) call.abort(error);
    };
    const fail = (error: AppError): void => {
      finish(error, () => {
        respond(toGrpcStatus(error));
      });
    };
    // grpc-js ends a call at the caller's deadline by itself; this timer is for calls that may not have that long.
    const timer = call.isDeadlineOurs
      ? setTimeout(() => {
          fail(new AppError('DEADLINE_EXCEEDED', 'The call took too long.'));
        }, call.deadlineMs)
      : undefined;
    // grpc-js emits this after every call, answered or not; an error per call would be the costliest part of it.
    surface.on('cancelled', () => {
      if (!isOver) finish(call.cancellation(), () => undefined);
    });
    const succeed = (response: unknown): void => {
      finish(null, () => {
        respond(null, response);
      });
    };
    const refuse = (error: unknown): void => {
      fail(toAppError(error));
    };
    let answer: unknown;
    try {
      answer = inServerSpan(call.method, surface.metadata, () => handler.run(surface.request, call));
    } catch (error) {
      // A handler may throw before it waits for anything.
      refuse(error);
      return;
    }
    if (answer instanceof Promise) answer.then(succeed, refuse);
    else succeed(answer);
  };
