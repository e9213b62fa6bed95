import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { isAppError } from '@sallyport/errors';
import { newId, openDatabase, type Database } from '@sallyport/storage';

import { openSample, type Sample } from './sample-database.ts';

/** PostgreSQL documentation, "Message Formats": ReadyForQuery, idle. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** What a backend says when its postmaster is gone: ErrorResponse. */
const goingDown = (): Buffer => {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');
  const head = Buffer.from([0x45, 0, 0, 0, 0]);
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
};

/** In front of a server: while it dies, whoever has just connected is told so in the breath that let them in. */
class DyingServer {
  isDying = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: URL) {
    this.#server = createServer((client) => {
      const upstream = connect(Number(target.port), target.hostname);
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
      }
      client.pipe(upstream);
      upstream.on('data', (chunk: Buffer) => {
        if (this.isDying && chunk.subarray(-READY.length).equals(READY))
          client.end(Buffer.concat([chunk, goingDown()]));
        else client.write(chunk);
      });
      upstream.on('end', () => client.end());
    });
  }

  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('storage: a server that goes the moment it lets somebody in', () => {
  let sample: Sample;
  let server: DyingServer;
  let db: Database;
  before(async () => {
    sample = await openSample();
    server = new DyingServer(new URL(sample.url));
    const url = new URL(sample.url);
    url.port = String(await server.listen());
    db = await openDatabase({ url: url.href, schema: 'sample', applicationName: 'dying-test' });
  });
  after(async () => {
    await db.close();
    await server.close();
    await sample.db.close();
  });

  const together = async (): Promise<readonly PromiseSettledResult<unknown>[]> => {
    const reading = async (): Promise<unknown> => await db.readOne(newId(), async (tx) => await tx.query('SELECT 1'));
    return await Promise.allSettled(Array.from({ length: 5 }, reading));
  };

  it('costs the statements their answers, never the process', async () => {
    server.isDying = true;
    const answers = await together();
    for (const answer of answers)
      if (answer.status === 'rejected')
        assert.ok(isAppError(answer.reason) && answer.reason.code === 'UNAVAILABLE', String(answer.reason));
    assert.ok(answers.some(({ status }) => status === 'rejected'));
    server.isDying = false;
    for (const { status } of await together()) assert.equal(status, 'fulfilled');
  });
});
