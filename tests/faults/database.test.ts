/**
 * PostgreSQL may die under writes (SIGKILL of the server): acknowledged writes survive, nothing is there by half, and
 * every service recovers without being restarted.
 */
import assert from 'node:assert/strict';

import { SERVICE_NAMES, waitFor } from '@sallyport/dev-env';

import { openCompany, type Company } from '../src/company.ts';
import { openRandom, type Random } from '../src/random.ts';
import { startStorm, type Storm } from '../src/storm.ts';
import { itHasSurvived } from '../support/after-storm.ts';

const CRASHES = 2;

describe('PostgreSQL killed in the middle of writes', function () {
  this.timeout(180_000);
  let company: Company;
  let random: Random;
  let storm: Storm;

  before(async () => {
    random = openRandom('PostgreSQL killed');
    company = await openCompany({ durable: true });
    storm = await startStorm(company, random, CRASHES);
  });

  after(async () => {
    await company?.close();
  });

  const pids = (): (number | undefined)[] => SERVICE_NAMES.map((name) => company.constellation.services[name].pid);

  for (let crash = 1; crash <= CRASHES; crash += 1) {
    it(`restarts no service, and writes go on, crash ${String(crash)}`, async () => {
      const before = pids();
      const { history } = storm;
      const due = history.acknowledgedInAll + 5 + random.integer(40);
      await waitFor(() => history.acknowledgedInAll >= due, { intervalMs: 1, timeoutMs: 20_000 });
      await company.constellation.database.kill9();
      await storm.blows();
      assert.deepEqual(pids(), before);
    });
  }

  itHasSurvived(() => ({ company, storm }));
});
