/**
 * Any service may die at any moment under writes (SIGKILL): what was acknowledged is there when it is back, nothing is
 * there by half, every change has its entry, and the supervisor brings it back by itself.
 */
import assert from 'node:assert/strict';

import { SERVICE_NAMES, waitFor, type ServiceName } from '@sallyport/dev-env';

import { openCompany, type Company } from '../src/company.ts';
import { openRandom, type Random } from '../src/random.ts';
import { startStorm, type Storm } from '../src/storm.ts';
import { itHasSurvived } from '../support/after-storm.ts';

/** Each service dies this often. */
const ROUNDS = 2;

describe('a service killed in the middle of writes', function () {
  this.timeout(180_000);
  let company: Company;
  let random: Random;
  let storm: Storm;

  before(async () => {
    random = openRandom('services killed');
    company = await openCompany();
    storm = await startStorm(company, random, ROUNDS * SERVICE_NAMES.length);
  });

  after(async () => {
    await company?.close();
  });

  /** Kills it once some more writes have been acknowledged, wherever the others are by then. */
  const killAmidWrites = async (name: ServiceName): Promise<void> => {
    const { history } = storm;
    const due = history.acknowledgedInAll + 5 + random.integer(40);
    await waitFor(() => history.acknowledgedInAll >= due, { intervalMs: 1, timeoutMs: 20_000 });
    await company.constellation.services[name].kill9();
  };

  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const name of SERVICE_NAMES) {
      it(`is started again, and writes go on: ${name}, round ${String(round)}`, async () => {
        const service = company.constellation.services[name];
        const { pid, restarts } = service;
        await killAmidWrites(name);
        await service.whenReady();
        assert.equal(service.restarts, restarts + 1);
        assert.notEqual(service.pid, pid);
        await storm.blows();
      });
    }
  }

  itHasSurvived(() => ({ company, storm }));

  it('writes the receipts of ended access after its restart that it could not write before', async () => {
    const { database, orgId } = company;
    await waitFor(
      async () => {
        const open = await database.query('SELECT FROM identity.pending_receipt WHERE org_id = $1', [orgId]);
        return open.rowCount === 0;
      },
      { timeoutMs: 30_000, intervalMs: 100, message: 'every receipt to be written' },
    );
    const { rows } = await database.query<Record<string, unknown>>(
      `SELECT target_id, count(*) FILTER (WHERE action = 'account.deactivated') AS ended,
              count(*) FILTER (WHERE action = 'account.deactivation-effective') AS receipts
         FROM identity.audit_entry WHERE org_id = $1 AND target_type = 'account' GROUP BY target_id
       HAVING count(*) FILTER (WHERE action = 'account.deactivated')
           <> count(*) FILTER (WHERE action = 'account.deactivation-effective')`,
      [orgId],
    );
    assert.deepEqual(rows, []);
  });
});
