import assert from 'node:assert/strict';
import { inspect } from 'node:util';

import fc from 'fast-check';

import { ConfigError, defineConfig, describeConfig, readConfig, setting } from './index.ts';

const definition = defineConfig({
  httpPort: setting.port('SALLYPORT_HTTP_PORT', { default: 0, doc: 'Port of the HTTP server.' }),
  dbUrl: setting.secretUrl('SALLYPORT_DATABASE_URL', { doc: 'Where the data is.' }),
  level: setting.oneOf('SALLYPORT_LOG_LEVEL', ['debug', 'info'], { default: 'info', doc: 'a | b' }),
  otlpUrl: setting.url('SALLYPORT_OTLP_URL', { optional: true, doc: 'Collector.' }),
  leaseMs: setting.durationMs('SALLYPORT_LEASE_TTL', { default: 1_000, doc: 'Lease.' }),
  insecure: setting.boolean('SALLYPORT_INSECURE', { default: false, doc: 'Never in production.' }),
});
const valid = { SALLYPORT_DATABASE_URL: 'postgres://u:hunter2@db/x' };

const problemsOf = (env: Record<string, string>, ignore: string[] = []): readonly string[] => {
  try {
    readConfig(definition, env, { ignore });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
};

describe('readConfig', () => {
  it('gives typed values and defaults, frozen', () => {
    const config = readConfig(definition, { ...valid, SALLYPORT_HTTP_PORT: '8080', SALLYPORT_LEASE_TTL: '2s' });
    const port: number = config.httpPort;
    const level: 'debug' | 'info' = config.level;
    const otlp: string | undefined = config.otlpUrl;
    assert.deepEqual([port, level, otlp, config.leaseMs, config.insecure], [8080, 'info', undefined, 2_000, false]);
    assert.throws(() => Object.assign(config, { httpPort: 1 }), TypeError);
  });

  it('reports every problem at once, as sentences', () => {
    assert.deepEqual(
      problemsOf({
        SALLYPORT_HTTP_PORT: '80a',
        SALLYPORT_LOG_LEVEL: 'loud',
        SALLYPORT_INSECURE: 'yes',
        SALLYPORT_OTLP_URL: '',
      }),
      [
        'SALLYPORT_HTTP_PORT is not a whole number (it is "80a").',
        'SALLYPORT_DATABASE_URL is not set; it is required (secret URL).',
        'SALLYPORT_LOG_LEVEL must be one of debug, info (it is "loud").',
        'SALLYPORT_OTLP_URL is empty; give it a value (URL) or remove it.',
        'SALLYPORT_INSECURE must be true or false (it is "yes").',
      ],
    );
  });

  it('stops at an unknown variable of ours and names the nearest known one', () => {
    assert.deepEqual(problemsOf({ ...valid, SALLYPORT_HTTP_PROT: '1' }), [
      'SALLYPORT_HTTP_PROT is not a known setting; did you mean SALLYPORT_HTTP_PORT?',
    ]);
    assert.deepEqual(problemsOf({ ...valid, sallyport_log_level: 'info' }), [
      'sallyport_log_level is not a known setting; did you mean SALLYPORT_LOG_LEVEL?',
    ]);
    assert.deepEqual(problemsOf({ ...valid, SALLYPORT_ENTIRELY_DIFFERENT_THING: '1' }), [
      'SALLYPORT_ENTIRELY_DIFFERENT_THING is not a known setting.',
    ]);
  });

  it('lets through what is ignored by name, and what is not ours', () => {
    assert.deepEqual(problemsOf({ ...valid, SALLYPORT_CLI_TOKEN: 'x', HOME: '/' }, ['SALLYPORT_CLI_TOKEN']), []);
  });

  it('never prints a secret: not in problems, not in JSON, not when inspected', () => {
    const [problem] = problemsOf({ SALLYPORT_DATABASE_URL: 'hunter2' });
    assert.equal(problem, 'SALLYPORT_DATABASE_URL is not a URL.');
    const config = readConfig(definition, valid);
    assert.equal(config.dbUrl, valid.SALLYPORT_DATABASE_URL);
    for (const printed of [JSON.stringify(config), inspect(config), inspect({ nested: { config } })]) {
      assert.equal(printed.includes('hunter2'), false);
      assert.ok(printed.includes('[secret]'));
    }
  });

  it('either gives a config or a ConfigError, whatever the environment; no secret is in its message (property)', () => {
    const names = Object.values(definition).map(({ name }) => name);
    const env = fc.dictionary(fc.constantFrom(...names, 'SALLYPORT_X', 'HOME', '__proto__'), fc.string());
    fc.assert(
      fc.property(env, fc.string({ minLength: 8, unit: 'grapheme-ascii' }), (variables, secret) => {
        const mark = `\u{1F511}${secret}`;
        try {
          readConfig(definition, { ...variables, SALLYPORT_DATABASE_URL: mark });
          assert.fail('a secret of that form is no URL');
        } catch (error) {
          assert.ok(error instanceof ConfigError);
          assert.equal(error.message.includes(mark), false);
          for (const problem of error.problems) assert.match(problem, /^\S+ .+[.?]$/su);
        }
      }),
    );
  });

  it('reports each unknown name of ours exactly once (property)', () => {
    const unknown = fc.stringMatching(/^SALLYPORT_[A-Z]{1,12}_ZZ$/);
    fc.assert(
      fc.property(fc.uniqueArray(unknown, { maxLength: 5 }), (extra) => {
        const problems = problemsOf({ ...valid, ...Object.fromEntries(extra.map((name) => [name, '1'])) });
        assert.deepEqual(
          problems.map((problem) => problem.split(' ')[0]),
          extra.toSorted(),
        );
      }),
    );
  });
});

describe('defineConfig', () => {
  it('refuses a variable two keys read, and names that are not in upper case', () => {
    const one = setting.string('SALLYPORT_A', { doc: '' });
    assert.throws(() => defineConfig({ one, two: one }), /SALLYPORT_A is defined twice/);
    assert.throws(() => defineConfig({ one: setting.string('sallyport_a', { doc: '' }) }), ConfigError);
  });
});

describe('describeConfig', () => {
  it('writes a row for each setting, with kind, default and purpose, and no secret', () => {
    const withDefault = defineConfig({
      key: setting.secret('SALLYPORT_KEY', { default: 'swordfish', doc: 'A key.' }),
      ...definition,
    });
    const table = describeConfig(withDefault);
    assert.ok(table.includes('| `SALLYPORT_HTTP_PORT` | port | `0` | Port of the HTTP server. |'));
    assert.ok(table.includes('| `SALLYPORT_DATABASE_URL` | secret URL | **required** | Where the data is. |'));
    assert.ok(table.includes('| `SALLYPORT_OTLP_URL` | URL | none | Collector. |'));
    assert.ok(table.includes('| `SALLYPORT_LEASE_TTL` | duration | `1000 ms` | Lease. |'));
    assert.ok(table.includes('a \\| b'));
    assert.equal(table.includes('swordfish'), false);
    assert.equal(table.trimEnd().split('\n').length, 2 + 7);
  });
});
