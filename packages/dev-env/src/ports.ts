import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { DevEnvironmentError } from './errors.ts';

// Below the range from which Linux, macOS and Windows take the local port of outgoing connections
// (32768 and up, 49152 and up): a port found free here is not lost to somebody's client socket.
const LOWEST_PORT = 20_000;
const PORT_AFTER_HIGHEST = 32_000;
const MAX_ATTEMPTS = 200;

/** Whether a server could listen on this TCP port of `host` right now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * A number of distinct TCP ports free on 127.0.0.1 at this moment. Nothing reserves them: bind
 * soon, and try again where somebody was faster.
 *
 * @throws PORT_TAKEN when 200 random ports were all taken.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < MAX_ATTEMPTS + count && found.size < count; attempt += 1) {
    const port = randomInt(LOWEST_PORT, PORT_AFTER_HIGHEST);
    if (!found.has(port) && (await isPortFree(port))) found.add(port);
  }
  if (found.size < count) {
    throw new DevEnvironmentError('PORT_TAKEN', `Found no free port between ${LOWEST_PORT} and ${PORT_AFTER_HIGHEST}.`);
  }
  return [...found];
}

/** One free TCP port on 127.0.0.1; see {@link freePorts}. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new DevEnvironmentError('PORT_TAKEN', 'Found no free port.');
  return port;
}
