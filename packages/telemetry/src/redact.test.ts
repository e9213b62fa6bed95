import assert from 'node:assert/strict';

import { computingMs } from '@sallyport/testing';
import fc from 'fast-check';

import { createLogger } from './logger.ts';
import { REDACTED, redactText, redactValue } from './redact.ts';

const logged = (write: (logger: ReturnType<typeof createLogger>) => void): string => {
  let text = '';
  const destination = {
    write: (line: string) => {
      text += line;
    },
  };
  write(createLogger({ service: 'test', level: 'trace', destination }));
  return text;
};

describe('redaction', () => {
  const secretKeys = [
    'authorization',
    'Authorization',
    'cookie',
    'set-cookie',
    'Set-Cookie',
    'password',
    'newPassword',
    'token',
    'accessToken',
    'refresh_token',
    'id_token',
    'secret',
    'client_secret',
    'clientSecret',
    'SAMLResponse',
    'assertion',
    'client_assertion',
    'code',
    'code_verifier',
    'private_key',
    'masterKey',
    'otp',
  ];

  it('hides the value of every secret key, at any depth, whatever the value is (property)', () => {
    const secret = 's3cr3t-Value-0987';
    const nest = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(...secretKeys).map((key) => ({ [key]: secret })),
        fc.constantFrom(...secretKeys).map((key) => ({ [key]: { nested: [secret] } })),
        fc.array(tie('value'), { minLength: 1, maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'user', 'headers'), tie('value'), { minKeys: 1, maxKeys: 3 }),
        tie('value').map((value) => new Map([['inner', value]])),
        tie('value').map((value) => Object.assign(new Error('failed'), { response: value })),
        tie('value').map((value) => new Error('outer', { cause: value })),
      ),
    }));
    fc.assert(
      fc.property(nest.value, (value) => {
        const text = logged((logger) => {
          logger.info({ value }, 'message');
          logger.child({ value }).warn('message');
          if (value instanceof Error) logger.error(value);
        });
        assert.equal(text.includes(secret), false, text);
      }),
    );
  });

  for (const [what, text, shown] of [
    [
      'query parameters',
      'GET /cb?code=abc123&state=s&id_token=x.y',
      `GET /cb?code=${REDACTED}&state=s&id_token=${REDACTED}`,
    ],
    ['a fragment', 'https://a/#access_token=abc&x=1', `https://a/#access_token=${REDACTED}&x=1`],
    ['a form body', 'grant_type=refresh_token&refresh_token=abc', `grant_type=refresh_token&refresh_token=${REDACTED}`],
    ['a SAML response', 'SAMLResponse=PHNhbWw%2B&RelayState=r', `SAMLResponse=${REDACTED}&RelayState=r`],
    ['bearer credentials', 'sent BEARER abcdef.ghi to it', `sent BEARER ${REDACTED} to it`],
    [
      'the session cookie',
      '__Host-sallyport_session=abc; theme=dark',
      `__Host-sallyport_session=${REDACTED}; theme=dark`,
    ],
    ['a JSON web token', 'got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', `got ${REDACTED}`],
    ['one of our secrets', `key sp_live_${'a'.repeat(49)} was used`, `key sp_live_${REDACTED} was used`],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----', REDACTED],
  ] as const) {
    it(`hides ${what} in text`, () => {
      assert.equal(redactText(text), shown);
    });
  }

  it('hides them in messages, errors, stacks and causes', () => {
    const text = logged((logger) => {
      logger.error(new Error('fetch /token?client_secret=hunter2', { cause: new Error('Bearer hunter2hunter2') }));
      logger.info('callback /cb?code=hunter2');
      logger.info({ url: new URL('https://a/?token=hunter2') });
    });
    assert.equal(text.includes('hunter2'), false, text);
    assert.equal(text.split('\n').filter((line) => line !== '').length, 3);
  });

  it('keeps error codes and status numbers, which are no authorization codes', () => {
    assert.deepEqual(redactValue({ code: 'NOT_FOUND', inner: { code: 14 } }), {
      code: 'NOT_FOUND',
      inner: { code: 14 },
    });
    assert.deepEqual(redactValue({ code: 'SplxlOBeZQQYbYS6WxSbIA', b: { code: 123_456 } }), {
      code: REDACTED,
      b: { code: REDACTED },
    });
  });

  it('keeps what only sounds alike', () => {
    const harmless = { tokenId: 'a', codeChallenge: 'b', secretary: 'c', authorizationUrl: 'd', requestId: 'e' };
    assert.deepEqual(redactValue(harmless), harmless);
    assert.equal(redactText('error code=NOT a secret? zipcode: 1'), `error code=${REDACTED} a secret? zipcode: 1`);
  });

  it('never throws and always ends: cycles, depth, size, getters, proxies, odd values', () => {
    const cycle: Record<string, unknown> = { name: 'a' };
    cycle['self'] = cycle;
    let deep: unknown = 'end';
    for (let depth = 0; depth < 10_000; depth += 1) deep = { deep };
    const hostile = {
      get boom(): string {
        throw new Error('no');
      },
    };
    const proxy = new Proxy({}, { ownKeys: () => assert.fail('no') });
    const odd = [cycle, deep, hostile, proxy, 10n, Symbol('s'), () => 1, new Date(Number.NaN), Buffer.alloc(9), null];
    const text = logged((logger) => {
      for (const value of [...odd, Array.from({ length: 1_000 }, (_, index) => index), 'x'.repeat(100_000)]) {
        logger.info({ value });
      }
    });
    assert.ok(text.length < 60_000);
    for (const line of text.trim().split('\n')) JSON.parse(line);
  });

  it('gives no key power over the line: __proto__, toString, level, time', () => {
    const fields = JSON.parse('{"__proto__":{"polluted":true},"toString":1,"hasOwnProperty":2}') as object;
    const text = logged((logger) => {
      logger.info({ fields }, 'm');
    });
    assert.deepEqual(Object.keys((JSON.parse(text) as { fields: object }).fields), [
      '__proto__',
      'toString',
      'hasOwnProperty',
    ]);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  it('takes time in proportion to the text (no ReDoS)', () => {
    for (const piece of ['a_token', '=', '?code', 'eyJ', 'bearer ', '-----BEGIN A', '__Host-', 'sp_a', '&', ' ']) {
      const tookMs = computingMs(() => redactText(piece.repeat(Math.ceil(100_000 / piece.length))));
      assert.ok(tookMs < 200, piece);
    }
  });
});
