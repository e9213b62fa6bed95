import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as it arrived. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query below the base URL, percent-decoded. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown> | null;
}

export interface PreparedAnswer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

type Resource = Record<string, unknown> & { id: string };

/**
 * A SCIM service that remembers just enough to keep a client going (create, look up, read, put) and writes
 * down everything it is sent. PATCH is acknowledged without being understood: the tests judge the requests.
 */
export interface RecordingScim {
  readonly baseUrl: string;
  readonly requests: RecordedRequest[];
  /** Requests since the last call, as `METHOD path`, with their bodies. */
  take(): { line: string; body: RecordedRequest['body'] }[];
  /** Answers the next requests that match with these, in turn. */
  answerNext(method: string, path: RegExp, ...answers: PreparedAnswer[]): void;
  resources(type: 'Users' | 'Groups'): Resource[];
  remove(id: string): void;
  close(): Promise<void>;
}

export async function startRecordingScim(): Promise<RecordingScim> {
  const requests: RecordedRequest[] = [];
  const prepared: { method: string; path: RegExp; answer: PreparedAnswer }[] = [];
  const store = new Map<string, { type: string; resource: Resource }>();
  let created = 0;
  let taken = 0;

  function respond(request: RecordedRequest): PreparedAnswer {
    const index = prepared.findIndex((one) => one.method === request.method && one.path.test(request.path));
    const [planned] = index === -1 ? [] : prepared.splice(index, 1);
    if (planned !== undefined) return planned.answer;
    const [, type = '', id, query] = /^\/(Users|Groups)(?:\/([^?]+))?(?:\?(.*))?$/.exec(request.path) ?? [];
    if (request.method === 'POST') {
      created += 1;
      const resource = {
        ...request.body,
        id: `${type.toLowerCase()}-${String(created)}`,
        meta: { resourceType: type },
      };
      store.set(resource.id, { type, resource });
      return { status: 201, body: resource };
    }
    if (id === undefined) return { status: 200, body: search(type, query ?? '') };
    const found = store.get(id);
    if (found === undefined) return { status: 404, body: { status: '404', detail: 'gone' } };
    if (request.method === 'DELETE') store.delete(id);
    if (request.method === 'PUT') found.resource = { ...request.body, id };
    return request.method === 'GET' || request.method === 'PUT'
      ? { status: 200, body: found.resource }
      : { status: 204 };
  }

  function search(type: string, query: string): unknown {
    const [, attribute = '', value] = /filter=(\w+) eq "([^"]*)"/.exec(query) ?? [];
    const all = [...store.values()].filter((one) => one.type === type).map((one) => one.resource);
    const Resources = value === undefined ? all : all.filter((resource) => resource[attribute] === value);
    return { totalResults: Resources.length, startIndex: 1, itemsPerPage: Resources.length, Resources };
  }

  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const path = decodeURIComponent((incoming.url ?? '').replace(/^\/scim\/v2/, ''));
      const body = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : null;
      const request = { method: incoming.method ?? '', path, headers: incoming.headers, body };
      requests.push(request);
      const answer = respond(request);
      outgoing.writeHead(answer.status, { 'content-type': 'application/scim+json', ...answer.headers });
      outgoing.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    baseUrl: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/scim/v2`,
    requests,
    take: () => {
      const fresh = requests.slice(taken).map(({ method, path, body }) => ({ line: `${method} ${path}`, body }));
      taken = requests.length;
      return fresh;
    },
    answerNext: (method, path, ...answers) => {
      prepared.push(...answers.map((answer) => ({ method, path, answer })));
    },
    resources: (type) => [...store.values()].filter((one) => one.type === type).map((one) => one.resource),
    remove: (id) => {
      store.delete(id);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
