/** A verifier thread as it must never be: it does not come back, or dies, when told to. */
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', ({ samlResponse }: { samlResponse: string }) => {
  if (samlResponse === 'crash') throw new Error('crash');
  if (samlResponse === 'spin') for (;;);
  parentPort?.postMessage({ ok: false, reason: 'SIGNATURE_MISSING', where: null }, []);
});
parentPort?.postMessage('ready', []);
