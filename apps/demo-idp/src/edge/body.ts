import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { DemoIdpError } from '../errors.ts';

const MAX_BODY_BYTES = 1024 * 1024;

/** The JSON body of a request; an empty body is an empty object. @throws UNSUPPORTED_MEDIA_TYPE, REQUEST_MALFORMED, BODY_TOO_LARGE */
export async function readJsonBody(ctx: Context): Promise<unknown> {
  const bytes = await readBody(ctx.req);
  if (bytes.length === 0) return {};
  if (ctx.request.type !== 'application/json')
    throw new DemoIdpError('UNSUPPORTED_MEDIA_TYPE', 'The body must be application/json.');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new DemoIdpError('REQUEST_MALFORMED', 'The body is not JSON.', { cause });
  }
}

/** The fields of a posted form. @throws UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE */
export async function readFormBody(ctx: Context): Promise<URLSearchParams> {
  if (ctx.request.type !== 'application/x-www-form-urlencoded') {
    throw new DemoIdpError('UNSUPPORTED_MEDIA_TYPE', 'The body must be a posted form.');
  }
  return new URLSearchParams((await readBody(ctx.req)).toString('utf8'));
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const bytes of incoming as AsyncIterable<Buffer>) {
    size += bytes.length;
    if (size > MAX_BODY_BYTES) throw new DemoIdpError('BODY_TOO_LARGE', 'The body is larger than 1 MiB.');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
