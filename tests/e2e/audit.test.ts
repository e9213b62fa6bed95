/** The record over all three services: who, what, before and after, from where; what was refused too; and proof of all of it. */
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { verifyExport, type Verification } from '@sallyport/cli/verify';
import { SERVICE_NAMES, type ServiceName } from '@sallyport/dev-env';
import { expectStatus } from '@sallyport/dev-env/actors';

import { employ, type Company, type Employee } from '../src/company.ts';
import { send, type Reply } from '../support/http.ts';
import { sessionHeaders } from '../support/senders.ts';
import { BOOT_TIMEOUT_MS, sharedCompany, sharedRival } from '../support/shared-company.ts';
import { ownerToken, Workshop } from '../support/workshop.ts';

const USER_AGENT = 'audit-test/2.0 (accountable)';

interface Entry {
  readonly action: string;
  readonly outcome: string;
  readonly request_id: string;
  readonly ip?: string;
  readonly user_agent?: string;
  readonly reason?: string;
  readonly env?: string;
  readonly actor: { readonly type: string; readonly id: string; readonly via?: string };
  readonly target: { readonly type: string; readonly id: string };
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
  readonly decision?: Readonly<Record<string, unknown>>;
  readonly approval_ref?: string;
}

describe('the audit log', function () {
  this.timeout(180_000);
  let company: Company;
  let workshop: Workshop;
  let auditor: Employee;
  let dev: Employee;
  let owner: Readonly<Record<string, string>>;
  let ownerId: string;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    workshop = await Workshop.open(company);
    auditor = await employ(company, ['auditors']);
    dev = await employ(company, ['developers']);
    owner = { authorization: `Bearer ${await ownerToken(company)}` };
    ownerId = String((await expectStatus(company.owner, 200, 'GET', '/api/identity/v1/me'))['subjectId']);
  });

  const ask = async (
    method: string,
    path: string,
    { headers, body }: { readonly headers: Readonly<Record<string, string>>; readonly body?: object },
  ): Promise<Reply> =>
    await send(method, company.constellation.origin + path, {
      headers: { ...headers, 'user-agent': USER_AGENT, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });

  const entriesOf = async (service: ServiceName, reply: Reply): Promise<Entry[]> => {
    const requestId = reply.headers.get('x-request-id') ?? 'none';
    const path = `/api/${service}/v1/audit?order=oldest-first&requestId=${requestId}`;
    const { items } = await expectStatus(auditor.person, 200, 'GET', path);
    return (items as { entry: Entry }[]).map(({ entry }) => entry);
  };

  const onlyEntry = async (service: ServiceName, reply: Reply): Promise<Entry> => {
    const [entry, ...others] = await entriesOf(service, reply);
    assert.ok(entry !== undefined, `nothing in the log of ${service}`);
    assert.deepEqual(others, []);
    assert.equal(entry.user_agent, USER_AGENT);
    assert.match(entry.ip ?? '', /^(127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)$/);
    return entry;
  };

  it('identity: says what a name was and what it is, and who the directory is', async () => {
    const user = await workshop.user();
    const reply = await ask('PATCH', `/scim/v2/Users/${user}`, {
      headers: { authorization: `Bearer ${company.constellation.bootstrap.scim.token}` },
      body: {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', path: 'displayName', value: 'New Name' }],
      },
    });
    assert.equal(reply.status, 200, reply.text);
    const entry = await onlyEntry('identity', reply);
    assert.deepEqual([entry.action, entry.outcome], ['account.updated', 'success']);
    assert.deepEqual([entry.actor.type, entry.actor.id], ['connection', company.connectionId]);
    assert.match(entry.actor.via ?? '', /^scim_token:/);
    assert.deepEqual([entry.target.type, entry.target.id], ['account', user]);
    assert.notDeepEqual(entry.before, entry.after);
    assert.match(JSON.stringify(entry.after), /New Name/);
    assert.doesNotMatch(JSON.stringify(entry.before), /New Name/);
  });

  it('policy: says which role, by whose decision', async () => {
    const subject = { type: 'user', id: await workshop.knownUser() };
    const { projectId } = workshop.project;
    const reply = await ask('POST', '/api/policy/v1/grants', {
      headers: owner,
      body: { subject, role: 'developer', scope: { projectId } },
    });
    const entry = await onlyEntry('policy', reply);
    assert.deepEqual([entry.action, entry.actor.type, entry.actor.id], ['grant.created', 'user', ownerId]);
    assert.match(entry.actor.via ?? '', /^api_token:/);
    assert.equal(entry.before, undefined);
    assert.match(JSON.stringify(entry.after), /developer/);
    assert.ok(entry.decision !== undefined);
  });

  it('flags: says what a flag was, in which environment, and that nobody else’s log says anything', async () => {
    const reply = await ask('PATCH', workshop.project.flagPath('standing', 'staging'), {
      headers: sessionHeaders(workshop.author),
      body: { state: 'ENABLED' },
    });
    const entry = await onlyEntry('flags', reply);
    assert.deepEqual([entry.action, entry.env], ['flag.toggled', 'staging']);
    assert.match(entry.actor.via ?? '', /^session:/);
    assert.deepEqual([entry.before?.['state'], entry.after?.['state']], ['DISABLED', 'ENABLED']);
    assert.deepEqual(await entriesOf('policy', reply), []);
    assert.deepEqual(await entriesOf('identity', reply), []);
  });

  it('what changed nothing leaves nothing', async () => {
    const path = workshop.project.flagPath('standing', 'staging');
    await ask('PATCH', path, { headers: owner, body: { state: 'ENABLED' } });
    const again = await ask('PATCH', path, { headers: owner, body: { state: 'ENABLED' } });
    assert.equal(again.status, 200);
    assert.deepEqual(await entriesOf('flags', again), []);
    const invalid = await ask('PATCH', path, { headers: owner, body: { state: 'MAYBE' } });
    assert.equal(invalid.status, 400);
    assert.deepEqual(await entriesOf('flags', invalid), []);
  });

  it('a refused attempt is there with its reason, and changed nothing', async () => {
    const attempts: readonly (readonly [service: ServiceName, method: string, path: string, body: object])[] = [
      ['flags', 'PATCH', workshop.project.flagPath('standing', 'live'), { state: 'ENABLED' }],
      ['flags', 'POST', '/api/flags/v1/projects', { key: 'mine', name: 'Mine' }],
      ['policy', 'POST', '/api/policy/v1/grants', { subject: { type: 'user', id: dev.subjectId }, role: 'owner' }],
      ['identity', 'POST', '/api/identity/v1/connections', { name: 'Mine' }],
      ['identity', 'POST', `/api/identity/v1/accounts/${auditor.subjectId}/deactivate`, {}],
    ];
    for (const [service, method, path, body] of attempts) {
      const reply = await ask(method, path, { headers: sessionHeaders(dev.person), body });
      assert.equal(reply.status, 403, `${path}: ${reply.text}`);
      const entry = await onlyEntry(service, reply);
      assert.deepEqual([entry.outcome, entry.actor.type, entry.actor.id], ['denied', 'user', dev.subjectId], path);
      assert.ok(typeof entry.reason === 'string' || entry.decision !== undefined, path);
    }
    const { items } = await expectStatus(auditor.person, 200, 'GET', '/api/flags/v1/audit?outcome=denied&limit=200');
    const denied = items as { entry: Entry }[];
    assert.ok(denied.length > 0 && denied.every(({ entry }) => entry.outcome === 'denied'));
  });

  it('a refused sign-in is there, without the password', async () => {
    const password = 'not-the-password-at-all';
    const reply = await ask('POST', '/api/identity/v1/login', {
      headers: { origin: company.constellation.origin },
      body: { email: company.constellation.bootstrap.owner.email, password, organization: 'acme' },
    });
    assert.equal(reply.status, 403);
    const entry = await onlyEntry('identity', reply);
    assert.deepEqual([entry.action, entry.outcome === 'success'], ['login.refused', false]);
    const everything = await exportOf('identity');
    assert.doesNotMatch(everything, new RegExp(password));
  });

  it('who may not read it is refused, and every other organisation sees its own only', async () => {
    const rival = await sharedRival();
    for (const service of SERVICE_NAMES) {
      for (const path of [`/api/${service}/v1/audit`, `/api/${service}/v1/audit/export`])
        assert.equal((await dev.person.call('GET', path)).status, 403, path);
      const { items } = await expectStatus(rival.owner, 200, 'GET', `/api/${service}/v1/audit?limit=200`);
      const orgs = new Set((items as { entry: { org: string } }[]).map(({ entry }) => entry.org));
      assert.deepEqual([...orgs], [rival.orgId], service);
    }
  });

  const exportOf = async (service: ServiceName): Promise<string> => {
    const { origin } = company.constellation;
    const { status, text } = await send('GET', `${origin}/api/${service}/v1/audit/export`, {
      headers: sessionHeaders(auditor.person),
    });
    assert.equal(status, 200);
    return text;
  };

  const verify = async (text: string): Promise<Verification> =>
    await verifyExport(createInterface({ input: Readable.from(Buffer.from(text)) }), 0n);

  it('verifies offline, all of it, and no longer when one word is another', async () => {
    for (const service of SERVICE_NAMES) {
      const text = await exportOf(service);
      const { entries, finding, first } = await verify(text);
      assert.equal(finding, undefined, service);
      assert.ok(entries > 5 && first === '0', service);
      const lines = text.trimEnd().split('\n');
      const at = Math.floor(lines.length / 2);
      const line = lines[at] ?? '';
      const otherwise = (key: string, values: readonly [string, string]): string =>
        line.replace(
          new RegExp(`"${key}":"(\\w+)"`),
          (_, value) => `"${key}":"${values.find((each) => each !== value)}"`,
        );
      const tampered: readonly (readonly string[])[] = [
        lines.with(at, otherwise('outcome', ['failed', 'success'])),
        lines.with(at, otherwise('type', ['anonymous', 'user'])),
        lines.toSpliced(at, 1),
        lines.slice(1),
        lines.with(at, lines[at - 1] ?? ''),
      ];
      for (const [index, file] of tampered.entries()) {
        assert.notDeepEqual(file, lines, `${service}, tampering ${String(index)} changes something`);
        assert.notEqual((await verify(file.join('\n'))).finding, undefined, `${service}, tampering ${String(index)}`);
      }
    }
  });

  it('holds no secret anybody was given', async () => {
    const { bootstrap } = company.constellation;
    const secrets = [
      bootstrap.owner.password,
      bootstrap.scim.token,
      bootstrap.policy.token,
      ...Object.values(bootstrap.flags.environmentKeys),
      (owner['authorization'] ?? '').slice('Bearer '.length),
      workshop.author.session ?? '',
    ];
    for (const service of SERVICE_NAMES) {
      const text = await exportOf(service);
      for (const secret of secrets) assert.ok(secret.length > 10 && !text.includes(secret), service);
    }
  });

  it('is in order and without a gap while many write at once', async () => {
    const flags = await Promise.all(Array.from({ length: 4 }, async () => await workshop.flag()));
    const writes = flags.flatMap((flag) =>
      ['one', 'two', 'three'].map(async (description) => {
        await company.owner.call('PATCH', `${workshop.project.path}/flags/${flag}`, { description });
      }),
    );
    await Promise.all(writes);
    const { finding, entries, last } = await verify(await exportOf('flags'));
    assert.deepEqual([finding, last], [undefined, String(entries - 1)]);
  });
});
