/**
 * The thread that judges passwords: how soon one would be guessed, and whether one belongs to a bcrypt hash. Both can
 * take long enough to be felt, so neither runs where requests are served. It holds no secret beyond the job at hand and
 * can be ended at any moment.
 */
import { parentPort } from 'node:worker_threads';

import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english } from '@zxcvbn-ts/language-en';
import { compareSync } from 'bcryptjs';

/** One question. */
export type JudgeJob =
  | { readonly kind: 'guesses'; readonly password: string; readonly context: readonly string[] }
  | { readonly kind: 'bcrypt'; readonly password: string; readonly stored: string };

/** `guesses`: their number as a power of ten. */
export type JudgeAnswer = { readonly guessesLog10: number } | { readonly isRight: boolean };

/** Longer ones are judged by their beginning: the work grows faster than the length. */
const JUDGED_LENGTH = 48;

const estimator = new ZxcvbnFactory({
  dictionary: { ...common, ...english },
  graphs: adjacencyGraphs,
  maxLength: JUDGED_LENGTH,
});

const answerTo = (job: JudgeJob): JudgeAnswer =>
  job.kind === 'bcrypt'
    ? { isRight: compareSync(job.password, job.stored) }
    : { guessesLog10: estimator.check(job.password, [...job.context]).guessesLog10 };

parentPort?.on('message', (job: JudgeJob) => {
  parentPort?.postMessage(answerTo(job), []);
});
