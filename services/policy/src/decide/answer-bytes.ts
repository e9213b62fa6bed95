/**
 * Answers as they go over the wire, byte for byte what the generated code writes, put together from parts that are the
 * same in answer after answer: what was decided, by which grant, from which policy. Only `valid_for_ms` is always new.
 */
import { CheckResponse } from '@sallyport/proto/policy/v1';

/** A part of an answer as it was encoded last; the fields that are not of it are at their defaults. */
interface Part {
  readonly of: CheckResponse;
  readonly bytes: Uint8Array;
}

interface Aspect {
  /** What it is looked for by: the field that tells most apart. */
  readonly key: (answer: CheckResponse) => string;
  readonly isSame: (one: CheckResponse, other: CheckResponse) => boolean;
  readonly take: (answer: CheckResponse) => Partial<CheckResponse>;
}

/** In the order of their fields. */
const DECIDED: Aspect = {
  key: ({ explanation }) => explanation,
  isSame: (one, other) =>
    one.explanation === other.explanation && one.reason === other.reason && one.decision === other.decision,
  take: ({ decision, reason, explanation }) => ({ decision, reason, explanation }),
};
const GRANT: Aspect = {
  key: ({ matchedGrant }) => matchedGrant,
  isSame: (one, other) => one.matchedGrant === other.matchedGrant && one.matchedRole === other.matchedRole,
  take: ({ matchedGrant, matchedRole }) => ({ matchedGrant, matchedRole }),
};
const POLICY: Aspect = {
  key: ({ policyRevision }) => policyRevision,
  isSame: (one, other) =>
    one.policyRevision === other.policyRevision &&
    one.standingPosition === other.standingPosition &&
    one.grantsRevision === other.grantsRevision,
  take: ({ policyRevision, standingPosition, grantsRevision }) => ({
    policyRevision,
    standingPosition,
    grantsRevision,
  }),
};

/** What is remembered of one aspect before it is forgotten at once. */
const MAX_PARTS = 8_192;

class Parts {
  readonly #aspect: Aspect;
  readonly #parts = new Map<string, Part>();

  constructor(aspect: Aspect) {
    this.#aspect = aspect;
  }

  of(answer: CheckResponse): Uint8Array {
    const known = this.#parts.get(this.#aspect.key(answer));
    return known !== undefined && this.#aspect.isSame(known.of, answer) ? known.bytes : this.#encoded(answer);
  }

  #encoded(answer: CheckResponse): Uint8Array {
    const of = CheckResponse.fromPartial(this.#aspect.take(answer));
    const bytes = CheckResponse.encode(of).finish();
    if (this.#parts.size >= MAX_PARTS) this.#parts.clear();
    this.#parts.set(this.#aspect.key(answer), { of, bytes });
    return bytes;
  }
}

const INITIAL_BYTES = 16_384;
const MAX_VARINT_BYTES = 5;
/** Field 9 of CheckResponse and field 1 of CheckManyResponse, with their wire types. */
const VALID_FOR_MS = 0x48;
const RESULTS = 0x0a;

const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
};

/** A `responseSerialize` for single answers, and one for many. Both write into memory they keep, and copy it out. */
export class AnswerBytes {
  readonly #decided = new Parts(DECIDED);
  readonly #grants = new Parts(GRANT);
  readonly #policies = new Parts(POLICY);
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  readonly one = (answer: CheckResponse): Buffer => {
    this.#length = 0;
    this.#append(answer, false);
    return this.#copy();
  };

  readonly many = ({ results }: { readonly results: readonly CheckResponse[] }): Buffer => {
    this.#length = 0;
    for (const answer of results) this.#append(answer, true);
    return this.#copy();
  };

  #copy(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #append(answer: CheckResponse, isField: boolean): void {
    const { validForMs } = answer;
    const [decided, grant, policy] = [this.#decided.of(answer), this.#grants.of(answer), this.#policies.of(answer)];
    const length = decided.length + grant.length + policy.length + (validForMs === 0 ? 0 : 1 + varintBytes(validForMs));
    this.#reserve(1 + MAX_VARINT_BYTES + length);
    if (isField) {
      this.#byte(RESULTS);
      this.#varint(length);
    }
    this.#part(decided);
    this.#part(grant);
    this.#part(policy);
    if (validForMs === 0) return;
    this.#byte(VALID_FOR_MS);
    this.#varint(validForMs);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  #byte(value: number): void {
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#byte((rest & 0x7f) | 0x80);
    this.#byte(rest);
  }

  #part(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}
