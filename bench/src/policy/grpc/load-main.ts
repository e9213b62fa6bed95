// A process of its own: the one load generator. Speaks gRPC over node:http2 with as little as there can be, so that what
// is measured is the server; every answer is looked at.
import { readFileSync } from 'node:fs';
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import process from 'node:process';
import { setImmediate } from 'node:timers/promises';

import { readAnswer } from './answers.ts';
import type { Job, JobResult } from './load.ts';

const FRAME_BYTES = 5;
const CONNECTIONS = 4;
/** Connections a server may close meanwhile: a machine that does other things as well answers a ping too late. */
const MAX_REOPENED = 40;

const frame = (message: Uint8Array): Buffer => {
  const framed = Buffer.alloc(FRAME_BYTES + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, FRAME_BYTES);
  return framed;
};

const open = async (job: Job): Promise<ClientHttp2Session> => {
  const { port, certificate, serverName } = job;
  const session = connect(`https://127.0.0.1:${String(port)}`, {
    ca: readFileSync(certificate.caFile),
    cert: readFileSync(certificate.certFile),
    key: readFileSync(certificate.keyFile),
    servername: serverName,
    // The names in the certificates of the deployment are not host names; the authority is what is checked here.
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
  });
  await new Promise((resolve, reject) => {
    session.once('remoteSettings', resolve);
    session.once('error', reject);
  });
  // Whoever uses it then hears of it.
  session.on('error', () => undefined);
  return session;
};

interface Answer {
  readonly status: string;
  readonly message: Buffer;
}

const call = async (session: ClientHttp2Session, { path, serverName }: Job, framed: Buffer): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_AUTHORITY]: serverName,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '5S',
      'x-request-id': '0190a000-0000-7000-8000-0000000be9c4',
    });
    const chunks: Buffer[] = [];
    let status = '';
    const look = (headers: Record<string, unknown>): void => {
      if (typeof headers['grpc-status'] === 'string') status = headers['grpc-status'];
    };
    stream.on('response', look);
    stream.on('trailers', look);
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
    });
    stream.on('end', () => {
      const all = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      resolve({ status, message: all.subarray(FRAME_BYTES) });
    });
    stream.on('error', reject);
    stream.end(framed);
  });

const isRight = ({ format, answers }: Job, number: number, message: Buffer): boolean => {
  const allowed = readAnswer(format, message);
  const expected = answers[number];
  return (
    allowed === null ||
    (allowed.length === expected?.length && allowed.every((isAllowed, at) => isAllowed === expected[at]))
  );
};

/** A connection that is opened anew when it was closed. */
class Connection {
  readonly #job: Job;
  #session: Promise<ClientHttp2Session>;
  #reopened = 0;

  constructor(job: Job) {
    this.#job = job;
    this.#session = open(job);
  }

  async ready(): Promise<void> {
    await this.#session;
  }

  async call(framed: Buffer): Promise<Answer> {
    for (;;) {
      const session = this.#session;
      try {
        return await call(await session, this.#job, framed);
      } catch (error) {
        if (this.#reopened >= MAX_REOPENED) throw error;
        if (session !== this.#session) continue;
        this.#reopened += 1;
        this.#session = open(this.#job);
      }
    }
  }

  async close(): Promise<void> {
    (await this.#session).close();
  }
}

const run = async (job: Job): Promise<JobResult> => {
  const connections = Array.from({ length: CONNECTIONS }, () => new Connection(job));
  await Promise.all(connections.map((each) => each.ready()));
  const requests = job.messages.map(frame);
  let [next, wrong] = [0, 0];
  let firstWrong = '';
  const worker = async (connection: Connection): Promise<void> => {
    while (next < job.calls) {
      const number = next % requests.length;
      next += 1;
      const { status, message } = await connection.call(requests[number] ?? Buffer.alloc(0));
      if (status === '0' && isRight(job, number, message)) continue;
      wrong += 1;
      firstWrong ||= `status ${status}, ${message.toString('hex').slice(0, 200)}`;
    }
  };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: job.concurrency }, (_, slot) => worker(connections[slot % CONNECTIONS] as Connection)),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const connection of connections) await connection.close();
  await setImmediate();
  return { callsPerSecond: job.calls / seconds, wrong, firstWrong };
};

process.on('message', (job: Job) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ callsPerSecond: 0, wrong: job.calls, firstWrong: String(error) }),
  );
});
process.send?.('ready');
