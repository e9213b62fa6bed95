import assert from 'node:assert/strict';

import { isId } from '@sallyport/storage';

import { EntryIds } from './entry-ids.ts';

const AT_MS = 0x0190a0000001;

describe('ids of entries', () => {
  it('are UUIDs of version 7, of the moment named (RFC 9562 §5.7)', () => {
    const id = new EntryIds().at(AT_MS + 0.75);
    assert.ok(isId(id), id);
    assert.match(id, /^0190a000-0001-7000-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('grow, also within a millisecond, beyond what fits into one, and when time goes back (RFC 9562 §6.2)', () => {
    const ids = new EntryIds();
    const made = [AT_MS, AT_MS + 1].flatMap((atMs) => Array.from({ length: 10_000 }, () => ids.at(atMs)));
    made.push(ids.at(AT_MS - 5_000), ids.at(AT_MS + 60_000));
    assert.ok(made.every(isId));
    assert.ok(made.every((id, at) => at === 0 || id > (made[at - 1] ?? '')));
  });

  it('of two processes are different', () => {
    const [one, other] = [new EntryIds(), new EntryIds()];
    const made = Array.from({ length: 10_000 }, () => [one.at(AT_MS), other.at(AT_MS)]).flat();
    assert.equal(new Set(made).size, made.length);
  });
});
