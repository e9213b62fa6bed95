import type { AppError } from '@sallyport/errors';
import type { ErrorRenderer } from '@sallyport/http';

import { type Evaluation, type EvaluationContext, TARGETING_KEY, toEvaluationContext } from '../targeting/index.ts';
import type { JsonValue } from '../vocabulary/index.ts';

type JsonRecord = Readonly<Record<string, JsonValue>>;

export interface ContextRequest {
  /** As received, for the entity tag. */
  readonly raw: JsonRecord;
  readonly context: EvaluationContext;
}

/** A refused evaluation request, in OFREP's words. */
export type ContextProblem = { readonly errorCode: 'INVALID_CONTEXT'; readonly errorDetails: string };

const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalidContext = (errorDetails: string): ContextProblem => ({ errorCode: 'INVALID_CONTEXT', errorDetails });

/**
 * Reads the context of an evaluation request (OFREP 0.3: `{"context": {"targetingKey": …, …}}`).
 *
 * A context without a targeting key is evaluated: only a flag that needs one answers TARGETING_KEY_MISSING. One whose
 * targeting key is not text is refused: guessing would put people into other buckets than their SDK expects.
 */
export const readContext = (body: unknown): ContextRequest | ContextProblem => {
  if (!isRecord(body)) return invalidContext('The body must be a JSON object with a "context" object.');
  const raw = body['context'];
  if (!isRecord(raw)) return invalidContext('"context" must be an object.');
  const targetingKey = Object.hasOwn(raw, TARGETING_KEY) ? raw[TARGETING_KEY] : undefined;
  if (targetingKey !== undefined && typeof targetingKey !== 'string')
    return invalidContext('"targetingKey" must be a string.');
  return { raw, context: toEvaluationContext(raw) };
};

export type OfrepSuccess = {
  readonly key: string;
  readonly reason: string;
  /** Left out together with `variant`: the application keeps its default (OFREP's own ADR-0006). */
  readonly value?: JsonValue;
  readonly variant?: string;
  readonly metadata: Readonly<Record<string, boolean | string | number>>;
};
export type OfrepFailure = { readonly key: string; readonly errorCode: string; readonly errorDetails: string };

/** One flag of an answer, the same shape alone and in bulk. */
export const toOfrep = (key: string, evaluation: Evaluation): OfrepSuccess | OfrepFailure => {
  if (!evaluation.ok) return { key, errorCode: evaluation.errorCode, errorDetails: evaluation.detail };
  const { reason } = evaluation;
  return 'variant' in evaluation
    ? { key, value: evaluation.value, reason, variant: evaluation.variant, metadata: {} }
    : { key, reason, metadata: {} };
};

/** Status of a single evaluation. Every error but an unknown flag is about this request or this flag: 400. */
export const statusOf = (evaluation: Evaluation): 200 | 400 | 404 => {
  if (evaluation.ok) return 200;
  return evaluation.errorCode === 'FLAG_NOT_FOUND' ? 404 : 400;
};

const SINGLE = /^\/ofrep\/v1\/evaluate\/flags\/([^/]+)$/;

const keyOfPath = (path: string): { key?: string } => {
  const encoded = SINGLE.exec(path)?.[1];
  try {
    return encoded === undefined ? {} : { key: decodeURIComponent(encoded) };
  } catch {
    return {};
  }
};

const codeOf = (error: AppError): string => (error.code === 'MALFORMED_JSON' ? 'PARSE_ERROR' : 'GENERAL');

/** OFREP's error shapes: no body for 401, 403 and 429; `errorDetails` alone for 5xx. */
export const renderOfrepError: ErrorRenderer = (error, { status, path, opaque }) => {
  if (status === 401 || status === 403 || status === 429) return { status, body: null };
  if (opaque) return { status, body: { errorDetails: error.kind.title } };
  return { status, body: { ...keyOfPath(path), errorCode: codeOf(error), errorDetails: error.message } };
};
