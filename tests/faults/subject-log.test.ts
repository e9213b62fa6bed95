/**
 * Policy resumes the subject log where it was and misses nothing, however often it is killed, while many writers commit
 * in another order than they began in (docs: "the ordered log"; a sequence and a cursor would lose entries here).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { waitFor } from '@sallyport/dev-env';
import { expectStatus, type Answer } from '@sallyport/dev-env/actors';

import { assertNothingHalf, assertPolicyKnowsAll } from '../src/aftermath.ts';
import { openCompany, type Company } from '../src/company.ts';
import { obstruct } from '../src/long-transactions.ts';
import { openRandom, type Random } from '../src/random.ts';
import { addMember, newUser, removeMember, setActive } from '../src/storm.ts';

const KILLS = 5;
const WRITERS = 10;
const USERS = 24;
const GROUPS = 3;
const POSITIONS_BETWEEN_KILLS = 15;

describe('policy killed again and again while transactions commit out of order', function () {
  this.timeout(180_000);
  let company: Company;
  let random: Random;
  let userIds: string[];
  let groupIds: string[];

  before(async () => {
    random = openRandom('the subject log');
    company = await openCompany();
    const { directory, nextName } = company;
    const create = async (path: string, body: object): Promise<string> =>
      String((await expectStatus(directory, 201, 'POST', path, body))['id']);
    userIds = await Promise.all(
      Array.from({ length: USERS }, async () => await create('/scim/v2/Users', newUser(nextName('shared')))),
    );
    const schemas = ['urn:ietf:params:scim:schemas:core:2.0:Group'];
    groupIds = await Promise.all(
      Array.from(
        { length: GROUPS },
        async () => await create('/scim/v2/Groups', { schemas, displayName: nextName('shared') }),
      ),
    );
  });

  after(async () => {
    await company?.close();
  });

  /** Somebody's standing or membership, whoever else is changing it at the same time. */
  const writeOnce = async (): Promise<Answer> => {
    const { directory } = company;
    const userId = random.pick(userIds);
    const choice = random.integer(6);
    if (choice < 2)
      return await directory.call('PATCH', `/scim/v2/Users/${userId}`, setActive(random.integer(2) === 0));
    const change = choice < 4 ? addMember(userId) : removeMember(userId);
    return await directory.call('PATCH', `/scim/v2/Groups/${random.pick(groupIds)}`, change);
  };

  const position = async (table: 'identity.subject_log_head' | 'policy.standing_cursor'): Promise<bigint> => {
    const query = `SELECT position FROM ${table} WHERE org_id = $1`;
    const { rows } = await company.database.query<{ position: string }>(query, [company.orgId]);
    return BigInt(rows[0]?.position ?? 0);
  };

  it('resumes where it was', async () => {
    const { policy } = company.constellation.services;
    const over = new AbortController();
    const answers = new Map<number, number>();
    const write = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const { status } = await writeOnce();
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }
    };
    const running = Promise.all([...Array.from({ length: WRITERS }, write), obstruct(company, random, over.signal)]);
    running.catch(() => undefined);
    try {
      for (let kill = 0; kill < KILLS; kill += 1) {
        const due = (await position('policy.standing_cursor')) + BigInt(POSITIONS_BETWEEN_KILLS + random.integer(15));
        await waitFor(async () => (await position('policy.standing_cursor')) >= due, {
          timeoutMs: 30_000,
          intervalMs: 5,
          message: 'policy to follow',
        });
        await policy.kill9();
        await policy.whenReady();
      }
    } finally {
      over.abort();
    }
    const obstacles = (await running).at(-1);
    const head = await position('identity.subject_log_head');
    console.log(`      ${String(head)} positions, ${String(obstacles)} long transactions`);
    assert.deepEqual(new Set(answers.keys()), new Set([200, 204]), 'every write was acknowledged');
  });

  it('knows every subject in the end as identity does', async () => {
    await assertPolicyKnowsAll(company);
  });

  it('finds positions without a gap, each telling the state it stands for', async () => {
    await assertNothingHalf(company);
  });

  it('has neither asked for a snapshot nor found anything it could not believe', async () => {
    const { identity, policy } = company.constellation.services;
    const metrics = await (await fetch(`${identity.httpUrl}/metrics`)).text();
    assert.match(metrics, /SubjectFeedService\/Follow/, 'the metric this test looks for');
    assert.doesNotMatch(metrics, /SubjectFeedService\/Snapshot/);
    const alarms = readFileSync(policy.logFile, 'utf8').split('\n');
    assert.deepEqual(
      alarms.filter((line) => line.includes('subject feed alarm')),
      [],
    );
  });
});
