import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { newId } from '@sallyport/storage';
import fc from 'fast-check';

import { apiClient, newDirectory, USER_URN, type Answer, type Directory } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';
import { recordStatements } from './support/statements.ts';

interface Person {
  readonly userName: string;
  readonly externalId?: string;
  readonly email: string;
}

interface Sent {
  readonly person: Person;
  readonly requestId: string;
  readonly answer: Answer;
}

const bodyOf = ({ userName, externalId, email }: Person) => ({
  schemas: [USER_URN],
  userName,
  ...(externalId === undefined ? {} : { externalId }),
  emails: [{ value: email, primary: true }],
  active: true,
});

const newPerson = (): Person => {
  const id = newId();
  return { userName: `${id}@example.com`, externalId: `x-${id}`, email: `${id}@example.com` };
};

/** Few names for many requests, in different cases, so that everything that can clash does. */
const people = fc.array(
  fc.record({
    name: fc.constantFrom('ann', 'ANN', 'bob', 'cy', 'removed', 'nameless', 'elsewhere'),
    id: fc.option(fc.constantFrom('1', '2', 'removed'), { nil: undefined }),
    email: fc.constantFrom('ann', 'bob', 'own', 'elsewhere'),
  }),
  { minLength: 2, maxLength: 20 },
);

describe('users created side by side (RFC 7644 §3.3)', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
  });
  after(() => identity.close());

  const send = async (directory: Directory, person: Person): Promise<Sent> => {
    const requestId = newId();
    const answer = await directory.scim('POST', '/Users', bodyOf(person), { 'x-request-id': requestId });
    return { person, requestId, answer };
  };

  /** Everything the organisation's logs say from here on. */
  const mark = async (orgId: string) => {
    const { audit, db } = identity.context;
    const after = (await audit.size(orgId)) - 1n;
    const positionOf = async (): Promise<bigint> => {
      const sql = 'SELECT position FROM subject_log_head WHERE org_id = $1';
      const [head] = await db.read(orgId, (tx) => tx.query<{ position: string }>(sql, [orgId]));
      return BigInt(head?.position ?? 0);
    };
    const from = await positionOf();
    return async () => {
      const entries = await audit.list(orgId, { after, limit: 500 });
      const sql = `SELECT position, cause, request_id, subjects FROM subject_log
         WHERE org_id = $1 AND position > $2 ORDER BY position`;
      const log = await db.read(orgId, (tx) =>
        tx.query<{ position: string; cause: string; request_id: string; subjects: { subjectId: string }[] }>(sql, [
          orgId,
          from.toString(),
        ]),
      );
      assert.deepEqual(
        log.map(({ position }) => BigInt(position) - from),
        log.map((_, place) => BigInt(place + 1)),
      );
      return { entries, log };
    };
  };

  it('each is answered, recorded and traced as a request of its own, however many share a transaction', async () => {
    const directory = await newDirectory(identity, organization, newId());
    const said = await mark(organization.orgId);
    let sent: Sent[] = [];
    const { texts } = await recordStatements(async () => {
      sent = await Promise.all(Array.from({ length: 24 }, () => send(directory, newPerson())));
    });
    // They did share: far fewer statements than requests.
    const appends = texts.filter((text) => text.includes('append_audit')).length;
    assert.ok(appends < 24, `${String(appends)} appends of 24 requests`);
    const { entries, log } = await said();
    for (const { person, requestId, answer } of sent) {
      assert.equal(answer.status, 201);
      assert.equal(answer.body.userName, person.userName);
      assert.equal((await directory.scim('GET', `/Users/${answer.body.id}`)).body.externalId, person.externalId);
      const mine = entries.filter((entry) => entry.entry['request_id'] === requestId);
      assert.deepEqual(
        mine.map(({ entry }) => [entry['action'], (entry['target'] as { id: string }).id]),
        [['account.created', answer.body.id]],
      );
      assert.deepEqual(
        log
          .filter((each) => each.request_id === requestId)
          .map(({ cause, subjects }) => [cause, subjects.map(({ subjectId }) => subjectId)]),
        [['account.created', [answer.body.id]]],
      );
    }
    await identity.context.exchanges.flush();
    const api = apiClient(identity, organization);
    const traces = await api('GET', `/connections/${directory.connectionId}/scim-exchanges?limit=200&method=POST`);
    for (const { requestId, answer } of sent) {
      const trace = traces.body.items.find((each) => each['requestId'] === requestId);
      const changes = trace?.['changes'] as readonly { index: string; targetId: string }[] | undefined;
      const entry = entries.find((each) => each.entry['request_id'] === requestId);
      assert.deepEqual(
        changes?.map(({ index, targetId }) => [index, targetId]),
        [[entry?.index, answer.body.id]],
      );
    }
  });

  it('whatever clashes, the outcome is that of some order one after another, and nobody else suffers', async () => {
    await fc.assert(
      fc.asyncProperty(people, async (wanted) => {
        const run = newId();
        const named = (name: string): string => `${name}-${run}@example.com`;
        const org = await newOrganization(identity);
        const directory = await newDirectory(identity, org, 'Here');
        const other = await newDirectory(identity, org, 'Elsewhere');
        const { answer: taken } = await send(other, { userName: named('elsewhere'), email: named('elsewhere') });
        assert.equal(taken.status, 201);
        const removed = { userName: named('gone'), externalId: 'removed', email: named('gone') };
        const nameless = { userName: named('nameless'), email: named('gone') };
        const tombstones = await Promise.all([removed, nameless].map((person) => send(directory, person)));
        for (const { answer } of tombstones)
          assert.equal((await directory.scim('DELETE', `/Users/${answer.body.id}`)).status, 204);
        const said = await mark(org.orgId);
        const sent = await Promise.all(
          wanted.map(({ name, id, email }) =>
            send(directory, {
              userName: named(name),
              email: named(email),
              ...(id === undefined ? {} : { externalId: id }),
            }),
          ),
        );
        const [created, refused] = [
          sent.filter((s) => s.answer.status === 201),
          sent.filter((s) => s.answer.status !== 201),
        ];
        const names = created.map(({ person }) => person.userName.toLowerCase());
        const ids = created.flatMap(({ person }) => person.externalId ?? []);
        assert.equal(new Set(names).size, names.length);
        assert.equal(new Set(ids).size, ids.length);
        for (const { person, answer } of refused) {
          assert.deepEqual([answer.status, answer.body.scimType], [409, 'uniqueness']);
          const isOthers = [person.userName, person.email].includes(named('elsewhere'));
          const isTaken =
            names.includes(person.userName.toLowerCase()) ||
            (person.externalId !== undefined && ids.includes(person.externalId));
          assert.ok(isOthers || isTaken, `${person.userName} was refused for nothing`);
        }
        const [goneId, namelessId] = tombstones.map(({ answer }) => answer.body.id);
        for (const { person, answer } of created) {
          assert.ok(![person.userName, person.email].includes(named('elsewhere')));
          // Somebody who comes back is who they were.
          const isRevived =
            person.externalId === 'removed' ||
            (person.externalId === undefined && person.userName.toLowerCase() === named('nameless'));
          const expected = person.externalId === 'removed' ? goneId : namelessId;
          assert.equal(answer.body.id === expected, isRevived, JSON.stringify(person));
        }
        const { entries, log } = await said();
        const order = (list: readonly string[]): string[] => [...list].sort();
        const effects = entries.filter(({ entry }) => /^account\.(created|revived)$/.test(String(entry['action'])));
        assert.deepEqual(
          order(effects.map(({ entry }) => String(entry['request_id']))),
          order(created.map(({ requestId }) => requestId)),
        );
        assert.deepEqual(order(log.map((each) => each.request_id)), order(created.map(({ requestId }) => requestId)));
      }),
      { numRuns: 12 },
    );
  });

  it('an in-between of another way in is a clash for that one alone', async () => {
    const directory = await newDirectory(identity, organization, newId());
    const crowd = Array.from({ length: 12 }, newPerson);
    // A Bulk request creates its users one by one, beside the others.
    const bulk = directory.scim('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations: crowd.map((person, number) => ({
        method: 'POST',
        path: '/Users',
        bulkId: String(number),
        data: bodyOf(person),
      })),
    });
    const sent = await Promise.all(crowd.map((person) => send(directory, person)));
    const operations = (await bulk).body['Operations'] as readonly { readonly status: string }[];
    for (const [place, { answer }] of sent.entries())
      assert.deepEqual([String(answer.status), operations[place]?.status ?? ''].sort(), ['201', '409']);
  });

  it('a connection that is disabled lets none of them in', async () => {
    const directory = await newDirectory(identity, organization, newId());
    const api = apiClient(identity, organization);
    const first = Array.from({ length: 8 }, () => send(directory, newPerson()));
    const disabled = await api('PATCH', `/connections/${directory.connectionId}`, { enabled: false });
    assert.equal(disabled.status, 200, JSON.stringify(disabled.body));
    const second = await Promise.all(Array.from({ length: 8 }, () => send(directory, newPerson())));
    assert.deepEqual(new Set(second.map(({ answer }) => answer.status)), new Set([403]));
    const made = (await Promise.all(first)).filter(({ answer }) => answer.status === 201);
    await waitFor(
      async () => {
        const states = await Promise.all(made.map(({ answer }) => api('GET', `/accounts/${answer.body.id}`)));
        return states.every(({ body }) => body.status === 'inactive');
      },
      { message: 'whoever came in before is held as well' },
    );
  });
});
