/** `npm run demo -- --json`, as the one program a newcomer runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { REPOSITORY } from '@sallyport/dev-env';

const CLASSES = ['accessToken', 'apiToken', 'flagMutation', 'policyDecision', 'refreshToken', 'session'];
/** ms; `docs/architecture.md`: the lease, its margin for clock drift, and what the request itself takes. */
const HARD_BOUND_MS = 1_500;

describe('npm run demo', function () {
  this.timeout(150_000);

  it('plays the main job on a constellation of its own: every step holds, every credential dies', async () => {
    const program = ['apps/launcher/src/demo.ts', '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, program, {
      cwd: REPOSITORY,
      timeout: 140_000,
    }).catch((error: unknown) => assert.fail(String((error as { stdout?: string }).stdout ?? error)));
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    const { steps, failed, revocationMs } = JSON.parse(last) as {
      steps: number;
      failed: number;
      revocationMs: Record<string, number>;
    };
    assert.equal(failed, 0, stdout);
    assert.ok(steps >= 15, stdout);
    assert.deepEqual(Object.keys(revocationMs).sort(), CLASSES);
    for (const [name, ms] of Object.entries(revocationMs))
      assert.ok(ms > 0 && ms < HARD_BOUND_MS, `${name}: ${String(ms)} ms`);
  });
});
