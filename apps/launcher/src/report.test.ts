import { strict as assert } from 'node:assert';
import type { ConstellationEvent } from '@sallyport/dev-env';
import { createReporter, lineOf } from './report.ts';

describe('what a person is told', () => {
  it('names the process, how it ended and when it comes back', () => {
    const crashed = { kind: 'crashed', name: 'policy', how: 'signal SIGKILL', restartInMs: 200 } as const;
    assert.equal(lineOf(crashed), 'policy stopped unexpectedly (signal SIGKILL); restarting in 0.2 s.');
    assert.equal(lineOf({ kind: 'ready', name: 'policy', tookMs: 940, restarts: 1 }), 'policy is back after 0.9 s.');
    const gone = { kind: 'gave-up', name: 'policy', crashes: 6, logFile: '/s/logs/policy.log' } as const;
    assert.match(
      lineOf(gone) ?? '',
      /6 times in a row and is not restarted any more; its log is \/s\/logs\/policy\.log/,
    );
  });

  it('says nothing of a first start and of what is logged during it', () => {
    const lines: string[] = [];
    const reporter = createReporter((line) => lines.push(line));
    const noise: ConstellationEvent = { kind: 'log', name: 'policy', level: 'warn', message: 'identity is away' };
    reporter.report({ kind: 'ready', name: 'policy', tookMs: 900, restarts: 0 });
    reporter.report(noise);
    assert.deepEqual(lines, []);
    reporter.showLogs(true);
    reporter.report(noise);
    reporter.report(noise);
    assert.deepEqual(lines, ['policy warn: identity is away']);
  });
});
