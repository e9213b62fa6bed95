import { AppError, ERROR_REGISTRY, isAppError } from '@sallyport/errors';

import type { RouteResponse, Surface } from './route.ts';

/** What a renderer may say about the request next to the error. */
export interface ErrorRendering {
  readonly requestId: string;
  readonly surface: Surface;
  readonly method: string;
  /** The path without the query. */
  readonly path: string;
  /** The status of the error's code on this surface. */
  readonly status: number;
  /** True for 5xx: the message and the metadata are for the log, not for the caller. */
  readonly opaque: boolean;
}

/** Turns an error into the answer of one surface. The caller adds `WWW-Authenticate`, `Allow` and `Retry-After`. */
export type ErrorRenderer = (error: AppError, rendering: ErrorRendering) => RouteResponse;

/** `type` of a problem is this and its code (RFC 9457 §3.1.1). */
export const PROBLEM_TYPE_BASE = 'https://sallyport.dev/errors/';

/** Everything that is not an AppError is INTERNAL with the original as its cause. */
export const toAppError = (thrown: unknown): AppError =>
  isAppError(thrown) ? thrown : new AppError('INTERNAL', ERROR_REGISTRY.INTERNAL.title, { cause: thrown });

/**
 * RFC 9457 problem details. Below 500 with code, detail, field errors and metadata; from 500 on only what identifies
 * the request, so that nothing internal leaves the process.
 */
export const renderProblem: ErrorRenderer = (error, { requestId, status, opaque }) => {
  const { title } = ERROR_REGISTRY[error.code];
  const instance = `urn:request:${requestId}`;
  const body = opaque
    ? { title, status, instance }
    : {
        type: `${PROBLEM_TYPE_BASE}${error.code}`,
        title,
        status,
        detail: error.message,
        instance,
        code: error.code,
        ...(error.fields.length === 0 ? {} : { errors: error.fields }),
        ...(Object.keys(error.metadata).length === 0 ? {} : { metadata: error.metadata }),
      };
  return { status, body: JSON.stringify(body), headers: { 'content-type': 'application/problem+json' } };
};

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);

/** Makes text safe inside HTML elements and quoted attributes. */
export const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => ENTITIES.get(char) ?? '');

/** The plain page of the browser surface: title, detail (below 500) and the request id to quote to support. */
export const renderErrorPage: ErrorRenderer = (error, { requestId, status, opaque }) => {
  const { title } = ERROR_REGISTRY[error.code];
  const detail = opaque ? '' : `<p>${escapeHtml(error.message)}</p>`;
  const body =
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head>` +
    `<body><main><h1>${escapeHtml(title)}</h1>${detail}<p>Request <code>${escapeHtml(requestId)}</code></p></main></body></html>`;
  return { status, body, headers: { 'content-type': 'text/html; charset=utf-8' } };
};
