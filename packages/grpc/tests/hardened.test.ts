import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

describe('gRPC after the intrinsics were frozen', () => {
  it('calls, streams, refuses and drains as before', async () => {
    const program = new URL('hardened.ts', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 15_000 });
    assert.equal(stdout, 'done');
  });
});
