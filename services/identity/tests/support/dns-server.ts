import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What the server says about a name: its TXT records (each in pieces), no such name, or nothing at all. */
export type DnsAnswer = readonly (readonly string[])[] | 'NXDOMAIN' | 'SERVFAIL' | 'SILENCE';

const TXT = 16;
const RCODES = { NXDOMAIN: 3, SERVFAIL: 2 } as const;

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

/** The question section of a message: its bytes, and the name in it (RFC 1035 §4.1.2). */
const questionOf = (message: Buffer): { readonly bytes: Buffer; readonly name: string } => {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('ascii', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { bytes: message.subarray(12, at + 5), name: labels.join('.').toLowerCase() };
};

const recordOf = (pieces: readonly string[]): Buffer => {
  const data = Buffer.concat(pieces.map((piece) => Buffer.from([piece.length, ...Buffer.from(piece)])));
  // A pointer to the name in the question, type, class IN, one hour to live.
  return Buffer.concat([u16(0xc00c), u16(TXT), u16(1), Buffer.from([0, 0, 0x0e, 0x10]), u16(data.length), data]);
};

/** A name server on the loopback that says what a test wants. */
export class DnsServer {
  readonly #socket: Socket;
  readonly zone = new Map<string, DnsAnswer>();
  /** The names it was asked for. */
  readonly asked: string[] = [];
  /** Called before a question is answered. */
  heard: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (message, from) => {
      const answer = this.#answer(message);
      if (answer !== null) socket.send(answer, from.port, from.address);
    });
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsServer(socket);
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #answer(message: Buffer): Buffer | null {
    const { bytes, name } = questionOf(message);
    this.asked.push(name);
    this.heard();
    const said = this.zone.get(name) ?? 'NXDOMAIN';
    if (said === 'SILENCE') return null;
    const records = typeof said === 'string' ? [] : said.map(recordOf);
    const rcode = typeof said === 'string' ? RCODES[said] : 0;
    const header = [message.subarray(0, 2), u16(0x8180 | rcode), u16(1), u16(records.length), u16(0), u16(0)];
    return Buffer.concat([...header, bytes, ...records]);
  }
}
