import assert from 'node:assert/strict';

import { fuzzFilters } from './model/fuzz-filters.ts';
import { openSeed } from './model/seed.ts';

const FILTERS = 100_000;
const P99_WITHIN_MS = 5;

describe('SCIM filters nobody would write', function () {
  this.timeout(180_000);

  it('are understood or refused as invalidFilter, in no time (property, 100,000 filters)', () => {
    const { parsed, resolved, p99Ms } = fuzzFilters(FILTERS, openSeed('SCIM filters'));
    assert.ok(parsed > 0 && resolved > 0, 'some of them are filters');
    assert.ok(p99Ms <= P99_WITHIN_MS, `p99 ${String(p99Ms)} ms`);
  });
});
