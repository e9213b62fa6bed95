import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Which way nothing gets through; the client is who connected. */
export type Cut = 'both' | 'to-client' | 'to-server';

/** A network between two processes that can be taken away without either being told. */
export interface Relay {
  readonly address: string;
  /** From now on bytes are held back, as packets are lost and sent again: no reset, no end, only silence. */
  cut(which: Cut): void;
  /** Everything flows again, what was held back first. */
  mend(): void;
  close(): Promise<void>;
}

interface Line {
  readonly client: Socket;
  readonly server: Socket;
}

/** Listens on a free port of 127.0.0.1; `target` is asked for a port with every connection. */
export const openRelay = async (target: () => number): Promise<Relay> => {
  const lines = new Set<Line>();
  let closed: Cut | null = null;
  const hold = ({ client, server }: Line): void => {
    const [fromClient, fromServer] = [
      closed === 'both' || closed === 'to-server',
      closed === 'both' || closed === 'to-client',
    ];
    if (fromClient) client.pause();
    else client.resume();
    if (fromServer) server.pause();
    else server.resume();
  };
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ port: target(), host: '127.0.0.1', allowHalfOpen: true });
    const line = { client, server };
    lines.add(line);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (bytes: Buffer) => to.write(bytes));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => lines.delete(line));
    }
    hold(line);
  });
  await listening(listener);
  const { port } = listener.address() as AddressInfo;
  const set = (which: Cut | null): void => {
    closed = which;
    for (const line of lines) hold(line);
  };
  return {
    address: `127.0.0.1:${String(port)}`,
    cut: set,
    mend: () => {
      set(null);
    },
    close: async () => {
      for (const { client, server } of lines) {
        client.destroy();
        server.destroy();
      }
      await new Promise<void>((resolve) => {
        listener.close(() => {
          resolve();
        });
      });
    },
  };
};

const listening = async (server: Server): Promise<void> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
};
