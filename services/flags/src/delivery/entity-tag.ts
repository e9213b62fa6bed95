import { createHash } from 'node:crypto';

import { BUCKETING_VERSION } from '../targeting/index.ts';
import { canonicalJson, type JsonValue } from '../vocabulary/index.ts';
import type { KeyKind } from './environment-key.ts';

/** Everything the answer to a bulk evaluation depends on. Nothing served reads a clock, so this is all of it. */
export interface BulkInputs {
  readonly environmentId: string;
  readonly version: bigint;
  readonly kind: KeyKind;
  /** As received: two contexts share a tag only when they are the same JSON value. */
  readonly context: JsonValue;
}

/**
 * Strong entity tag of a bulk answer. It varies with tenant and environment (the id), configuration (the version),
 * scope of the key, bucketing and the whole context, and costs no evaluation.
 */
export const entityTagOf = ({ environmentId, version, kind, context }: BulkInputs): string => {
  const inputs = [environmentId, version.toString(), kind, BUCKETING_VERSION, canonicalJson(context)].join('\n');
  return `"${createHash('sha256').update(inputs, 'utf8').digest('base64url')}"`;
};

const ENTITY_TAG = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** Weak comparison of an If-None-Match header, which may be a list or `*` (RFC 9110 §13.1.2, §8.8.3.2). */
export const noneMatch = (header: string | undefined, current: string): boolean => {
  if (header === undefined) return true;
  if (header.trim() === '*') return false;
  return ![...header.matchAll(ENTITY_TAG)].some(([, opaque]) => opaque === current);
};
