/** The wall between organisations where an id is not in the path: in queries, bodies, tokens and in the database. */
import assert from 'node:assert/strict';

import { expectStatus, type Answer } from '@sallyport/dev-env/actors';
import { SERVICE_NAMES } from '@sallyport/dev-env';
import pg from 'pg';

import type { Company } from '../src/company.ts';
import { fieldsOf, send } from '../support/http.ts';
import type { Rival } from '../support/rival.ts';
import { BOOT_TIMEOUT_MS, sharedCompany, sharedRival } from '../support/shared-company.ts';
import { Workshop } from '../support/workshop.ts';

describe('between organisations', function () {
  this.timeout(180_000);
  let company: Company;
  let rival: Rival;
  let workshop: Workshop;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    rival = await sharedRival();
    workshop = await Workshop.open(company);
  });

  const asRival = async (method: string, path: string, body?: object): Promise<Answer> =>
    await rival.owner.call(method, path, body);

  it('lists hold what is one’s own and nothing else', async () => {
    const lists = [
      '/api/identity/v1/connections',
      '/api/identity/v1/accounts',
      '/api/identity/v1/groups',
      '/api/identity/v1/oauth-clients',
      '/api/policy/v1/grants',
      '/api/policy/v1/group-mappings',
      '/api/policy/v1/decision-tokens',
      '/api/policy/v1/scopes',
      '/api/flags/v1/projects',
    ];
    await workshop.client();
    for (const path of lists) {
      const idsOf = async (caller: Rival['owner']): Promise<unknown[]> => {
        const { items } = await expectStatus(caller, 200, 'GET', path);
        return (items as Record<string, unknown>[]).map((item) => item['id'] ?? item['clientId']);
      };
      const [ours, theirs] = [await idsOf(company.owner), await idsOf(rival.owner)];
      assert.ok(ours.length > 0, path);
      assert.deepEqual(
        ours.filter((id) => theirs.includes(id)),
        [],
        path,
      );
    }
  });

  it('an id of another one in a filter finds nothing', async () => {
    const { connectionId } = company;
    for (const path of ['/api/identity/v1/accounts', '/api/identity/v1/groups']) {
      const { items } = (await asRival('GET', `${path}?connectionId=${connectionId}`)).body;
      assert.deepEqual(items, []);
    }
    const user = await workshop.knownUser();
    await expectStatus(company.owner, 201, 'POST', '/api/policy/v1/grants', {
      subject: { type: 'user', id: user },
      role: 'viewer',
    });
    assert.deepEqual((await asRival('GET', `/api/policy/v1/grants?subjectId=${user}`)).body['items'], []);
    const { projectId, stagingId } = workshop.project;
    assert.equal((await asRival('GET', `/api/policy/v1/grants?projectId=${projectId}`)).status, 404);
    assert.equal((await asRival('GET', `/api/policy/v1/grants?environmentId=${stagingId}`)).status, 404);
    assert.equal((await asRival('GET', `/api/policy/v1/roles?projectId=${projectId}`)).status, 404);
  });

  it('somebody of another one is given no role', async () => {
    const subjects = [
      { type: 'user', id: await workshop.knownUser() },
      { type: 'group', id: (await workshop.mappedGroup()).groupId },
    ];
    for (const subject of subjects) {
      const granted = await asRival('POST', '/api/policy/v1/grants', { subject, role: 'viewer' });
      assert.equal(granted.status, 404, JSON.stringify(granted.body));
    }
    const mapping = { groupId: (await workshop.mappedGroup()).groupId, role: 'viewer' };
    assert.equal((await asRival('POST', '/api/policy/v1/group-mappings', mapping)).status, 404);
  });

  it('a project or an environment of another one cannot be granted', async () => {
    const { projectId, stagingId } = workshop.project;
    const { subjectId } = (await asRival('GET', '/api/identity/v1/me')).body;
    const subject = { type: 'user', id: subjectId };
    for (const scope of [{ projectId }, { environmentId: stagingId }, { projectId, environmentId: stagingId }]) {
      const answer = await asRival('POST', '/api/policy/v1/grants', { subject, role: 'viewer', scope });
      assert.equal(answer.status, 404, JSON.stringify(answer.body));
    }
  });

  it('a decision about another one’s people or places is a denial', async () => {
    const { stagingId, projectId } = workshop.project;
    const owner = String((await expectStatus(company.owner, 200, 'GET', '/api/identity/v1/me'))['subjectId']);
    const place = { projectId, environmentId: stagingId };
    const ask = async (body: object): Promise<unknown> =>
      (await asRival('POST', '/api/policy/v1/check', body)).body['decision'];
    assert.equal(await ask({ subject: { type: 'user', id: owner }, action: 'flag:toggle', ...place }), 'deny');
    assert.equal(await ask({ subject: { type: 'user', id: owner }, action: 'organization:read' }), 'deny');
    const { subjectId } = (await asRival('GET', '/api/identity/v1/me')).body;
    assert.equal(await ask({ subject: { type: 'user', id: subjectId }, action: 'flag:toggle', ...place }), 'deny');
    assert.equal(await ask({ subject: { type: 'user', id: subjectId }, action: 'organization:read' }), 'allow');

    const evaluate = async (id: unknown, resource: object): Promise<unknown> => {
      const body = { subject: { type: 'user', id }, action: { name: 'organization:read' }, resource };
      const reply = await send('POST', `${company.constellation.origin}/access/v1/evaluation`, {
        headers: { ...rival.credentials['decision-token'], 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      assert.equal(reply.status, 200, reply.text);
      return fieldsOf(reply.json)['decision'];
    };
    assert.equal(await evaluate(owner, { type: 'organization', id: rival.orgId }), false);
    assert.equal(await evaluate(owner, { type: 'organization', id: company.orgId }), false);
    assert.equal(await evaluate(subjectId, { type: 'organization', id: company.orgId }), false);
    assert.equal(await evaluate(subjectId, { type: 'organization', id: rival.orgId }), true);
  });

  it('the same keys name different things', async () => {
    const { name, id } = (await asRival('GET', `/api/flags/v1/projects/${rival.project}`)).body;
    const ours = await expectStatus(company.owner, 201, 'POST', '/api/flags/v1/projects', {
      key: rival.project,
      name: 'Our own depot',
    });
    assert.notEqual(ours['id'], id);
    assert.equal((await asRival('GET', `/api/flags/v1/projects/${rival.project}`)).body['name'], name);
  });

  it('PostgreSQL shows a service nothing until it says which organisation it works for', async () => {
    for (const service of SERVICE_NAMES) {
      const client = new pg.Client({ connectionString: company.constellation.database.urlOf(service) });
      await client.connect();
      try {
        const { rows } = await client.query<{ name: string }>(
          `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.columns
            WHERE table_schema = $1 AND column_name = 'org_id' AND has_table_privilege(format('%I.%I', table_schema, table_name), 'SELECT')`,
          [service],
        );
        assert.ok(rows.length >= 5, `${service}: ${String(rows.length)} tables`);
        for (const { name } of rows) {
          const { rows: seen } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${name}`);
          assert.equal(seen[0]?.n, '0', name);
        }
      } finally {
        await client.end();
      }
    }
  });
});
