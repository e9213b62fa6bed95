import assert from 'node:assert/strict';

import { assertLogsVerify, assertNothingHalf, assertPolicyKnowsAll } from '../src/aftermath.ts';
import type { Company } from '../src/company.ts';
import { readTruth, type Storm } from '../src/storm.ts';

/** Tests for the end of a suite in which writes of every kind met faults: the storm ends, and nothing shows of them. */
export const itHasSurvived = (scene: () => { readonly company: Company; readonly storm: Storm }): void => {
  it('has lost nothing that was acknowledged, and done nothing that was refused', async () => {
    const { company, storm } = scene();
    await storm.stop();
    console.log(`      ${String(storm.history.acknowledgedInAll)} writes acknowledged`);
    assert.deepEqual(storm.history.violations(await readTruth(company, storm)), []);
  });

  it('has left nothing half done, and an entry for every change', async () => {
    await assertNothingHalf(scene().company);
  });

  it('has left audit logs that verify offline without a gap', async () => {
    const { company } = scene();
    await assertLogsVerify(company, company.ownerToken);
  });

  it('is no reason for policy to know anybody differently than identity does', async () => {
    await assertPolicyKnowsAll(scene().company);
  });
};
