import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { openKeyring } from '@sallyport/keyring';
import { DecisionLogServiceClient, type FollowResponse } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';
import pg from 'pg';

import { Mask } from '../src/decision-log/mask.ts';
import { World, type Organization, type Question } from './support/world.ts';

interface Item {
  readonly id: string;
  readonly subject: { readonly type: string; readonly id: string };
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly place: string | null;
  readonly decision: string;
  readonly reason: string;
  readonly matchedGrant: string | null;
  readonly matchedRole: string | null;
  readonly grantsRevision: string;
  readonly policyHash: string;
  readonly requestId: string;
  readonly asker: { readonly kind: string; readonly id: string };
  readonly latencyUs: number;
  readonly oneIn: number;
}

interface Page {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

const PATH = '/api/policy/v1/decisions';

describe('the decision log', () => {
  let world: World;
  let org: Organization;

  before(async () => {
    world = await World.create();
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });

  const page = async (query: string, token = org.ownerToken): Promise<Page> => {
    await world.context.decisionLog.flush();
    const { status, body, text } = await world.call('GET', `${PATH}${query}`, { token });
    assert.equal(status, 200, text);
    return body as Page;
  };

  /** What the log has of one request. */
  const entriesOf = async (requestId: string, token = org.ownerToken): Promise<readonly Item[]> =>
    (await page(`?requestId=${requestId}&limit=200`, token)).items;

  const ask = async (question: Partial<Question>): Promise<string> => {
    const requestId = newId();
    await world.check({ orgId: org.orgId, subjectId: org.ownerId, action: 'flag:read', requestId, ...question });
    return requestId;
  };

  const live = () => ({ projectId: org.projectId, environmentId: org.liveId });
  const staging = () => ({ projectId: org.projectId, environmentId: org.stagingId });

  describe('what is recorded', () => {
    it('is every denial, with everything that explains it', async () => {
      const subjectId = newId();
      const requestId = await ask({ subjectId, action: 'flag:toggle', ...live() });
      const [entry, ...others] = await entriesOf(requestId);
      assert.equal(others.length, 0);
      assert.ok(entry !== undefined);
      assert.deepEqual(
        [entry.decision, entry.reason, entry.action, entry.place, entry.oneIn, entry.resource.id],
        ['deny', 'SUBJECT_UNKNOWN', 'flag:toggle', 'production', 1, 'checkout'],
      );
      assert.deepEqual(entry.asker, { kind: 'service', id: 'flags' });
      assert.ok(entry.latencyUs >= 0 && entry.latencyUs < 5_000_000);
      assert.match(entry.policyHash, /^[0-9a-f]{32}$/);
    });

    it('is every permission to write in production, with the grant and the revision it came from', async () => {
      const requests: string[] = [];
      for (let count = 0; count < 30; count += 1) requests.push(await ask({ action: 'flag:toggle', ...live() }));
      for (const requestId of requests) {
        const [entry] = await entriesOf(requestId);
        assert.deepEqual([entry?.decision, entry?.matchedRole, entry?.oneIn], ['allow', 'owner', 1]);
        assert.match(entry?.matchedGrant ?? '', /^[0-9a-f-]{36}$/);
      }
    });

    it('is one in a hundred of everything else, and says so', async () => {
      const requestId = newId();
      for (let count = 0; count < 200; count += 1)
        await ask({ requestId, ...(count % 2 === 0 ? live() : { action: 'flag:toggle', ...staging() }) });
      const entries = await entriesOf(requestId);
      assert.equal(entries.length, 2);
      for (const { oneIn, decision } of entries) assert.deepEqual([oneIn, decision], [100, 'allow']);
    });

    it('is a denial over AuthZEN, with the token that asked', async () => {
      const issued = await world.call('POST', '/api/policy/v1/decision-tokens', {
        token: org.ownerToken,
        body: { name: 'gateway' },
      });
      const { id: tokenId, token } = issued.body as { id: string; token: string };
      const requestId = `req-${newId()}`;
      const { body } = await world.call('POST', '/access/v1/evaluation', {
        token,
        headers: { 'x-request-id': requestId },
        body: {
          subject: { type: 'user', id: newId() },
          action: { name: 'organization:read' },
          resource: { type: 'organization', id: org.orgId },
        },
      });
      assert.deepEqual(body, { decision: false });
      const [entry] = await entriesOf(requestId);
      assert.deepEqual(
        [entry?.decision, entry?.reason, entry?.asker],
        ['deny', 'SUBJECT_UNKNOWN', { kind: 'decision-token', id: tokenId }],
      );
    });

    it('is a denial of our own API, under the request it belongs to', async () => {
      const id = newId();
      await world.user(org.orgId, id, `token-${id}`);
      const refused = await world.call('GET', PATH, { token: `token-${id}`, headers: { 'x-request-id': `req-${id}` } });
      assert.equal(refused.status, 403);
      const [entry] = await entriesOf(`req-${id}`);
      assert.deepEqual([entry?.action, entry?.reason, entry?.asker.kind], ['audit:read', 'NO_GRANT', 'api']);
    });

    it('is not what a list leaves out: nobody tried anything', async () => {
      const id = newId();
      await world.user(org.orgId, id, `token-${id}`);
      const headers = { 'x-request-id': `req-${id}` };
      const { body } = await world.call('GET', '/api/policy/v1/scopes', { token: `token-${id}`, headers });
      assert.deepEqual((body as { items: unknown[] }).items, []);
      assert.deepEqual(await entriesOf(`req-${id}`), []);
    });

    it('says which policy decided: another one has another hash', async () => {
      const before = (await entriesOf(await ask({ action: 'flag:toggle', ...live() })))[0];
      const same = (await entriesOf(await ask({ action: 'flag:toggle', ...live() })))[0];
      const id = newId();
      await world.user(org.orgId, id, `token-${id}`);
      await world.grant(org, { subject: { type: 'user', id }, role: 'viewer' });
      const after = (await entriesOf(await ask({ action: 'flag:toggle', ...live() })))[0];
      assert.equal(before?.policyHash, same?.policyHash);
      assert.notEqual(before?.policyHash, after?.policyHash);
      assert.ok(BigInt(after?.grantsRevision ?? 0) > BigInt(before?.grantsRevision ?? 0));
    });

    it('of hostile names nothing but their hash, and never stops the others', async () => {
      const requestId = newId();
      const hostile = [
        'x'.repeat(100_000),
        'a\0b',
        '\ud800',
        "'; DROP TABLE x; --",
        '__proto__',
        '{"a":1}',
        'eve@example.com',
      ];
      for (const text of hostile) {
        await ask({ requestId, subjectId: text, action: text, ...live() });
        await ask({ requestId, environmentId: text, projectId: text });
        await ask({ requestId, type: text });
      }
      const entries = await entriesOf(requestId);
      assert.equal(entries.length, hostile.length * 3);
      const printed = JSON.stringify(entries);
      for (const text of ['DROP', 'xxxx', 'eve', '__proto__']) assert.ok(!printed.includes(text), text);
    });
  });

  describe('persons', () => {
    it('stand under a pseudonym: no column of any table of the log holds their id', async () => {
      const subjectId = newId();
      await ask({ subjectId, action: 'flag:toggle', ...live() });
      await world.call('POST', '/api/policy/v1/check', {
        token: org.ownerToken,
        body: {
          subject: { type: 'user', id: subjectId },
          action: 'account:read',
          resource: { type: 'account', id: subjectId },
        },
      });
      await world.context.decisionLog.flush();
      const rows = await world.context.db.read(
        org.orgId,
        async (tx) => await tx.query<{ line: string }>('SELECT d::text AS line FROM policy.decision_log d'),
      );
      assert.ok(rows.length > 1);
      for (const { line } of rows) {
        assert.ok(!line.includes(subjectId), line);
        assert.ok(!line.includes(org.ownerId), line);
      }
    });

    it('are found by their id, and by their pseudonym', async () => {
      const subjectId = newId();
      await ask({ subjectId, action: 'flag:toggle', ...live() });
      const [entry] = (await page(`?subject=${subjectId}`)).items;
      assert.match(entry?.subject.id ?? '', /^~[\w-]{22}$/);
      assert.deepEqual((await page(`?subject=${encodeURIComponent(entry?.subject.id ?? '')}`)).items, [entry]);
    });

    it('have another pseudonym in another organisation, and under another master key', () => {
      const [one, other] = [newId(), newId()];
      const keyring = openKeyring({ masterKey: randomBytes(32) });
      const mask = new Mask(keyring);
      assert.equal(mask.pseudonym(one, 'alice'), new Mask(keyring).pseudonym(one, 'alice'));
      assert.notEqual(mask.pseudonym(one, 'alice'), mask.pseudonym(other, 'alice'));
      const elsewhere = new Mask(openKeyring({ masterKey: randomBytes(32) }));
      assert.notEqual(mask.pseudonym(one, 'alice'), elsewhere.pseudonym(one, 'alice'));
    });
  });

  describe('reading it', () => {
    it('goes page by page, newest first, and never twice over the same', async () => {
      const subjectId = newId();
      const asked: string[] = [];
      for (let count = 0; count < 7; count += 1) asked.push(await ask({ subjectId, action: 'flag:toggle', ...live() }));
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const next: Page = await page(`?subject=${subjectId}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
        found.push(...next.items.map(({ requestId }) => requestId));
        cursor = next.nextCursor;
      }
      assert.deepEqual(found, asked.reverse());
    });

    it('filters by decision, reason, action, environment and time', async () => {
      const subjectId = newId();
      await ask({ subjectId, action: 'flag:edit', ...live() });
      const all = `?subject=${subjectId}`;
      const one = [
        'decision=deny',
        'reason=SUBJECT_UNKNOWN',
        'action=flag%3Aedit',
        `environmentId=${org.liveId}`,
        'since=2020-01-01T00:00:00Z',
      ];
      const none = [
        'decision=allow',
        'reason=NO_GRANT',
        'action=flag%3Aread',
        `environmentId=${org.stagingId}`,
        'until=2020-01-01T00:00:00Z',
      ];
      for (const filter of one) assert.equal((await page(`${all}&${filter}`)).items.length, 1, filter);
      for (const filter of none) assert.equal((await page(`${all}&${filter}`)).items.length, 0, filter);
      const { status } = await world.call('GET', `${PATH}?reason=WHATEVER`, { token: org.ownerToken });
      assert.equal(status, 400);
    });

    it('needs audit:read; exporting it audit:export', async () => {
      const id = newId();
      await world.user(org.orgId, id, `token-${id}`);
      await world.grant(org, { subject: { type: 'user', id }, role: 'developer' });
      for (const path of ['', '/gaps', '/export'])
        assert.equal((await world.call('GET', `${PATH}${path}`, { token: `token-${id}` })).status, 403, path);
    });

    it('shows nothing of another organisation, by list, export or stream', async () => {
      const rival = await world.organization();
      const requestId = await ask({ subjectId: newId(), action: 'flag:toggle', ...live() });
      assert.deepEqual(await entriesOf(requestId, rival.ownerToken), []);
      const { text } = await world.call('GET', `${PATH}/export`, { token: rival.ownerToken });
      assert.ok(!text.includes(requestId));
      const rows = await world.context.db.read(
        rival.orgId,
        async (tx) => await tx.query<{ org_id: string }>('SELECT org_id FROM policy.decision_log'),
      );
      for (const { org_id: orgId } of rows) assert.equal(orgId, rival.orgId);
    });

    it('exports every entry once, in order, and says at the end how many there were', async () => {
      const requestId = await ask({ subjectId: newId(), action: 'flag:toggle', ...live() });
      const { text, headers } = await world.call('GET', `${PATH}/export`, { token: org.ownerToken });
      assert.match(headers.get('content-type') ?? '', /^application\/jsonl/);
      const lines = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { decision?: Item; end?: { entries: number } });
      const ids = lines.flatMap(({ decision }) => (decision === undefined ? [] : [decision.id]));
      assert.equal(new Set(ids).size, ids.length);
      assert.deepEqual(lines.at(-1), { end: { entries: ids.length } });
      assert.ok(lines.some(({ decision }) => decision?.requestId === requestId));
    });
  });

  describe('following it over gRPC', () => {
    const positionOf = ({ message }: FollowResponse): bigint => message?.value.position ?? 0n;
    const requestOf = ({ message }: FollowResponse): string =>
      message?.$case === 'entry' ? message.value.requestId : (message?.$case ?? '');

    it('sends what is there, says when that was all, then what comes; resumes where it was left', async () => {
      await world.context.decisionLog.flush();
      const client = world.client(DecisionLogServiceClient, 'operator');
      const stream = client.serverStream('follow', { orgId: org.orgId, afterPosition: 0n });
      let last = 0n;
      for await (const answer of stream) {
        assert.ok(positionOf(answer) >= last, 'in order');
        last = positionOf(answer);
        if (answer.message?.$case === 'caughtUp') break;
      }
      const resumed = client.serverStream('follow', { orgId: org.orgId, afterPosition: last });
      const first = await resumed.next();
      assert.equal(first.value === undefined ? '' : requestOf(first.value), 'caughtUp');
      const requestId = await ask({ subjectId: newId(), action: 'flag:toggle', ...live() });
      const next = await resumed.next();
      assert.equal(next.value === undefined ? '' : requestOf(next.value), requestId);
      resumed.cancel();
    });

    it('is for the operator alone', async () => {
      for (const peer of ['flags', 'identity']) {
        const stream = world
          .client(DecisionLogServiceClient, peer)
          .serverStream('follow', { orgId: org.orgId, afterPosition: 0n });
        await assert.rejects(stream.next(), { code: 'PERMISSION_DENIED' });
      }
    });
  });

  it('keeps what is younger than its retention, whatever the service is told', async () => {
    await ask({ subjectId: newId(), action: 'flag:toggle', ...live() });
    await world.context.decisionLog.flush();
    const deleted = await world.context.db.unauditedWrite(
      'all-organizations',
      'a service that was taken over',
      async (tx) => await tx.query<{ entry_id: string }>('DELETE FROM policy.decision_log RETURNING entry_id'),
    );
    assert.equal(deleted.length, 0);
    await assert.rejects(
      world.context.db.unauditedWrite('all-organizations', 'a service that was taken over', async (tx) => {
        await tx.query('UPDATE policy.decision_log SET allowed = true');
      }),
      /permission denied/,
    );
  });

  it('forgets what is older than its retention, and nothing else', async () => {
    const [old, young] = [await ask({ action: 'flag:edit', ...live() }), await ask({ action: 'flag:edit', ...live() })];
    await world.context.decisionLog.flush();
    const admin = new pg.Client({ connectionString: world.database.adminUrl });
    await admin.connect();
    const age = (days: number, requestId: string): Promise<unknown> =>
      admin.query(`UPDATE policy.decision_log SET decided_at = now() - $1 * interval '1 day' WHERE request_id = $2`, [
        days,
        requestId,
      ]);
    await age(90.1, old);
    await age(89.9, young);
    await admin.end();
    assert.equal(await world.context.decisionLog.sweep(), 1);
    assert.deepEqual([(await entriesOf(old)).length, (await entriesOf(young)).length], [0, 1]);
  });
});
