/**
 * The thread that reads SAML messages and metadata. It holds our decryption keys and no other secret, no connection and no clock,
 * and can be ended at any moment.
 */
import { createPrivateKey } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

import { tryIdpMetadata, type MetadataReading, type MetadataTrust } from '../metadata/idp-metadata.ts';
import type { Expectations, Verdict } from '../verify/login.ts';
import type { LogoutExpectations, LogoutVerdict, SentLogout } from '../verify/logout.ts';
import { verifyLogout } from '../verify/verify-logout.ts';
import { verifyResponse } from '../verify/verify-response.ts';

/** One message to judge, or one document to read. */
export type VerificationJob =
  | { readonly samlResponse: string; readonly expected: Expectations }
  | { readonly sentLogout: SentLogout; readonly expected: LogoutExpectations }
  | { readonly metadataXml: string; readonly trust: MetadataTrust };

/** What the thread is started with. */
export interface WorkerData {
  /** PEM; ours, current and next. */
  readonly decryptionKeys: readonly string[];
  /** One double: CPU ms this thread had used when it took the message it has. */
  readonly cpuMsBefore: SharedArrayBuffer;
}

export type AnyVerdict = Verdict | LogoutVerdict | MetadataReading;

/** What the thread posts: once that it is ready, then one verdict per job, in order. */
export type WorkerAnswer = 'ready' | AnyVerdict;

const answer = (value: WorkerAnswer): void => {
  parentPort?.postMessage(value, []);
};

const data = workerData as WorkerData;
const decryptionKeys = data.decryptionKeys.map((pem) => createPrivateKey(pem));
const cpuMsBefore = new Float64Array(data.cpuMsBefore);

parentPort?.on('message', (job: VerificationJob) => {
  const { user, system } = process.threadCpuUsage();
  cpuMsBefore[0] = (user + system) / 1_000;
  if ('metadataXml' in job) answer(tryIdpMetadata(job.metadataXml, job.trust));
  else if ('sentLogout' in job) answer(verifyLogout(job.sentLogout, job.expected));
  else answer(verifyResponse(job.samlResponse, job.expected, decryptionKeys));
});
answer('ready');
