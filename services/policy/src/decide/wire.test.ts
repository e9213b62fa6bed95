import assert from 'node:assert/strict';

import { deserializer } from '@sallyport/proto/deserializer';
import { CheckManyRequest, CheckManyResponse, CheckRequest, CheckResponse } from '@sallyport/proto/policy/v1';
import fc from 'fast-check';

import { AnswerBytes } from './answer-bytes.ts';

// Few of each, so that they come again, in every combination; some as long as what is remembered, some longer.
const text = fc.oneof(
  fc.constantFrom('', 'a', 'flag', 'flag:toggle', 'flag:toggl', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65)),
  fc.constantFrom('0190a000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000002'),
  fc.constantFrom('ünïcödé', '\u{1f512}\u{1f512}', '\ufeffmark', 'nul\0nul', '\0\0\0\0', '\0\0\0\0\0'),
  fc.string({ maxLength: 80, unit: 'grapheme' }),
);

const properties = fc.option(fc.constantFrom({}, { amr: ['pwd', 'hwk'], age: 3 }), { nil: undefined });

const question = fc.record({
  orgId: text,
  subject: fc.option(fc.record({ type: text, id: text, epoch: fc.bigInt(0n, 2n ** 64n - 1n), properties }), {
    nil: undefined,
  }),
  action: text,
  resource: fc.option(fc.record({ type: text, id: text, projectId: text, environmentId: text, properties }), {
    nil: undefined,
  }),
  context: properties,
  requestId: text,
  actionProperties: properties,
  atLeastAsFresh: fc.option(text, { nil: undefined }),
});

const many = fc.array(question, { maxLength: 6 }).map((checks) => CheckManyRequest.fromPartial({ checks }));

const answer = fc.record({
  decision: fc.constantFrom(0, 1, 2),
  reason: fc.constantFrom('', 'GRANTED', 'NO_GRANT'),
  explanation: fc.oneof(fc.constantFrom('', 'Developer permits it.', 'It is forbidden.'), text),
  matchedGrant: fc.constantFrom('', '0190a000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000002'),
  matchedRole: fc.constantFrom('', 'developer', 'owner'),
  policyRevision: fc.constantFrom('', 'org@s1.g1', 'org@s1.g2'),
  standingPosition: fc.constantFrom(0n, 1n, 300n, 2n ** 64n - 1n),
  grantsRevision: fc.constantFrom(0n, 1n, 2n ** 63n),
  validForMs: fc.oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 2 ** 32 - 1), fc.nat(5_000)),
}) as fc.Arbitrary<CheckResponse>;

const outcome = <T>(run: () => T): T | 'refused' => {
  try {
    return run();
  } catch {
    return 'refused';
  }
};

describe('questions as they come over the wire', () => {
  it('are read as the generated code reads them, whatever was read before', () => {
    const read = deserializer(CheckManyRequest);
    fc.assert(
      fc.property(many, (request) => {
        const bytes = CheckManyRequest.encode(request).finish();
        assert.deepEqual(read(Buffer.from(bytes)), CheckManyRequest.decode(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are read, or refused, alike where bytes are missing or not what they should be', () => {
    const read = deserializer(CheckRequest);
    const broken = fc.tuple(question, fc.nat(), fc.nat(255), fc.boolean());
    fc.assert(
      fc.property(broken, ([request, where, byte, isCut]) => {
        const bytes = CheckRequest.encode(CheckRequest.fromPartial(request)).finish();
        const at = where % Math.max(1, bytes.length);
        // In the middle of other memory, as a request is: what follows is not part of it.
        const around = Buffer.concat([Buffer.alloc(3, 0x61), bytes, Buffer.alloc(100, 0x61)]);
        if (!isCut && bytes.length > 0) around[3 + at] = byte;
        const given = around.subarray(3, 3 + (isCut ? at : bytes.length));
        assert.deepEqual(
          outcome(() => read(given)),
          outcome(() => CheckRequest.decode(Uint8Array.from(given))),
        );
      }),
      { numRuns: 5_000 },
    );
  });

  it('are right when more texts come than are remembered', () => {
    const read = deserializer(CheckRequest);
    for (let round = 0; round < 2; round += 1) {
      for (let number = 0; number < 20_000; number += 1) {
        const orgId = `0190a000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;
        assert.equal(read(CheckRequest.encode(CheckRequest.fromPartial({ orgId })).finish()).orgId, orgId);
      }
    }
  });
});

describe('answers as they go over the wire', () => {
  const answers = new AnswerBytes();

  it('are the bytes the generated code writes, whatever was written before', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 8 }), (results) => {
        const expected = CheckManyResponse.encode({ results }).finish();
        assert.deepEqual(new Uint8Array(answers.many({ results })), expected);
        for (const each of results)
          assert.deepEqual(new Uint8Array(answers.one(each)), CheckResponse.encode(each).finish());
      }),
      { numRuns: 5_000 },
    );
  });

  it('keep their bytes when the next ones are written', () => {
    const [first, second] = [
      CheckResponse.fromPartial({ reason: 'GRANTED', explanation: 'first' }),
      CheckResponse.fromPartial({ reason: 'GRANTED', explanation: 'other' }),
    ];
    const bytes = answers.one(first);
    answers.one(second);
    assert.deepEqual(CheckResponse.decode(bytes), first);
  });

  it('are right when there are more, and longer ones, than are remembered', () => {
    for (let round = 0; round < 2; round += 1) {
      const results = Array.from({ length: 10_000 }, (_, number) =>
        CheckResponse.fromPartial({ explanation: `role ${String(number)} permits it`, matchedGrant: String(number) }),
      );
      assert.deepEqual(CheckManyResponse.decode(answers.many({ results })).results, results);
    }
  });
});
