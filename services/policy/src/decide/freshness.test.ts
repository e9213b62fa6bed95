import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';

import type { DecisionKnowledge } from './check.ts';
import { createFreshness } from './freshness.ts';

describe('an answer that has to know of a revision', () => {
  it('waits for the load of an organisation that the reading of the grants has set aside', async () => {
    const known = { isResident: true, revision: 1n };
    const knowledge = {
      look: () => ({ index: known.isResident ? { revision: known.revision } : undefined }),
      ensure: async () => {
        if (known.isResident) return;
        await turn();
        Object.assign(known, { isResident: true, revision: 2n });
      },
    };
    const refresh = (): Promise<void> => {
      known.isResident = false;
      return Promise.resolve();
    };
    const isFresh = createFreshness({
      knowledge: knowledge as unknown as DecisionKnowledge,
      clock: { now: () => new Date(0), monotonicMs: () => 0 },
      refresh,
    });
    const patience = { remainingMs: () => Number.POSITIVE_INFINITY };
    assert.equal(await isFresh('acme', 'acme@s0.g2', patience), null);
    assert.equal(await isFresh('acme', 'acme@s0.g3', patience), 'GRANTS_STALE');
  });
});
