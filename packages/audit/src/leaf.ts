import { createHash } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import canonicalize from 'canonicalize';

import type { AuditContext, AuditEvent, JsonValue } from './event.ts';
import { commit, Personal } from './personal.ts';

/** Entry bundles of the tile format carry a 16-bit length; the header needs some of it. */
export const MAX_BODY_BYTES = 60_000;

/** A personal value that was replaced by its commitment: sealed later, with the number it has in `pii`. */
export interface PendingOpening {
  readonly number: number;
  readonly field: string;
  readonly subjectId: string;
  readonly salt: Buffer;
  readonly value: string;
}

export interface EntryBody {
  /** RFC 8785 canonical JSON, UTF-8. */
  readonly bytes: Buffer;
  readonly openings: readonly PendingOpening[];
  /** Canonical JSON of `before` and `after` when they are too large for the leaf, which then holds their digests. */
  readonly attachments: readonly { readonly name: string; readonly bytes: Buffer }[];
}

const canonicalBytes = (value: unknown): Buffer => {
  const text = canonicalize(value);
  if (text === undefined) throw new AppError('INTERNAL', 'An audit entry is not JSON.');
  return Buffer.from(text, 'utf8');
};

/** RFC 3339 UTC with six digits: fixed before hashing, never a re-rendered database value. */
const timestamp = (at: Date): string => at.toISOString().replace('Z', '000Z');

class BodyBuilder {
  readonly openings: PendingOpening[] = [];
  readonly commitments: { readonly c: string; readonly f: string; readonly s: string }[] = [];

  /** Replaces what a leaf may not hold: personal values, integers above 2^53 and non-integers. */
  encode(value: JsonValue | undefined, field: string): unknown {
    if (value instanceof Personal) return this.#commit(value, field);
    if (typeof value === 'bigint') return value.toString();
    if (typeof value === 'number') return encodeNumber(value);
    if (Array.isArray(value)) {
      return (value as readonly JsonValue[]).map((item, position) => this.encode(item, `${field}/${String(position)}`));
    }
    if (typeof value === 'object' && value !== null) return this.#encodeObject(value, field);
    return value;
  }

  #encodeObject(value: object, field: string): unknown {
    const members = Object.entries(value as Record<string, JsonValue | undefined>);
    const encoded = members
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, this.encode(member, `${field}/${name}`)] as const);
    return Object.fromEntries(encoded);
  }

  #commit(value: Personal, field: string): unknown {
    const number = this.commitments.length;
    const { commitment, salt } = commit(field, value.value);
    this.commitments.push({ c: commitment, f: field, s: value.subjectId });
    this.openings.push({ number, field, subjectId: value.subjectId, salt, value: value.value });
    return { $pii: number };
  }
}

const encodeNumber = (value: number): unknown => {
  if (Number.isSafeInteger(value)) return value;
  if (!Number.isFinite(value)) throw new AppError('INTERNAL', 'An audit entry holds a number that is not finite.');
  return { $number: String(value) };
};

const digestOf = (bytes: Buffer): unknown => ({
  $bytes: bytes.length,
  $sha256: createHash('sha256').update(bytes).digest('base64'),
});

interface EntryInput {
  readonly id: string;
  readonly at: Date;
  readonly context: AuditContext;
  readonly event: AuditEvent;
}

const compose = (input: EntryInput, builder: BodyBuilder): Record<string, unknown> => {
  const { context, event } = input;
  // An address belongs to whoever acts; an anonymous or machine actor has a subject of its own.
  const holder = context.actor.id;
  const own = (value: string | undefined, field: string): unknown =>
    value === undefined ? undefined : builder.encode(new Personal(holder, value), field);
  return {
    action: event.action,
    actor: builder.encode({ ...context.actor }, 'actor'),
    after: builder.encode(event.after, 'after'),
    approval_ref: event.approvalRef,
    before: builder.encode(event.before, 'before'),
    decision: builder.encode(event.decision, 'decision'),
    env: event.environment,
    id: input.id,
    ip: own(context.ip, 'ip'),
    occurred_at: timestamp(input.at),
    on_behalf_of: builder.encode(context.onBehalfOf && { ...context.onBehalfOf }, 'on_behalf_of'),
    org: context.orgId,
    outcome: event.outcome ?? 'success',
    reason: event.reason,
    request_id: context.requestId,
    target: builder.encode({ ...event.target }, 'target'),
    user_agent: own(context.userAgent, 'user_agent'),
  };
};

/** Renders an event to the exact bytes that are hashed and stored (all but origin and index, which only the append knows). */
export const entryBody = (input: EntryInput): EntryBody => {
  const builder = new BodyBuilder();
  const composed = compose(input, builder);
  const body: Record<string, unknown> = { ...composed, pii: builder.commitments };
  const attachments: { name: string; bytes: Buffer }[] = [];
  let bytes = canonicalBytes(body);
  for (const name of ['before', 'after']) {
    if (bytes.length <= MAX_BODY_BYTES) break;
    if (body[name] === undefined) continue;
    const attached = canonicalBytes(body[name]);
    attachments.push({ name, bytes: attached });
    body[name] = digestOf(attached);
    bytes = canonicalBytes(body);
  }
  if (bytes.length > MAX_BODY_BYTES) throw new AppError('INTERNAL', 'An audit entry is too large.');
  return { bytes, openings: builder.openings, attachments };
};

/** RFC 9162 §2.1.1: SHA-256(0x00 ‖ leaf). */
export const leafHash = (leaf: Buffer): Buffer => createHash('sha256').update(Buffer.of(0)).update(leaf).digest();

/**
 * The body part of a leaf, which is "v1\n" origin "\n" index "\n" body: origin and index inside it block transplanting
 * and reordering. @throws INTERNAL when the header is not one of ours.
 */
export const bodyOfLeaf = (
  leaf: Buffer,
): { readonly origin: string; readonly index: bigint; readonly body: Buffer } => {
  const first = leaf.indexOf(0x0a);
  const second = leaf.indexOf(0x0a, first + 1);
  const third = leaf.indexOf(0x0a, second + 1);
  if (leaf.toString('utf8', 0, first) !== 'v1' || second < 0 || third < 0) {
    throw new AppError('INTERNAL', 'An audit leaf has an unknown format.');
  }
  return {
    origin: leaf.toString('utf8', first + 1, second),
    index: BigInt(leaf.toString('utf8', second + 1, third)),
    body: leaf.subarray(third + 1),
  };
};
