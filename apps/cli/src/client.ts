import { Readable } from 'node:stream';

import type { Credentials } from './config.ts';
import { CliError, EXIT, type ExitCode } from './exit-codes.ts';

export type Json = Record<string, unknown>;
/** A list is sent as one parameter for each of its values. */
export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

const REQUEST_TIMEOUT_MS = 30_000;

const EXIT_BY_STATUS: ReadonlyMap<number, ExitCode> = new Map<number, ExitCode>([
  [401, EXIT.unauthenticated],
  [403, EXIT.denied],
  [404, EXIT.notFound],
  [409, EXIT.conflict],
  [412, EXIT.conflict],
  [502, EXIT.unavailable],
  [503, EXIT.unavailable],
  [504, EXIT.unavailable],
]);

const HINT_BY_EXIT: ReadonlyMap<ExitCode, string> = new Map<ExitCode, string>([
  [EXIT.unauthenticated, 'The token is not valid (any more): log in with a new one.'],
  [EXIT.unavailable, 'Is the server running? Try again in a moment.'],
]);

const problemOf = async (response: Response): Promise<Json> => {
  const text = await response.text();
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { title: text.slice(0, 200) === '' ? response.statusText : text.slice(0, 200) };
  }
};

const failure = async (response: Response): Promise<CliError> => {
  const problem = await problemOf(response);
  const exitCode = EXIT_BY_STATUS.get(response.status) ?? EXIT.failed;
  const detail = [problem['detail'], problem['title']].find((text) => typeof text === 'string' && text !== '');
  const fields = Array.isArray(problem['errors'])
    ? (problem['errors'] as Json[]).map(
        (field) => `\n  ${String(field['pointer'])}: ${String(field['detail'] ?? field['code'])}`,
      )
    : [];
  const message = `${typeof detail === 'string' ? detail : `HTTP ${String(response.status)}`}${fields.join('')}`;
  return new CliError(exitCode, message, { hint: HINT_BY_EXIT.get(exitCode), problem });
};

const bodyOf = ({ body, lines }: { readonly body?: Json; readonly lines?: Readable }): BodyInit | null => {
  if (lines !== undefined) return Readable.toWeb(lines) as ReadableStream<Uint8Array>;
  return body === undefined ? null : JSON.stringify(body);
};

/** The public HTTP API with one token. Every failure is a CliError with the server's own words. */
export class Client {
  readonly #credentials: Credentials;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  get origin(): string {
    return this.#credentials.origin;
  }

  async get<T = Json>(path: string, query: Query = {}): Promise<T> {
    return await this.#read<T>(await this.#send('GET', path, { query }));
  }

  async post<T = Json>(path: string, body?: Json): Promise<T> {
    return await this.#read<T>(await this.#send('POST', path, body === undefined ? {} : { body }));
  }

  /** For what answers that it is done, and nothing else. */
  async tell(path: string, body: Json): Promise<void> {
    await (await this.#send('POST', path, { body })).arrayBuffer();
  }

  async delete(path: string): Promise<void> {
    await (await this.#send('DELETE', path, {})).arrayBuffer();
  }

  /** All items of a paged list, page by page. */
  async *all<Item = Json>(path: string, query: Query = {}): AsyncGenerator<Item> {
    let cursor: string | null | undefined;
    do {
      const page: Page<Item> = await this.get(path, { limit: 200, ...query, cursor: cursor ?? undefined });
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** Sends lines of JSON as they are read. */
  async upload<T = Json>(path: string, lines: Readable, query: Query = {}): Promise<T> {
    return await this.#read<T>(await this.#send('POST', path, { query, lines, timeoutMs: 10 * 60_000 }));
  }

  /** The body as it arrives, for exports. */
  async stream(path: string, query: Query = {}): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#send('GET', path, { query, timeoutMs: 10 * 60_000 });
    if (response.body === null) throw new CliError(EXIT.failed, 'The server sent nothing.');
    return response.body;
  }

  async #read<T>(response: Response): Promise<T> {
    try {
      return (await response.json()) as T;
    } catch {
      throw new CliError(EXIT.failed, `${this.origin} did not answer with JSON.`, {
        hint: 'Is this the address of a Sallyport deployment?',
      });
    }
  }

  async #send(
    method: string,
    path: string,
    options: { readonly query?: Query; readonly body?: Json; readonly lines?: Readable; readonly timeoutMs?: number },
  ): Promise<Response> {
    const url = URL.parse(path, this.origin);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new CliError(EXIT.usage, `"${this.origin}" is not the address of a deployment.`, {
        hint: 'Write it as https://sallyport.example.',
      });
    }
    for (const [name, value] of Object.entries(options.query ?? {})) {
      for (const each of [value ?? []].flat()) url.searchParams.append(name, String(each));
    }
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#credentials.token}`,
      accept: 'application/json',
    };
    if (options.body !== undefined) headers['content-type'] = 'application/json';
    if (options.lines !== undefined) headers['content-type'] = 'application/x-ndjson';
    const signal = AbortSignal.timeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS);
    const body = bodyOf(options);
    const init = { method, headers, body, signal, redirect: 'error', duplex: 'half' } as const;
    const response = await fetch(url, init).catch((error: unknown) => {
      // A file that cannot be read is not a server that cannot be reached.
      const failed = options.lines?.errored;
      if (failed !== null && failed !== undefined) throw new CliError(EXIT.usage, `${failed.message}.`);
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw new CliError(EXIT.unavailable, `${this.origin} cannot be reached: ${reason}.`, {
        hint: 'Is the server running? "npm start" starts one on this machine.',
      });
    });
    if (!response.ok) throw await failure(response);
    return response;
  }
}
