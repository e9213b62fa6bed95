/**
 * The thread that reads files. It holds no secret, no connection and no clock, and can be ended at any moment; an error
 * nobody meant ends it.
 */
import { parentPort } from 'node:worker_threads';

import { isAppError, type AppErrorOptions, type ErrorCode } from '@sallyport/errors';

import { toParts } from './file-parts.ts';
import { parseCasbin, type SentCasbin } from './read-casbin.ts';
import { parseDocument } from './read-document.ts';
import { parseTests } from './run-tests.ts';

/** One file to read. */
export type ReadingJob =
  | { readonly kind: 'yaml' | 'tests'; readonly text: string }
  | { readonly kind: 'casbin'; readonly sent: SentCasbin; readonly orgId: string };

/** What the file says, or the AppError that refuses it. */
export type Reading =
  | { readonly ok: true; readonly parts: readonly Uint8Array[] }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly options: Pick<AppErrorOptions, 'metadata' | 'fields'>;
    };

/** What the thread posts: once that it is ready, then one reading per job, in order. */
export type ReaderAnswer = 'ready' | Reading;

const parse = (job: ReadingJob): object => {
  switch (job.kind) {
    case 'casbin':
      return parseCasbin(job.sent, job.orgId);
    case 'tests':
      return parseTests(job.text);
    case 'yaml':
    default:
      return parseDocument(job.text);
  }
};

const read = (job: ReadingJob): Reading => {
  try {
    return { ok: true, parts: toParts(parse(job)) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    const { code, message, metadata, fields } = error;
    return { ok: false, code, message, options: { metadata, fields } };
  }
};

const answer = (value: ReaderAnswer): void => {
  parentPort?.postMessage(value, []);
};

parentPort?.on('message', (job: ReadingJob) => {
  answer(read(job));
});
answer('ready');
