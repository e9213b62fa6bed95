import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

import type { SubjectStanding } from '@sallyport/subject-feed';
import { longestTurnMs } from '@sallyport/testing';
import fc from 'fast-check';

import { compileOrganization, type OrganizationIndex } from '../model/compile.ts';
import { BUILT_IN_ROLES } from '../model/roles.ts';
import type { GrantRow } from '../model/rows.ts';
import { deskOf } from '../../tests/support/list-desk.ts';
import { createLists, type ActionsQuestion, type SubjectsQuestion } from './index.ts';
import { KEPT_FOR_MS, MAX_KEPT_PER_ORGANIZATION } from './kept-lists.ts';
import { Turns, sortInTurns } from './turns.ts';

/** Returns after the list that was just asked for had its first turn. */
const firstTurn = async (): Promise<void> => {
  await setImmediate();
  await setImmediate();
};

const grant = (fields: Partial<GrantRow>): GrantRow => ({
  grantId: 'g1',
  subjectType: 'group',
  subjectId: 'staff',
  roleKey: 'viewer',
  projectId: null,
  environmentId: null,
  effect: 'allow',
  validFromMs: null,
  validUntilMs: null,
  ...fields,
});

const staff = (count: number): Map<string, SubjectStanding> =>
  new Map(
    Array.from({ length: count }, (_, at) => [
      // In no order, so that sorting has something to do.
      `u${String((at * 7_919) % count).padStart(6, '0')}`,
      { type: 'user', active: at % 10 !== 0, epoch: 1n, groupIds: ['staff'] },
    ]),
  );

const compiledOf = (grants: readonly GrantRow[], revision = 41n): OrganizationIndex => {
  const projects = [{ projectId: 'shop', key: 'shop' }];
  const rows = { orgId: 'org', slug: 'acme', revision, grants, projects, environments: [] };
  const compiled = compileOrganization(rows, BUILT_IN_ROLES);
  assert.ok(compiled.ok);
  return compiled.index;
};

const READERS: SubjectsQuestion = { orgId: 'org', action: 'flag:read', projectId: 'shop', environmentId: '' };

describe('pages of a list', () => {
  it('go on as the list was when it was begun, whatever changed since', async () => {
    const desk = deskOf(compiledOf([grant({})]), staff(50));
    const first = await desk.lists.subjects({ ...READERS, limit: 20 });
    assert.equal(first.total, 45);
    assert.equal(first.revision, 'org@s7.g41');
    desk.known.subjects.clear();
    desk.move(8n);
    desk.known.index = compiledOf([], 42n);
    const second = await desk.lists.subjects({ ...READERS, limit: 40, cursor: first.nextCursor ?? '' });
    assert.deepEqual([second.items.length, second.complete, second.revision], [25, true, 'org@s7.g41']);
    assert.deepEqual((await desk.lists.subjects(READERS)).items, []);
  });

  it('are the same from another process that knows the same, and expire where it knows something else', async () => {
    const [one, other] = [deskOf(compiledOf([grant({})]), staff(50)), deskOf(compiledOf([grant({})]), staff(50))];
    other.clock.pass(1_000);
    const first = await one.lists.subjects({ ...READERS, limit: 20 });
    const cursor = first.nextCursor ?? '';
    const [here, there] = await Promise.all([
      one.lists.subjects({ ...READERS, cursor }),
      other.lists.subjects({ ...READERS, cursor }),
    ]);
    assert.deepEqual(here, there);
    const moved = deskOf(compiledOf([grant({})]), staff(50));
    moved.move(8n);
    await assert.rejects(moved.lists.subjects({ ...READERS, cursor }), { code: 'EXPIRED_CURSOR' });
    const changed = deskOf(compiledOf([grant({})], 42n), staff(50));
    await assert.rejects(changed.lists.subjects({ ...READERS, cursor }), { code: 'EXPIRED_CURSOR' });
  });

  it('can be had for five minutes, and of eight lists at once; older ones say that they expired', async () => {
    const desk = deskOf(compiledOf([grant({})]), staff(50));
    const first = await desk.lists.subjects({ ...READERS, limit: 20 });
    desk.move(8n);
    desk.clock.pass(KEPT_FOR_MS - 1);
    await desk.lists.subjects({ ...READERS, cursor: first.nextCursor ?? '' });
    desk.clock.pass(1);
    await assert.rejects(desk.lists.subjects({ ...READERS, cursor: first.nextCursor ?? '' }), {
      code: 'EXPIRED_CURSOR',
    });

    const begun = await desk.lists.subjects({ ...READERS, limit: 20 });
    for (let at = 0; at < MAX_KEPT_PER_ORGANIZATION; at += 1) {
      desk.clock.pass(1);
      await desk.lists.subjects({ ...READERS, limit: 20 });
    }
    desk.move(9n);
    await assert.rejects(desk.lists.subjects({ ...READERS, cursor: begun.nextCursor ?? '' }), {
      code: 'EXPIRED_CURSOR',
    });
  });

  it('belong to the question they were begun with, down to the properties', async () => {
    const desk = deskOf(compiledOf([grant({})]), staff(50));
    const { nextCursor } = await desk.lists.subjects({
      ...READERS,
      limit: 20,
      given: { context: { ip: '192.0.2.1' } },
    });
    const cursor = nextCursor ?? '';
    for (const other of [
      { ...READERS, cursor },
      { ...READERS, given: { context: { ip: '192.0.2.2' } }, cursor },
      { ...READERS, given: { context: { ip: '192.0.2.1' } }, action: 'change:read', cursor },
      { ...READERS, given: { context: { ip: '192.0.2.1' } }, orgId: 'other', cursor },
      { ...READERS, given: { context: { ip: '192.0.2.1' } }, cursor: `${cursor}x` },
    ])
      await assert.rejects(desk.lists.subjects(other), { code: 'INVALID_CURSOR' });
  });
});

describe('what lists rest on', () => {
  it('is never too old: neither to begin, nor when they are ready, nor for a later page', async () => {
    const desk = deskOf(compiledOf([grant({})]), staff(20_000));
    const { nextCursor } = await desk.lists.subjects({ ...READERS, limit: 20 });
    for (const [field, reason] of [
      ['standingMs', 'STANDING_STALE'],
      ['grantsMs', 'GRANTS_STALE'],
    ] as const) {
      desk.known[field] = 0;
      const refusal = { code: 'DECISION_UNAVAILABLE', metadata: { reason } };
      await assert.rejects(desk.lists.subjects(READERS), refusal);
      await assert.rejects(desk.lists.subjects({ ...READERS, cursor: nextCursor ?? '' }), refusal);
      desk.known[field] = 500;
      const slow = desk.lists.subjects({ ...READERS, resource: { type: '', id: field } });
      await firstTurn();
      desk.known[field] = 0;
      await assert.rejects(slow, refusal);
      desk.known[field] = 500;
    }
  });

  it('is of one state: who comes or goes while a list is put together is in the next one', async () => {
    const desk = deskOf(compiledOf([grant({})]), staff(20_000));
    const before = desk.lists.subjects({ ...READERS, limit: 1 });
    await firstTurn();
    desk.known.subjects.clear();
    desk.move(8n);
    assert.deepEqual([(await before).total, (await before).revision], [18_000, 'org@s7.g41']);
  });

  it('names nobody who is not active, nobody twice, and nobody of another organisation', async () => {
    const people = new Map<string, SubjectStanding>([
      ['ann', { type: 'user', active: true, epoch: 1n, groupIds: ['staff', 'others'] }],
      ['bob', { type: 'user', active: false, epoch: 1n, groupIds: ['staff'] }],
      ['ci', { type: 'service_account', active: true, epoch: 1n, groupIds: ['staff'] }],
    ]);
    const desk = deskOf(compiledOf([grant({}), grant({ grantId: 'g2', subjectId: 'others' })]), people);
    const { items } = await desk.lists.subjects(READERS);
    assert.deepEqual(items, [
      { type: 'user', id: 'ann' },
      { type: 'service_account', id: 'ci' },
    ]);
    assert.deepEqual((await desk.lists.subjects({ ...READERS, types: ['service_account'] })).items, [items[1]]);
    await assert.rejects(desk.lists.subjects({ ...READERS, orgId: 'other' }), { code: 'NOT_FOUND' });
    const bob = { subject: { type: 'user', id: 'bob', epoch: 0n }, orgId: 'org', projectId: '', environmentId: '' };
    assert.deepEqual((await desk.lists.actions(bob)).items, []);
    assert.deepEqual((await desk.lists.resources({ ...bob, action: 'flag:read', projectId: '' })).items, []);
  });

  it('tells a credential that is too old from one that is newer than what is known', async () => {
    const standing = { type: 'user', active: true, epoch: 3n, groupIds: ['staff'] } as const;
    const desk = deskOf(compiledOf([grant({})]), new Map([['ann', standing]]));
    const of = (epoch: bigint): ActionsQuestion => ({
      orgId: 'org',
      subject: { type: 'user', id: 'ann', epoch },
      projectId: '',
      environmentId: '',
    });
    assert.deepEqual((await desk.lists.actions(of(2n))).items, []);
    assert.notEqual((await desk.lists.actions(of(3n))).total, 0);
    await assert.rejects(desk.lists.actions(of(4n)), { code: 'DECISION_UNAVAILABLE' });
  });

  it('asks Casbin where Casbin decides', async () => {
    const { knowledge, clock } = deskOf(compiledOf([]), staff(20));
    const lists = createLists({
      knowledge,
      clock,
      reference: {
        decides: () => true,
        prepare: () => Promise.resolve(),
        verdict: (_, { actor }) =>
          actor.id === 'u000007' ? { kind: 'allowed', grant: undefined, untilMs: 0 } : { kind: 'no-grant' },
        observe: () => undefined,
      },
    });
    assert.deepEqual((await lists.subjects(READERS)).items, [{ type: 'user', id: 'u000007' }]);
  });
});

const MAX_TURN_MS = 50;

describe('long lists', () => {
  it('of 100,000 people leave the event loop to others: no turn of theirs takes 50 ms', async function long() {
    this.timeout(180_000);
    const { knowledge, known } = deskOf(compiledOf([grant({})]), staff(100_000));
    assert.equal(known.subjects.size, 100_000);
    const clock = { now: () => new Date(5), monotonicMs: () => performance.now() };
    const totals = async (): Promise<readonly (number | undefined)[]> => {
      const lists = createLists({ knowledge, clock }); // One that has none of these lists yet.
      const pages = await Promise.all([1, 2, 3].map(async (limit) => await lists.subjects({ ...READERS, limit })));
      return pages.map(({ total }) => total);
    };
    assert.deepEqual(await totals(), [90_000, 90_000, 90_000]);
    const longestMs = await longestTurnMs(totals, MAX_TURN_MS);
    assert.ok(longestMs < MAX_TURN_MS, `${String(longestMs)} ms`);
  });

  it('end when nobody waits for them any more', async () => {
    const { lists } = deskOf(compiledOf([grant({})]), staff(20_000));
    const aborted = new AbortController();
    const list = lists.subjects({ ...READERS, signal: aborted.signal });
    await firstTurn();
    aborted.abort(new Error('gone'));
    await assert.rejects(list, /gone/);
  });

  it('are sorted like any list', async () => {
    const clock = { now: () => new Date(0), monotonicMs: () => performance.now() };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer(), { maxLength: 10_000, size: 'max' }), async (numbers) => {
        const sorted = await new Turns(clock).take(
          undefined,
          async (turn) => await sortInTurns(numbers, (left, right) => left < right, turn),
        );
        assert.deepEqual(
          sorted,
          numbers.toSorted((left, right) => left - right),
        );
      }),
      { numRuns: 30 },
    );
  });
});
