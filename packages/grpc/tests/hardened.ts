// Run by hardened.test.ts in a process of its own: everything is imported, the intrinsics are frozen, then it works.
import assert from 'node:assert/strict';

import { AppError } from '@sallyport/errors';
import { hardenProcess } from '@sallyport/http';
import { FollowResponse } from '@sallyport/proto/identity/v1';

import { World, answer, decisionService, feedService, question } from './world.ts';

const world = await World.create();
const [serverTls, clientTls] = [await world.certificate('policy'), await world.certificate('flags')];
hardenProcess();

const server = await world.server(
  [
    decisionService(({ orgId }) => {
      if (orgId === 'good') return Promise.resolve(answer(orgId));
      const metadata: Record<string, string> =
        orgId === 'odd' ? { toString: 'own', constructor: 'own' } : { flag: 'checkout' };
      return Promise.reject(new AppError('STALE_BASE', 'It was changed.', { metadata }));
    }),
    feedService(async (stream) => {
      for await (const _ of stream) await stream.write(FollowResponse.fromPartial({}));
    }),
  ],
  { tls: serverTls },
);
const decisions = await world.decisionClient(server.port, { tls: clientTls });
assert.equal((await decisions.unary('check', question('good'), { deadlineMs: 10_000 })).reason, 'good');
await assert.rejects(decisions.unary('check', question('bad'), { deadlineMs: 10_000 }), {
  code: 'STALE_BASE',
  metadata: { flag: 'checkout' },
});
// Names of Object.prototype cannot be assigned any more: such details may be lost, the refusal and the process not.
await assert.rejects(decisions.unary('check', question('odd'), { deadlineMs: 10_000 }), { name: 'AppError' });
const feed = await world.feedClient(server.port, { tls: clientTls });
const stream = feed.bidi('follow');
await stream.write({ message: undefined });
assert.equal((await stream.next()).done, false);
stream.end();
assert.equal(await stream.closed, null);
await server.drain();
await world.dispose();
process.stdout.write('done');
