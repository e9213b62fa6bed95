import type { Database } from '@sallyport/storage';

import { toBody, toGapBody } from './render.ts';
import { entriesAfter, lastPosition, listGaps } from './store.ts';

const PAGE = 500;

interface Range {
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}

/**
 * One line for each gap, then one for each entry written before the export began: `{"gap": …}`, `{"decision": …}`. The
 * last line says how many entries there were: without it the file is not complete.
 */
export async function* exportLines(db: Database, orgId: string, { since, until }: Range): AsyncGenerator<string> {
  const end = await db.readOne(orgId, async (tx) => await lastPosition(tx, orgId));
  const isInRange = (at: Date): boolean => (since === undefined || at >= since) && (until === undefined || at < until);
  for (let before: string | undefined; ;) {
    const gaps = await db.readOne(orgId, async (tx) => await listGaps(tx, orgId, { before, limit: PAGE }));
    for (const gap of gaps)
      if (isInRange(gap.fromAt) || isInRange(gap.untilAt)) yield `${JSON.stringify({ gap: toGapBody(gap) })}\n`;
    if (gaps.length < PAGE) break;
    before = gaps.at(-1)?.gapId;
  }
  let entries = 0;
  for (let after = 0n; after < end;) {
    const page = await db.readOne(orgId, async (tx) => await entriesAfter(tx, orgId, after, PAGE));
    for (const recorded of page) {
      after = BigInt(recorded.position);
      if (after > end) break;
      if (!isInRange(recorded.decidedAt)) continue;
      entries += 1;
      yield `${JSON.stringify({ decision: toBody(recorded) })}\n`;
    }
    if (page.length === 0) break;
  }
  yield `${JSON.stringify({ end: { entries } })}\n`;
}
