/** What was decided and what was done about it, in the records of two services, under one request id. */
import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { expectStatus } from '@sallyport/dev-env/actors';

import { employ, type Company, type Employee } from '../src/company.ts';
import { createProject, type Project } from '../src/project.ts';
import { send, type Reply } from '../support/http.ts';
import { sessionHeaders } from '../support/senders.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken } from '../support/workshop.ts';

interface Recorded {
  readonly subject: { readonly id: string };
  readonly action: string;
  readonly place: string;
  readonly decision: string;
  readonly reason: string;
  readonly asker: { readonly kind: string; readonly id: string };
}

interface Entry {
  readonly action: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly actor: { readonly id: string };
}

describe('the decision log beside the audit log', function () {
  this.timeout(180_000);
  let company: Company;
  let project: Project;
  let auditor: Employee;
  let dev: Employee;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    project = await createProject(company, ['recorded']);
    auditor = await employ(company, ['auditors']);
    dev = await employ(company, ['developers']);
  });

  const read = async (path: string): Promise<readonly unknown[]> =>
    (await expectStatus(auditor.person, 200, 'GET', path))['items'] as unknown[];

  /** The one decision about a permission within a request; it is written a moment after it was made. */
  const decided = async (reply: Reply, action: string): Promise<Recorded> => {
    const requestId = reply.headers.get('x-request-id') ?? 'none';
    const path = `/api/policy/v1/decisions?requestId=${requestId}&action=${encodeURIComponent(action)}`;
    let found: readonly unknown[] = [];
    await waitFor(async () => (found = await read(path)).length > 0, { message: 'the decision is not recorded' });
    assert.equal(found.length, 1);
    return found[0] as Recorded;
  };

  const audited = async (reply: Reply): Promise<Entry> => {
    const items = await read(`/api/flags/v1/audit?requestId=${reply.headers.get('x-request-id') ?? 'none'}`);
    assert.equal(items.length, 1);
    return (items[0] as { entry: Entry }).entry;
  };

  it('holds the decision a change of flags rests on, under the request id of its entry', async () => {
    const reply = await send('POST', `${company.constellation.origin}${project.path}/environments/live/keys`, {
      headers: { authorization: `Bearer ${await ownerToken(company)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Recorded', kind: 'server' }),
    });
    assert.equal(reply.status, 201, reply.text);
    const entry = await audited(reply);
    assert.deepEqual([entry.action, entry.outcome], ['environment-key.created', 'success']);
    const decision = await decided(reply, 'key:manage');
    assert.deepEqual(
      [decision.decision, decision.reason, decision.place, decision.asker],
      ['allow', 'GRANTED', 'production', { kind: 'service', id: 'flags' }],
    );
    assert.match(decision.subject.id, /^~/);
  });

  it('holds the denial of an attempt flags has recorded, and names nobody', async () => {
    const reply = await send('PATCH', `${company.constellation.origin}${project.flagPath('recorded', 'live')}`, {
      headers: { ...sessionHeaders(dev.person), 'content-type': 'application/json' },
      body: JSON.stringify({ state: 'ENABLED' }),
    });
    assert.equal(reply.status, 403, reply.text);
    const entry = await audited(reply);
    const decision = await decided(reply, 'flag:toggle');
    assert.deepEqual([entry.outcome, decision.decision], ['denied', 'deny']);
    assert.equal(entry.reason, decision.reason);
    assert.ok(!JSON.stringify(decision).includes(entry.actor.id));
  });
});
