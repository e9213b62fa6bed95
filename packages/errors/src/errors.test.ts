import assert from 'node:assert/strict';

import { AppError, ERROR_CODES, ERROR_REGISTRY, isAppError, isErrorCode } from './index.ts';

describe('error registry', () => {
  it('gives every code an HTTP error status, a gRPC code and a title that is a sentence without a stop', () => {
    for (const code of ERROR_CODES) {
      const kind = ERROR_REGISTRY[code];
      assert.ok(kind.http >= 400 && kind.http < 600, code);
      assert.match(code, /^[A-Z][A-Z_]{2,62}$/, 'a reason of ErrorInfo has at most 63 characters');
      assert.match(kind.title, /^[A-Z].*[^.]$/, code);
    }
  });

  it('knows own names only', () => {
    assert.equal(isErrorCode('NOT_FOUND'), true);
    for (const name of ['toString', '__proto__', 'constructor', '', 'not_found'])
      assert.equal(isErrorCode(name), false);
  });

  it('cannot be changed at run time', () => {
    assert.throws(() => Object.assign(ERROR_REGISTRY, { NOT_FOUND: ERROR_REGISTRY.INTERNAL }), TypeError);
    assert.throws(() => Object.assign(ERROR_REGISTRY.NOT_FOUND, { http: 200 }), TypeError);
  });
});

describe('AppError', () => {
  it('keeps the cause apart from what is shown', () => {
    const error = new AppError('NOT_FOUND', 'No such flag.', {
      cause: new TypeError('secret'),
      metadata: { flag: 'a' },
    });
    assert.equal(isAppError(error), true);
    assert.equal(error.message, 'No such flag.');
    assert.equal(error.kind.http, 404);
    assert.equal(JSON.stringify({ ...error }).includes('secret'), false);
    assert.ok(error.cause instanceof TypeError);
  });
});
