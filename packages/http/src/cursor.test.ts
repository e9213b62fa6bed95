import assert from 'node:assert/strict';

import fc from 'fast-check';
import { z } from 'zod';

import { decodeCursor, encodeCursor, listOf, listQuery } from './cursor.ts';

const position = z.strictObject({ after: z.string(), id: z.number() });

describe('cursor', () => {
  it('comes back as it went, in characters a URL takes as they are (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), fc.integer(), (after, id) => {
        const wanted = { after: after.replaceAll('\0', ''), id };
        const cursor = encodeCursor(wanted);
        assert.match(cursor, /^[A-Za-z0-9_-]+$/);
        assert.deepEqual(decodeCursor(position, cursor), wanted);
      }),
    );
  });

  it('is INVALID_CURSOR for everything else (property)', () => {
    const text = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.json().map(encodeCursor),
      fc.anything().map((value) => encodeCursor(value ?? null)),
    );
    fc.assert(
      fc.property(text, (cursor) => {
        assert.throws(() => decodeCursor(position, cursor), { code: 'INVALID_CURSOR' });
      }),
    );
    const tooLong = encodeCursor({ after: 'x'.repeat(2_000), id: 1 });
    const polluting = Buffer.from('{"after":"a","id":1,"__proto__":{}}').toString('base64url');
    for (const cursor of [tooLong, polluting, '', 'e30', `${encodeCursor({ after: 'a', id: 1 })}=`])
      assert.throws(() => decodeCursor(position, cursor), { code: 'INVALID_CURSOR' });
  });
});

describe('list conventions', () => {
  it('bounds the page', () => {
    assert.deepEqual(listQuery.parse({}), { limit: 50 });
    assert.deepEqual(listQuery.parse({ limit: '200', cursor: 'x' }), { limit: 200, cursor: 'x' });
    for (const limit of ['0', '201', 'x', '1.5', '', ['1', '2']])
      assert.equal(listQuery.safeParse({ limit }).success, false);
    assert.equal(listOf(z.string()).safeParse({ items: ['a'], nextCursor: null }).success, true);
    assert.equal(listOf(z.string()).safeParse({ items: ['a'] }).success, false);
  });
});
