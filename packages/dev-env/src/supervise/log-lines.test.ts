import { strict as assert } from 'node:assert';
import { lastWords, notableLine } from './log-lines.ts';

describe('notableLine', () => {
  it('shows warnings and errors with their cause, and nothing of the daily business', () => {
    assert.equal(notableLine('{"level":"info","msg":"ready"}'), null);
    assert.deepEqual(notableLine('{"level":"warn","msg":"feed lost","err":{"message":"ECONNRESET"}}'), {
      level: 'warn',
      message: 'feed lost: ECONNRESET',
    });
    assert.deepEqual(notableLine('{"level":60,"msg":"no database"}'), { level: 'error', message: 'no database' });
  });

  it('shows the first line of a stack trace and spares the rest', () => {
    const [first, ...rest] = [
      'TypeError: x is not a function',
      '    at serve (file:///main.ts:3:1)',
      '',
      'Node.js v24.21.0',
      '}',
    ];
    assert.deepEqual(notableLine(first ?? ''), { level: 'error', message: first });
    assert.deepEqual(rest.map(notableLine), [null, null, null, null]);
  });

  it('cuts what would flood the terminal', () => {
    const shown = notableLine('x'.repeat(10_000));
    assert.ok(shown !== null && shown.message.length <= 200 && shown.message.endsWith('…'));
  });
});

describe('lastWords', () => {
  it('are the error of a stack trace, not its decoration', () => {
    const dump = [
      'node:internal/modules/cjs/loader:1478',
      '  throw err;',
      '  ^',
      '',
      "Error: Cannot find module 'x'",
      '    at Module._load',
      '  code: 1,',
      '}',
      'Node.js v24.21.0',
    ];
    assert.equal(lastWords(dump), "Error: Cannot find module 'x'");
  });

  it('are the last error a service logged, or the last line of a program that logs plainly', () => {
    assert.equal(lastWords(['{"level":"fatal","msg":"no database"}', '{"level":"info","msg":"bye"}']), 'no database');
    assert.equal(lastWords(['The port is taken.']), 'The port is taken.');
    assert.equal(lastWords(['{"level":"info","msg":"bye"}']), null);
  });
});
