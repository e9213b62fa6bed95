/**
 * Questions and answers as they come, over one stream: the same decision as Check, without a call for each.
 *
 * One question is answered before the next is read, so answers come in order and nothing piles up here: who does not
 * read answers fills the transport's window, is not read from any more, and loses the stream if that lasts.
 */
import { setImmediate } from 'node:timers/promises';

import { AppError } from '@sallyport/errors';
import { bidi, type BidiHandler, type ServerCall } from '@sallyport/grpc';
import type { CheckRequest, CheckResponse, CheckStreamRequest, CheckStreamResponse } from '@sallyport/proto/policy/v1';

/** ms of answers in one go before other work of the process has its turn. */
const MAX_HELD_MS = 10;
const ANSWERS_PER_LOOK = 32;
/** Longer than any id of a request. */
const MAX_REQUEST_ID_CHARS = 256;

/** One decision of Check, as rpc.ts makes it. */
export type CheckOne = (request: CheckRequest, call: ServerCall) => CheckResponse | Promise<CheckResponse>;

/** @throws INVALID_REQUEST for a message without a question, or one that nobody could tell the answer of */
const questionOf = ({ check }: CheckStreamRequest): CheckRequest => {
  if (check === undefined) throw new AppError('INVALID_REQUEST', 'Every message of the stream asks a question.');
  const { length } = check.requestId;
  if (length === 0 || length > MAX_REQUEST_ID_CHARS)
    throw new AppError('INVALID_REQUEST', 'Every question of the stream has a request_id of its own.');
  return check;
};

/** DecisionService.CheckStream. */
export const checkStream = (
  answer: CheckOne,
  now: () => number,
): BidiHandler<CheckStreamRequest, CheckStreamResponse> =>
  bidi(async (stream, call) => {
    let answered = 0;
    let heldSinceMs = now();
    for await (const message of stream) {
      const check = questionOf(message);
      const made = answer(check, call);
      const result = made instanceof Promise ? await made : made;
      await stream.write({ requestId: check.requestId, result });
      answered += 1;
      if (answered % ANSWERS_PER_LOOK === 0 && now() - heldSinceMs > MAX_HELD_MS) {
        await setImmediate();
        heldSinceMs = now();
      }
    }
  });
