/** A verifier thread as it must never be: it does not come back, waits, or dies, when told to. */
import { parentPort, workerData } from 'node:worker_threads';

import type { WorkerData } from '../../src/saml/verifier/worker.ts';

const cpuMsBefore = new Float64Array((workerData as WorkerData).cpuMsBefore);

/** Stands still without computing, as a thread does that a busy machine leaves out. */
const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, ms);
};

parentPort?.on('message', ({ samlResponse, metadataXml }: { samlResponse?: string; metadataXml?: string }) => {
  const told = samlResponse ?? metadataXml;
  const { user, system } = process.threadCpuUsage();
  cpuMsBefore[0] = (user + system) / 1_000;
  if (told === 'crash') throw new Error('crash');
  if (told === 'spin') for (;;);
  if (told === 'wait') standStill(120);
  if (told === 'wait for ever') standStill(Infinity);
  parentPort?.postMessage({ ok: false, reason: 'SIGNATURE_MISSING', where: null }, []);
});
parentPort?.postMessage('ready', []);
