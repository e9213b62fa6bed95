import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The web server of somebody's application: welcomes whoever comes back from signing in. */
export interface Wiki {
  readonly redirectUri: string;
  /** Where the next browser came back to. */
  nextCallback(): Promise<URL>;
  close(): void;
}

const PAGE =
  '<!doctype html><html lang="en"><title>Wiki</title><link rel="icon" href="data:,"><h1>Welcome to the wiki</h1>';

/** On an origin of its own: nothing it shows is ours. */
export const startWiki = async (): Promise<Wiki> => {
  const waiting: ((url: URL) => void)[] = [];
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
    waiting.shift()?.(new URL(request.url ?? '/', redirectUri));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const redirectUri = `http://localhost:${String((server.address() as AddressInfo).port)}/callback`;
  return {
    redirectUri,
    nextCallback: async () =>
      await new Promise<URL>((resolve) => {
        waiting.push(resolve);
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};
