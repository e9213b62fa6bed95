import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import { z } from 'zod';

import { validate } from './validate.ts';

const fieldsOf = async (part: 'body' | 'query' | 'params', schema: z.ZodType, value: unknown) => {
  try {
    await validate(part, schema, value);
    return [];
  } catch (error) {
    assert.ok(isAppError(error));
    assert.equal(error.code, 'INVALID_REQUEST');
    return error.fields;
  }
};

describe('validate', () => {
  it('gives what the schema makes of the value', async () => {
    const schema = z.object({ n: z.coerce.number(), d: z.string().default('x') });
    assert.deepEqual(await validate('query', schema, { n: '1' }), { n: 1, d: 'x' });
  });

  it('lists at most 50 fields, and never the value that was sent', async () => {
    const values = Array.from({ length: 500 }, () => 'hunter2');
    const fields = await fieldsOf('body', z.array(z.number()), values);
    assert.equal(fields.length, 50);
    assert.equal(JSON.stringify(fields).includes('hunter2'), false);
    assert.equal(fields[49]?.pointer, '/49');
  });

  it('points in the way of each part, with escapes of RFC 6901', async () => {
    const schema = z.object({ 'a/b~c': z.object({ d: z.string() }) });
    const pointerIn = async (part: 'body' | 'query' | 'params') =>
      (await fieldsOf(part, schema, { 'a/b~c': {} }))[0]?.pointer;
    assert.equal(await pointerIn('body'), '/a~1b~0c/d');
    assert.equal(await pointerIn('query'), '?a/b~c.d');
    assert.equal(await pointerIn('params'), ':a/b~c.d');
  });

  it('takes codes of our own from refinements', async () => {
    const schema = z.string().refine(() => false, { params: { code: 'WEAK_PASSWORD' } });
    assert.deepEqual(
      (await fieldsOf('body', schema, 'x')).map(({ pointer, code }) => [pointer, code]),
      [['', 'WEAK_PASSWORD']],
    );
  });
});
