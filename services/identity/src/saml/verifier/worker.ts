/** The thread that reads SAML messages. It holds no secret, no connection and no clock, and can be ended at any moment. */
import { parentPort } from 'node:worker_threads';

import type { Expectations, Verdict } from '../verify/login.ts';
import { verifyResponse } from '../verify/verify-response.ts';

/** One message to judge. */
export interface VerificationJob {
  readonly samlResponse: string;
  readonly expected: Expectations;
}

/** What the thread posts: once that it is ready, then one verdict per job, in order. */
export type WorkerAnswer = 'ready' | Verdict;

const answer = (value: WorkerAnswer): void => {
  parentPort?.postMessage(value, []);
};

parentPort?.on('message', ({ samlResponse, expected }: VerificationJob) => {
  answer(verifyResponse(samlResponse, expected));
});
answer('ready');
