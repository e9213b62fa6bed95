import assert from 'node:assert/strict';

import { createLogger, type LogLevel } from './logger.ts';

const keeping = (level?: LogLevel) => {
  const lines: Record<string, unknown>[] = [];
  const destination = {
    write: (line: string) => {
      lines.push(JSON.parse(line) as Record<string, unknown>);
    },
  };
  return { lines, logger: createLogger({ service: 'policy', destination, ...(level === undefined ? {} : { level }) }) };
};

describe('logger', () => {
  it('writes one object a line: level as a word, time, service, fields, message', () => {
    const { lines, logger } = keeping();
    logger.info({ requestId: 'r1' }, 'ready');
    const [line] = lines;
    assert.deepEqual(
      { ...line, time: '' },
      { level: 'info', time: '', service: 'policy', requestId: 'r1', msg: 'ready' },
    );
    assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('adds the fields of a child to each of its lines, and those of its children', () => {
    const { lines, logger } = keeping();
    logger.child({ requestId: 'r1' }).child({ peer: 'flags' }).warn('odd');
    assert.equal(lines[0]?.['requestId'], 'r1');
    assert.equal(lines[0]['peer'], 'flags');
  });

  it('writes nothing below its level, in children neither', () => {
    const { lines, logger } = keeping('warn');
    logger.info('no');
    logger.child({}).debug('no');
    logger.warn('yes');
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['yes'],
    );
  });

  it('shows an error with type, message, stack, code and cause', () => {
    const { lines, logger } = keeping();
    const cause = Object.assign(new TypeError('inner'), { code: 'ECONNREFUSED' });
    logger.error({ err: new Error('outer', { cause }) }, 'failed');
    logger.error(new Error('alone'));
    const err = lines[0]?.['err'] as { type: string; stack: string; cause: { type: string; code: string } };
    assert.equal(err.type, 'Error');
    assert.match(err.stack, /outer/);
    assert.deepEqual([err.cause.type, err.cause.code], ['TypeError', 'ECONNREFUSED']);
    assert.equal((lines[1]?.['err'] as { message: string } | undefined)?.message, 'alone');
  });
});
