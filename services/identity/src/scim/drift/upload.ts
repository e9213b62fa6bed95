import type { IncomingMessage } from 'node:http';

import { AppError } from '@sallyport/errors';
import { parseJson } from '@sallyport/http';

import { isArray, isObject, type JsonValue } from '../protocol/json.ts';
import { readItem, readLine, type UploadedLine } from './read-line.ts';

const MIB = 1024 * 1024;
/** What an upload may be. */
export const UPLOAD_TYPES = ['application/x-ndjson', 'application/json'] as const;
/** One line; a larger group is several lines. */
export const MAX_LINE_BYTES = MIB;
/** Of a body that is one JSON document. */
export const MAX_DOCUMENT_BYTES = MIB;
/** Of a body of lines. */
export const MAX_UPLOAD_BYTES = 1024 * MIB;

const NEWLINE = 0x0a;

const tooLarge = (what: string, bytes: number): AppError =>
  new AppError('PAYLOAD_TOO_LARGE', `${what} may have at most ${String(bytes)} bytes.`);

const decode = (bytes: Buffer): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('MALFORMED_JSON', 'The body is not UTF-8.', { cause });
  }
};

/** The lines of a stream, at most one of them in memory; blank ones are left out. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let total = 0;
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > MAX_UPLOAD_BYTES) throw tooLarge('The upload', MAX_UPLOAD_BYTES);
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      const line = decode(Buffer.concat([...held, chunk.subarray(from, at)])).trim();
      [held, heldBytes, from] = [[], 0, at + 1];
      if (line !== '') yield line;
    }
    const rest = chunk.subarray(from);
    heldBytes += rest.length;
    if (heldBytes > MAX_LINE_BYTES) throw tooLarge('A line', MAX_LINE_BYTES);
    if (rest.length > 0) held.push(rest);
  }
  const line = decode(Buffer.concat(held)).trim();
  if (line !== '') yield line;
}

const itemsOf = (document: JsonValue, plural: string, singular: string): UploadedLine[] => {
  const list = isObject(document) ? (document[plural] ?? []) : null;
  if (!isArray(list)) throw new AppError('INVALID_REQUEST', `"${plural}" must be a list.`);
  return list.map((item) => readItem({ [singular]: item }));
};

async function* readDocument(chunks: AsyncIterable<Buffer>): AsyncGenerator<UploadedLine> {
  const held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_DOCUMENT_BYTES) throw tooLarge('A JSON document', MAX_DOCUMENT_BYTES);
    held.push(chunk);
  }
  const document = parseJson(decode(Buffer.concat(held)), { refusePollutingKeys: true }) as JsonValue;
  yield* itemsOf(document, 'users', 'user');
  yield* itemsOf(document, 'groups', 'group');
}

async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<UploadedLine> {
  for await (const line of linesOf(chunks)) yield readLine(line);
}

/**
 * The bytes of a request. One that is refused half-way is not torn down but read to its end and thrown away (the server
 * bounds for how long): the answer has to reach whoever still sends, and the connection is used again.
 */
async function* chunksOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } finally {
    request.resume();
  }
}

/**
 * What an administrator uploads, item by item: `application/x-ndjson`, of any length and never held as a whole, or a
 * small `application/json` document `{"users": […], "groups": […]}`.
 *
 * The route has checked the content type. @throws PAYLOAD_TOO_LARGE, MALFORMED_JSON, INVALID_REQUEST while it is read
 */
export const uploadOf = (request: IncomingMessage): AsyncGenerator<UploadedLine> => {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  const chunks = chunksOf(request);
  return type === 'application/json' ? readDocument(chunks) : readLines(chunks);
};
