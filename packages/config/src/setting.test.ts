import assert from 'node:assert/strict';

import fc from 'fast-check';

import { editDistance, nearest } from './nearest.ts';
import { setting, type Setting } from './setting.ts';

const read = <T>(one: Setting<T>, text: string): T | string => {
  const parsed = one.parse(text);
  return parsed.ok ? parsed.value : `! ${parsed.problem}`;
};
const isRefused = (one: Setting<unknown>, text: string): boolean => !one.parse(text).ok;

describe('setting kinds', () => {
  it('integer: every whole number of the range and nothing else (property)', () => {
    const one = setting.integer('A', { min: -5, max: 1_000, doc: '' });
    fc.assert(fc.property(fc.integer({ min: -5, max: 1_000 }), (value) => read(one, String(value)) === value));
    fc.assert(fc.property(fc.integer({ min: 1_001 }), (value) => isRefused(one, String(value))));
    fc.assert(fc.property(fc.string(), (text) => isRefused(one, text) || String(read(one, text)) === text));
    for (const text of ['', ' 1', '1 ', '1.0', '1e2', '0x1', '01', '-0x', '+1', '١', 'NaN', 'Infinity'])
      assert.ok(isRefused(one, text), text);
  });

  it('port: 0 to 65535', () => {
    const one = setting.port('A', { doc: '' });
    assert.deepEqual([read(one, '0'), read(one, '65535')], [0, 65_535]);
    for (const text of ['65536', '-1', 'http']) assert.ok(isRefused(one, text), text);
  });

  it('durationMs: a number with a unit means what it says (property)', () => {
    const one = setting.durationMs('A', { doc: '' });
    const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 365 }), fc.constantFrom(...Object.entries(units)), (count, [unit, ms]) => {
        assert.equal(read(one, `${String(count)}${unit}`), count * ms);
      }),
    );
    assert.equal(read(one, '1500'), 1_500);
    for (const text of ['-1s', '1.5s', '1 s', 's', '1w', '366d', '1S']) assert.ok(isRefused(one, text), text);
    assert.equal(
      read(setting.durationMs('A', { doc: '', min: 100 }), '50ms'),
      '! must be from 100 ms to 31536000000 ms',
    );
  });

  it('boolean: true and false, no other spelling', () => {
    const one = setting.boolean('A', { doc: '' });
    assert.deepEqual([read(one, 'true'), read(one, 'false')], [true, false]);
    for (const text of ['1', '0', 'yes', 'TRUE', 'on', ' true']) assert.ok(isRefused(one, text), text);
  });

  it('origin: what a browser sends, nothing after the port', () => {
    const one = setting.origin('A', { doc: '' });
    assert.equal(read(one, 'https://sallyport.example:8443'), 'https://sallyport.example:8443');
    assert.equal(read(one, 'https://sallyport.example/'), 'https://sallyport.example');
    for (const text of [
      'https://a.example/x',
      'https://a.example/?q',
      'https://u:p@a.example',
      'ftp://a',
      'a.example',
      'null',
    ])
      assert.ok(isRefused(one, text), text);
  });

  it('url and secretUrl: absolute, of an allowed protocol', () => {
    assert.ok(isRefused(setting.url('A', { doc: '' }), 'postgres://x/y'));
    assert.ok(isRefused(setting.url('A', { doc: '', protocols: ['https:'] }), 'http://x'));
    assert.equal(read(setting.secretUrl('A', { doc: '' }), 'postgres://u:p@h/d'), 'postgres://u:p@h/d');
  });

  it('hostPort, path, list, string and secret', () => {
    const address = setting.hostPort('A', { doc: '' });
    assert.deepEqual([read(address, 'policy:9090'), read(address, '[::1]:1')], ['policy:9090', '[::1]:1']);
    for (const text of ['policy', 'policy:0', 'policy:65536', ':1', 'a b:1']) assert.ok(isRefused(address, text), text);

    const file = setting.path('A', { doc: '', mustExist: 'file' });
    assert.equal(read(file, import.meta.filename), import.meta.filename);
    assert.match(read(file, import.meta.dirname), /which is not a file$/);
    assert.match(read(file, '/no/such/file'), /cannot be read$/);
    assert.equal(read(setting.path('A', { doc: '' }), '/no/such/file'), '/no/such/file');

    const list = setting.list('A', { doc: '', pattern: /^[a-z]+$/ });
    assert.deepEqual(read(list, 'a, b,c'), ['a', 'b', 'c']);
    assert.equal(read(list, 'a,,c'), '! has an entry that is not valid (number 2)');
    assert.equal(read(list, 'a,B'), '! has an entry that is not valid (number 2)');

    const key = setting.string('A', { doc: '', pattern: /^[0-9a-f]{4}$/, hint: 'four hex digits' });
    assert.deepEqual([read(key, 'beef'), read(key, 'beer')], ['beef', '! must be four hex digits']);
    assert.equal(read(setting.secret('A', { doc: '', minLength: 8 }), 'short'), '! must have at least 8 characters');
  });

  it('knows its default and whether it is required', () => {
    assert.equal(setting.string('A', { doc: '' }).fallback, undefined);
    assert.deepEqual(setting.string('A', { doc: '', optional: true }).fallback, { value: undefined, text: '' });
    assert.deepEqual(setting.list('A', { doc: '', default: ['a', 'b'] }).fallback, { value: ['a', 'b'], text: 'a,b' });
  });
});

describe('nearest', () => {
  it('measures edits as a metric does (property)', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        assert.equal(editDistance(a, a), 0);
        assert.equal(editDistance(a, b), editDistance(b, a));
        assert.ok(editDistance(a, c) <= editDistance(a, b) + editDistance(b, c));
      }),
    );
  });

  it('suggests nothing where nothing is alike', () => {
    assert.equal(nearest('SALLYPORT_HTTP_PROT', ['SALLYPORT_HTTP_HOST', 'SALLYPORT_HTTP_PORT']), 'SALLYPORT_HTTP_PORT');
    assert.equal(nearest('SALLYPORT_QQQQQQQQQQQQQ', ['SALLYPORT_HTTP_PORT']), undefined);
    assert.equal(nearest('X', []), undefined);
  });
});
