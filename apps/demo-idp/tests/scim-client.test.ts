import assert from 'node:assert/strict';
import type { LogEntry } from '../src/exchange-log.ts';
import { type RecordingScim, startRecordingScim } from './support/recording-scim.ts';
import { startTestIdp, type TestIdp } from './support/running-idp.ts';

describe('SCIM client', () => {
  let idp: TestIdp;
  let scim: RecordingScim;
  let waits: number[];

  beforeEach(async () => {
    waits = [];
    scim = await startRecordingScim();
    idp = await startTestIdp({
      sleep: async (ms) => {
        waits.push(ms);
        await Promise.resolve();
      },
    });
    await idp.api('PUT', '/api/targets', { scim: { baseUrl: scim.baseUrl, token: 'top-secret' } });
    assert.equal((await idp.api('POST', '/api/provision')).status, 200);
    scim.take();
  });
  afterEach(async () => {
    await idp.close();
    await scim.close();
  });

  async function log(): Promise<LogEntry[]> {
    return (await idp.api('GET', '/api/log')).body['items'] as LogEntry[];
  }

  it('waits as long as Retry-After says on 429 and 503, then succeeds (RFC 9110 §10.2.3)', async () => {
    const soon = new Date(Date.now() + 8_000).toUTCString();
    scim.answerNext(
      'PATCH',
      /Users/,
      { status: 429, headers: { 'retry-after': '2' } },
      { status: 503, headers: { 'retry-after': soon } },
      { status: 500 },
    );
    const answer = await idp.api('POST', '/api/people/dana/deactivate');
    assert.equal(answer.status, 200);
    assert.equal(waits[0], 2000);
    assert.ok((waits[1] ?? 0) > 1_000 && (waits[1] ?? 0) <= 8_000, String(waits[1]));
    assert.equal(waits[2], 800);
    assert.equal(scim.take().length, 4);
    const attempts = (await log()).slice(-4).map((entry) => [entry.attempt, entry.status]);
    assert.deepEqual(attempts, [
      [1, 429],
      [2, 503],
      [3, 500],
      [4, 204],
    ]);
  });

  it('gives up after four attempts, says so, and a later synchronisation repairs it', async () => {
    scim.answerNext('PATCH', /Users/, ...Array.from({ length: 4 }, () => ({ status: 503, body: { detail: 'tired' } })));
    const answer = await idp.api('POST', '/api/people/dana/deactivate');
    assert.equal(answer.status, 502);
    const sync = answer.body['sync'] as Record<string, unknown>;
    assert.deepEqual([sync['ok'], sync['status']], [false, 503]);
    assert.match(String(sync['message']), /tired/);
    assert.equal((answer.body['person'] as Record<string, unknown>)['active'], false, 'the directory has decided');
    scim.take();
    assert.equal((await idp.api('POST', '/api/provision')).status, 200);
    assert.deepEqual(
      scim.take().map((one) => one.body?.['Operations']),
      [[{ op: 'replace', value: { active: false } }]],
    );
  });

  it('retries while nobody listens, and reports that no answer came', async () => {
    await scim.close();
    const answer = await idp.api('POST', '/api/people/dana/deactivate');
    assert.equal(answer.status, 502);
    assert.equal((answer.body['sync'] as Record<string, unknown>)['status'], null);
    assert.deepEqual(waits, [200, 400, 800]);
  });

  it('does not retry what the target refuses', async () => {
    scim.answerNext('PATCH', /Users/, { status: 400, body: { detail: 'no such attribute' } });
    const answer = await idp.api('POST', '/api/people/dana/deactivate');
    assert.equal(answer.status, 502);
    assert.equal(scim.take().length, 1);
  });

  it('links the person its own lost create made', async () => {
    scim.answerNext('POST', /Users/, { status: 409, body: { detail: 'taken' } });
    const made = fetch(`${scim.baseUrl}/Users`, {
      method: 'POST',
      body: JSON.stringify({ userName: 'nils@acme.example' }),
    });
    assert.equal((await made).status, 409);
    scim.answerNext('GET', /filter=userName eq "nils/, { status: 200, body: { Resources: [] } });
    scim.answerNext('POST', /Users/, { status: 409, body: { detail: 'taken' } });
    scim.answerNext('GET', /filter=userName eq "nils/, {
      status: 200,
      body: { Resources: [{ id: 'lost-one', userName: 'nils@acme.example' }] },
    });
    scim.answerNext('PATCH', /lost-one/, { status: 204 });
    scim.answerNext('GET', /lost-one/, { status: 200, body: { id: 'lost-one' } });
    scim.answerNext('PUT', /lost-one/, { status: 200, body: { id: 'lost-one' } });
    const answer = await idp.api('POST', '/api/people/nils/assign');
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal((answer.body['person'] as Record<string, unknown>)['scimId'], 'lost-one');
  });

  it('counts an empty 201 and a look-up without Resources as failures', async () => {
    scim.answerNext('POST', /Users/, { status: 201 });
    assert.equal((await idp.api('POST', '/api/people/nils/assign')).status, 502);
    scim.answerNext('GET', /filter=userName eq "nils/, { status: 200, body: {} });
    assert.equal((await idp.api('POST', '/api/people/nils/assign')).status, 502);
  });

  it('logs every exchange with bodies and milliseconds, never the token or a password', async () => {
    const entries = (await log()).filter((entry) => entry.kind === 'scim');
    assert.equal(entries.length, scim.requests.length);
    const create = entries.find((entry) => entry.method === 'POST' && entry.path === '/Users');
    assert.equal(create?.status, 201);
    assert.match(create.responseBody ?? '', /dana@acme\.example/);
    assert.ok((create.ms ?? -1) >= 0);
    assert.equal((create.requestBody as Record<string, unknown>)['password'], '[redacted]');
    const text = JSON.stringify(entries.map(({ responseBody: _ignored, ...entry }) => entry));
    assert.doesNotMatch(text, /top-secret/);
    const { seq } = entries.at(-1) ?? { seq: 0 };
    assert.deepEqual((await idp.api('GET', `/api/log?after=${String(seq)}`)).body['items'], []);
  });

  it('keeps the order of actions on one person', async () => {
    const actions = Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? 'deactivate' : 'activate'));
    await Promise.all(actions.map(async (action) => await idp.api('POST', `/api/people/dana/${action}`)));
    const person = await idp.api('GET', '/api/people/dana');
    const values = scim.take().map((one) => JSON.stringify(one.body?.['Operations']).includes('"active":true'));
    assert.equal(values.at(-1) ?? true, person.body['active'], 'the target ends where the directory ended');
  });
});
