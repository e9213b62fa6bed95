import assert from 'node:assert/strict';

import { newId, newSecret } from '@sallyport/storage';

import {
  apiClient,
  ask,
  newDirectory,
  patchOf,
  scimClient,
  type Answer,
  type Client,
  type Directory,
} from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from './support/identity.ts';

const assertLimited = ({ status, headers, body }: Answer): void => {
  assert.equal(status, 429, JSON.stringify(body));
  assert.deepEqual(body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
  assert.equal(body.status, '429');
  assert.ok(body.detail.length > 0);
  assert.match(headers.get('retry-after') ?? '', /^[1-9]\d*$/, 'whole seconds, at least one');
};

const directoryOf = async (identity: TestIdentity): Promise<Directory> =>
  await newDirectory(identity, await newOrganization(identity));

const times = async <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  await Promise.all(Array.from({ length: count }, (_, index) => work(index)));

describe('SCIM limits', () => {
  describe('the rate of a connection', () => {
    let identity: TestIdentity;
    before(async () => {
      identity = await startIdentity({ config: { scimRate: 25, scimBurst: 50 } });
    });
    after(() => identity.close());

    it('above it is 429 with Retry-After; other connections and organisations do not notice', async () => {
      const organization = await newOrganization(identity);
      const flooding = await newDirectory(identity, organization);
      const neighbour = await newDirectory(identity, organization, 'Neighbour');
      const stranger = await directoryOf(identity);
      const answers = await times(150, () => flooding.scim('GET', '/Users?count=0'));
      const limited = answers.filter(({ status }) => status !== 200);
      for (const answer of limited) assertLimited(answer);
      assert.ok(limited.length > 0 && limited.length < 150, `${String(limited.length)} of 150`);
      for (const { scim } of [neighbour, stranger])
        assert.deepEqual(
          (await times(25, () => scim('GET', '/Users?count=0'))).map(({ status }) => status),
          Array<number>(25).fill(200),
        );
      const metrics = (await identity.context.metrics.render()).body;
      assert.match(metrics, /identity_scim_requests_limited_total\{limit="connection"[^}]*\} \d+/);
    });

    it('reads leave room: whoever has read up to the limit can still deactivate somebody', async () => {
      const { scim } = await directoryOf(identity);
      const made = await scim('POST', '/Users', { userName: 'leaver@example.com' });
      let read = await scim('GET', '/Users?count=0');
      while (read.status === 200) [read = read] = (await times(20, () => scim('GET', '/Users?count=0'))).slice(-1);
      assertLimited(read);
      const left = patchOf({ op: 'replace', path: 'active', value: false });
      assert.equal((await scim('PATCH', `/Users/${made.body.id}`, left)).status, 200);
    });
  });

  describe('the rate of a connection that sends Bulk requests', () => {
    let identity: TestIdentity;
    before(async () => {
      identity = await startIdentity({ config: { scimRate: 25, scimBurst: 120 } });
    });
    after(() => identity.close());

    it('counts every operation, and never holds up a deactivation', async () => {
      const { scim } = await directoryOf(identity);
      const made = await scim('POST', '/Users', { userName: 'leaver@example.com' });
      const bulk = (): Promise<Answer> =>
        scim('POST', '/Bulk', {
          schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
          Operations: Array.from({ length: 100 }, () => ({ method: 'DELETE', path: `/Users/${newId()}` })),
        });
      // One after the other: what comes while nobody has counted the operations of those before is let in.
      const answers: Answer[] = [];
      while (answers.at(-1)?.status !== 429 && answers.length < 8) answers.push(await bulk());
      const last = answers.pop();
      assert.ok(last?.status === 429, 'eight requests of a hundred operations each are more than 120');
      assertLimited(last);
      assert.ok(answers.length > 0 && answers.every(({ status }) => status === 200));
      assertLimited(await scim('GET', '/Users?count=0'));
      const left = patchOf({ op: 'replace', path: 'active', value: false });
      assert.equal((await scim('PATCH', `/Users/${made.body.id}`, left)).status, 200);
    });
  });

  describe('attempts without a valid credential', () => {
    let identity: TestIdentity;
    before(async () => {
      identity = await startIdentity({ config: { scimUnknownRate: 1 } });
    });
    after(() => identity.close());

    const guess = (ip: string, secret = newSecret('sp_scim_')): Promise<Answer> =>
      ask(identity, 'GET', '/scim/v2/Users', { headers: { authorization: `Bearer ${secret}`, 'x-forwarded-for': ip } });
    /** Counts the look-ups of credentials from now on. */
    const countLookups = (): (() => number) => {
      const { db } = identity.context;
      const read = db.readOneAcrossOrganizations.bind(db);
      let count = 0;
      db.readOneAcrossOrganizations = async (reason, work) => {
        if (reason === 'a SCIM token names no organisation') count += 1;
        return await read(reason, work);
      };
      return () => count;
    };

    it('a flood of guesses from one address is 429 before it reaches the database; others get in', async () => {
      const { token } = await directoryOf(identity);
      const lookups = countLookups();
      const statuses = (await times(100, () => guess('198.51.100.1'))).map(({ status }) => status);
      const lookedUp = lookups();
      assert.equal(statuses.filter((status) => status === 401).length, lookedUp);
      assert.ok(lookedUp >= 1 && lookedUp <= 10, `${String(lookedUp)} of 100 were looked up`);
      assert.equal(statuses.filter((status) => status === 429).length, 100 - lookedUp);
      assertLimited(await guess('198.51.100.1'));
      assert.equal((await guess('198.51.100.2')).status, 401);
      assert.equal((await guess('198.51.100.2', token)).status, 200);
    });

    it('an IPv6 attacker has one /64, not 2^64 addresses', async () => {
      const statuses = (await times(50, (index) => guess(`2001:db8::${index.toString(16)}`))).map(
        ({ status }) => status,
      );
      assert.ok(statuses.includes(429));
      assert.equal((await guess('2001:db8:0:1::1')).status, 401);
    });

    it('a credential that has worked gets in from an address others guess from (IdPs share addresses)', async () => {
      const { token, connectionId, orgId } = await directoryOf(identity);
      assert.ok(connectionId !== '' && orgId !== '');
      assert.equal((await guess('203.0.113.5', token)).status, 200);
      await times(50, () => guess('203.0.113.5'));
      assertLimited(await guess('203.0.113.5'));
      assert.equal((await guess('203.0.113.5', token)).status, 200);
    });

    it('a revoked credential is an unknown one again: its loop is limited too, and it never works', async () => {
      const organization = await newOrganization(identity);
      const { token, connectionId } = await newDirectory(identity, organization);
      const api = apiClient(identity, organization);
      assert.equal((await guess('203.0.113.9', token)).status, 200);
      const path = `/connections/${connectionId}/scim-tokens`;
      const [{ id } = { id: '' }] = (await api('GET', path)).body.items;
      await api('DELETE', `${path}/${id}`);
      assert.equal((await guess('203.0.113.9', token)).status, 401);
      const statuses = new Set((await times(50, () => guess('203.0.113.9', token))).map(({ status }) => status));
      assert.deepEqual(statuses, new Set([401, 429]));
    });

    it('what could not be a credential of ours costs nothing and is always 401', async () => {
      const statuses = await times(50, () => guess('198.51.100.77', 'sp_scim_nonsense'));
      assert.deepEqual(new Set(statuses.map(({ status }) => status)), new Set([401]));
    });
  });

  describe('turns', () => {
    let identity: TestIdentity;
    before(async () => {
      identity = await startIdentity({ config: { scimConcurrency: 4, scimQueue: 256 } });
    });
    after(() => identity.close());

    const flood = (
      scim: Client,
      parallel: number,
    ): { answered: () => number; failed: () => number; stop: () => Promise<void> } => {
      const over = new AbortController();
      let answered = 0;
      let failed = 0;
      const workers = times(parallel, async () => {
        while (!over.signal.aborted) {
          const { status } = await scim('GET', '/Users?count=1');
          answered += 1;
          if (status !== 200) failed += 1;
        }
      });
      return {
        answered: () => answered,
        failed: () => failed,
        stop: async () => {
          over.abort();
          await workers;
        },
      };
    };

    it('a tenant at 25 requests a time is served before a neighbour’s flood of 200 is drained', async () => {
      const [noisy, quiet] = [await directoryOf(identity), await directoryOf(identity)];
      await noisy.scim('GET', '/Users?count=0');
      const neighbour = flood(noisy.scim, 200);
      while (identity.context.limits.gate.waiting < 100) await noisy.scim('GET', '/ServiceProviderConfig');
      const waves = 4;
      for (let wave = 0; wave < waves; wave += 1) {
        const before = neighbour.answered();
        const answers = await times(25, (index) =>
          index % 2 === 0
            ? quiet.scim('GET', '/Users?count=1')
            : quiet.scim('POST', '/Users', { userName: `quiet-${String(wave)}-${String(index)}@example.com` }),
        );
        for (const { status, body } of answers) assert.ok(status < 300, JSON.stringify(body));
        const meanwhile = neighbour.answered() - before;
        // In turns each of the 25 lets at most two of the flood go first; in one queue it would be all 200.
        assert.ok(meanwhile < 150, `${String(meanwhile)} of the flood were answered before 25 of the quiet one`);
        assert.ok(identity.context.limits.gate.waiting > 50, 'the flood still waits behind its own');
      }
      await neighbour.stop();
      assert.equal(neighbour.failed(), 0, 'the flood is served too, in its turn');
    });

    it('more than may wait is 429, and what waits is served', async () => {
      const small = await startIdentity({ config: { scimConcurrency: 2, scimQueue: 3 } });
      try {
        const { scim } = await directoryOf(small);
        await scim('GET', '/Users?count=0');
        const answers = await times(100, () => scim('GET', '/Users?count=1'));
        const limited = answers.filter(({ status }) => status !== 200);
        for (const answer of limited) assertLimited(answer);
        assert.ok(limited.length > 0 && limited.length < 100, `${String(limited.length)} of 100`);
        assert.equal(small.context.limits.gate.waiting, 0);
        assert.equal(small.context.limits.gate.running, 0);
      } finally {
        await small.close();
      }
    });

    it('somebody who sends a body slowly, or leaves, holds nobody up', async () => {
      const { token, scim } = await directoryOf(identity);
      const url = `http://127.0.0.1:${String(identity.server.httpPort)}/scim/v2/Users`;
      const leaving = new AbortController();
      const slow = Array.from({ length: 20 }, () => {
        const body = new ReadableStream<Uint8Array>({
          start: (stream) => {
            stream.enqueue(new TextEncoder().encode('{"userName":'));
          },
        });
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' };
        const init = { method: 'POST', headers, body, duplex: 'half', signal: leaving.signal };
        return fetch(url, init as RequestInit).catch(() => undefined);
      });
      assert.deepEqual(
        (await times(20, () => scimClient(identity, token)('GET', '/Users?count=0'))).map(({ status }) => status),
        Array<number>(20).fill(200),
      );
      leaving.abort();
      await Promise.all(slow);
      assert.equal((await scim('GET', '/Users?count=0')).status, 200);
    });
  });
});
