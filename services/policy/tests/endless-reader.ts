/** A thread that reads files as it must never be: it does not come back, waits, or dies, when the file says so. */
import { parentPort } from 'node:worker_threads';

import { toParts } from '../src/policy-as-code/file-parts.ts';

/** Stands still without computing, as a thread does that a busy machine leaves out. */
const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, ms);
};

const fill = (): void => {
  const kept: unknown[] = [];
  for (;;) kept.push(Array.from({ length: 10_000 }, (_, at) => [at]));
};

parentPort?.on('message', ({ text }: { text: string }) => {
  if (text === 'crash') throw new Error('crash');
  if (text === 'spin') for (;;);
  if (text === 'fill') fill();
  if (text === 'wait') standStill(250);
  if (text === 'wait for ever') standStill(Infinity);
  parentPort?.postMessage({ ok: true, parts: toParts({ cases: [text] }) }, []);
});
parentPort?.postMessage('ready', []);
