import assert from 'node:assert/strict';

import { Metadata, status as StatusCode, type StatusObject } from '@grpc/grpc-js';
import { AppError, ERROR_CODES, ERROR_REGISTRY, isAppError } from '@sallyport/errors';
import { ErrorInfo, Status } from '@sallyport/proto/google/rpc';
import fc from 'fast-check';

import { fromGrpcStatus, toGrpcStatus } from './status.ts';

/** What a client gets for a status. */
const received = ({ code, details, metadata }: StatusObject): Error =>
  Object.assign(new Error(`${String(code)} ${details}`), { code, details, metadata });

const roundTrip = (error: unknown): AppError => fromGrpcStatus(received(toGrpcStatus(error)));

const shownMetadata = (error: AppError): Readonly<Record<string, string>> =>
  error.kind.grpc === 'INTERNAL' ? {} : error.metadata;

describe('status of an error', () => {
  for (const code of ERROR_CODES) {
    it(`carries ${code} there and back`, () => {
      const error = new AppError(code, 'The detail, for people.', {
        metadata: { flag: 'checkout', __proto__x: 'y' },
        fields: [
          { pointer: '/name', code: 'REQUIRED', detail: 'A name is required.' },
          { pointer: '/x', code: 'BAD' },
        ],
        retryAfterSeconds: 1.25,
        cause: new TypeError('secret'),
      });
      const sent = toGrpcStatus(error);
      const { grpc, http, title } = ERROR_REGISTRY[code];
      assert.equal(sent.code, StatusCode[grpc]);
      assert.equal(sent.details, http >= 500 ? title : 'The detail, for people.', 'from 500 on only the title');

      const back = fromGrpcStatus(received(sent));
      assert.equal(back.code, code);
      assert.deepEqual(back.metadata, shownMetadata(error));
      assert.deepEqual(back.fields, error.fields);
      assert.equal(back.retryAfterSeconds, 1.25);
    });
  }

  it('says nothing of an error that is not ours', () => {
    const sent = toGrpcStatus(new TypeError('password is hunter2 at /srv/app.ts'));
    assert.equal(sent.code, StatusCode.INTERNAL);
    assert.equal(sent.details, 'Internal error');
    const [bytes] = sent.metadata.get('grpc-status-details-bin');
    assert.equal(Buffer.from(bytes ?? '').includes('hunter2'), false);
  });

  it('keeps the cause out of the wire', () => {
    const sent = toGrpcStatus(new AppError('NOT_FOUND', 'No such flag.', { cause: new Error('hunter2') }));
    const [bytes] = sent.metadata.get('grpc-status-details-bin');
    assert.equal(Buffer.from(bytes ?? '').includes('hunter2'), false);
  });

  it('can be sent whatever the hint to retry', () => {
    for (const retryAfterSeconds of [0, 0.000_000_000_1, 0.999_999_999_9, 86_400, -1, Number.NaN, Infinity]) {
      const back = roundTrip(new AppError('RATE_LIMITED', 'Later.', { retryAfterSeconds }));
      assert.equal(back.code, 'RATE_LIMITED');
      if (Number.isFinite(retryAfterSeconds) && retryAfterSeconds >= 0)
        assert.ok(Math.abs((back.retryAfterSeconds ?? NaN) - retryAfterSeconds) < 1e-8);
      else assert.equal(back.retryAfterSeconds, undefined);
    }
  });

  it('can be sent whatever the text: lone surrogates, controls, any length', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('\ud800'), fc.constant('x'.repeat(100_000)));
    fc.assert(
      fc.property(
        text,
        fc.dictionary(text, text),
        fc.array(fc.record({ pointer: text, code: text })),
        (detail, metadata, fields) => {
          const sent = toGrpcStatus(new AppError('INVALID_REQUEST', detail, { metadata, fields }));
          assert.doesNotThrow(() => encodeURI(sent.details));
          const [bytes] = sent.metadata.get('grpc-status-details-bin');
          assert.ok(Buffer.byteLength(bytes ?? '') < 48 * 1024, 'fits into trailers');
          assert.equal(fromGrpcStatus(received(sent)).code, 'INVALID_REQUEST');
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('error of a status', () => {
  const bare = (code: StatusCode, metadata = new Metadata()): Error =>
    received({ code, details: 'connect ECONNREFUSED 10.0.0.7:4000', metadata });

  const withReason = (code: StatusCode, reason: string, domain: string): Error => {
    const value = ErrorInfo.encode({ reason, domain, metadata: {} }).finish();
    const details = [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value }];
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message: '', details }).finish()));
    return bare(code, metadata);
  };

  it('knows every canonical code without details, and shows nothing of its text', () => {
    const codes = Object.values(StatusCode).filter((value) => typeof value === 'number' && value !== StatusCode.OK);
    assert.equal(codes.length, 16);
    for (const code of codes) {
      const error = fromGrpcStatus(bare(code));
      assert.ok(isAppError(error));
      assert.doesNotMatch(error.message, /10\.0\.0\.7/);
      assert.ok(error.cause instanceof Error);
    }
    assert.equal(fromGrpcStatus(bare(StatusCode.UNAVAILABLE)).code, 'UNAVAILABLE');
    assert.equal(fromGrpcStatus(bare(StatusCode.DEADLINE_EXCEEDED)).code, 'DEADLINE_EXCEEDED');
    assert.equal(fromGrpcStatus(bare(StatusCode.UNKNOWN)).code, 'INTERNAL');
  });

  it('does not take a reason of another domain, an unknown one, or one that contradicts the status', () => {
    assert.equal(fromGrpcStatus(withReason(StatusCode.UNAVAILABLE, 'NOT_FOUND', 'sallyport')).code, 'UNAVAILABLE');
    assert.equal(fromGrpcStatus(withReason(StatusCode.NOT_FOUND, 'SELF_APPROVAL', 'example.com')).code, 'NOT_FOUND');
    assert.equal(fromGrpcStatus(withReason(StatusCode.NOT_FOUND, 'toString', 'sallyport')).code, 'NOT_FOUND');
    assert.equal(
      fromGrpcStatus(withReason(StatusCode.PERMISSION_DENIED, 'SELF_APPROVAL', 'sallyport')).code,
      'SELF_APPROVAL',
    );
  });

  it('survives damaged details', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const metadata = new Metadata();
        metadata.set('grpc-status-details-bin', Buffer.from(bytes));
        assert.equal(fromGrpcStatus(bare(StatusCode.ABORTED, metadata)).code, 'CONFLICT');
      }),
    );
  });

  it('passes an AppError unchanged and makes anything else INTERNAL', () => {
    const error = new AppError('STALE_BASE', 'It was changed.');
    assert.equal(fromGrpcStatus(error), error);
    for (const odd of [new RangeError('x'), 'text', null, undefined, { code: 14 }]) {
      assert.equal(roundTrip(odd).code, 'INTERNAL');
      assert.equal(fromGrpcStatus(odd).code, 'INTERNAL');
    }
  });
});
