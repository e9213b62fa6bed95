import type { GrantSource } from '@sallyport/policy/decisions';

import { openWorld, orgIdOf, requestOf, rowsOf, sourceOf } from './world.ts';

const CHECKS = 100_000;
const RELOADS = 100;
const FAILED_RELOADS = 20;
const ORGANIZATIONS = 4;

/**
 * 100,000 checks while policies are reloaded 100 times and 20 more reloads fail. What is asked for is never changed by
 * a reload, so there is one right answer to each question; a denial because knowledge is too old would be wrong too.
 *
 * @returns the number of right answers
 */
export const rightAnswers = async (): Promise<number> => {
  let revision = 1;
  let fails = false;
  const rows = (org: number) => {
    const raw = rowsOf(org, { revision });
    // Another grant each time, of somebody nobody asks about.
    const [first] = raw.grants;
    const other = {
      ...first,
      grantId: `0190ffff-0000-7000-8000-${String(revision).padStart(12, '0')}`,
      subjectId: orgIdOf(org),
    };
    return { ...raw, grants: [...raw.grants, other] };
  };
  const real = sourceOf(ORGANIZATIONS, rows);
  const failing = async <T>(work: Promise<T>): Promise<T> => {
    const result = await work;
    if (fails) throw new Error('the database is gone');
    return result;
  };
  const source: GrantSource = {
    ...real,
    // Every second reload reads everything anew, the others what has changed.
    heads: () => real.heads(),
    load: (orgIds) => failing(real.load(orgIds)),
    changes: (known) => failing(real.changes(known)),
  };
  const { point, knowledge } = await openWorld({ organizations: ORGANIZATIONS }, source);
  const expected = Array.from({ length: 512 }, (_, number) => point.decide(requestOf(number, ORGANIZATIONS)).reason);
  let right = 0;
  let asked = 0;
  const check = async (): Promise<void> => {
    while (asked < CHECKS) {
      const number = asked % expected.length;
      asked += 1;
      if ((await point.ask(requestOf(number, ORGANIZATIONS))).reason === expected[number]) right += 1;
      if (asked % 64 === 0)
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
    }
  };
  const reload = async (): Promise<void> => {
    for (let number = 0; number < RELOADS + FAILED_RELOADS; number += 1) {
      fails = number % 6 === 5;
      revision += 1;
      await knowledge.refresh().catch(() => undefined);
      fails = false;
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  };
  await Promise.all([check(), check(), check(), check(), reload()]);
  return right;
};
