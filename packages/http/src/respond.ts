import { Readable } from 'node:stream';

import type Koa from 'koa';

import type { RouteResponse, Surface } from './route.ts';

const JSON_TYPES: Readonly<Record<Surface, string>> = Object.freeze({
  api: 'application/json; charset=utf-8',
  scim: 'application/scim+json; charset=utf-8',
  browser: 'application/json; charset=utf-8',
  ofrep: 'application/json; charset=utf-8',
  authzen: 'application/json; charset=utf-8',
  oauth: 'application/json; charset=utf-8',
});

const isStream = (body: unknown): body is AsyncIterable<string | Uint8Array> =>
  typeof body === 'object' && body !== null && Symbol.asyncIterator in body;

/** True for what {@link respond} sends as JSON. */
export const isJson = (body: unknown): boolean =>
  body !== undefined && body !== null && typeof body !== 'string' && !(body instanceof Uint8Array) && !isStream(body);

/** Writes a response value into the Koa context. Bodies without a content type get the one of the surface. */
export const respond = (ctx: Koa.Context, surface: Surface, response: RouteResponse): void => {
  ctx.status = response.status;
  const { body } = response;
  const isBytes = typeof body === 'string' || body instanceof Uint8Array;
  if (body === undefined || body === null) ctx.body = null;
  else if (isBytes) ctx.body = typeof body === 'string' ? body : Buffer.from(body);
  else if (isStream(body)) ctx.body = body instanceof Readable ? body : Readable.from(body);
  else ctx.body = JSON.stringify(body);
  // Koa guesses a type from the body and changes the status of an empty one; what was declared wins.
  ctx.status = response.status;
  if (ctx.body !== null) ctx.type = defaultType(surface, body);
  for (const [name, value] of Object.entries(response.headers ?? {}))
    ctx.set(name, typeof value === 'string' ? value : [...value]);
};

const defaultType = (surface: Surface, body: unknown): string => {
  if (typeof body === 'string') return surface === 'browser' ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8';
  if (body instanceof Uint8Array || isStream(body)) return 'application/octet-stream';
  return JSON_TYPES[surface];
};
