/** An application's end of back-channel logout: takes logout tokens and answers what a test wants. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { waitFor } from '@sallyport/dev-env';

export class LogoutReceiver {
  readonly #server: Server;
  readonly tokens: string[] = [];
  /** The whole forms they came in. */
  readonly forms: URLSearchParams[] = [];
  /** The status of the next answers; 0: none at all, -1: it keeps whoever asks waiting. */
  status = 200;
  address = '';

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<LogoutReceiver> {
    const server = createServer();
    const receiver = new LogoutReceiver(server);
    server.on('request', (request, response) => {
      receiver.#take(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    receiver.address = `http://localhost:${(server.address() as AddressInfo).port}/logout`;
    return receiver;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    this.forms.push(form);
    this.tokens.push(form.get('logout_token') ?? '');
    if (this.status === 0) response.destroy();
    else if (this.status > 0) response.writeHead(this.status).end();
  }

  /** Waits until so many tokens have come. */
  async received(count: number): Promise<readonly string[]> {
    await waitFor(() => this.tokens.length >= count, { message: `${count} logout tokens` });
    return this.tokens;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}
