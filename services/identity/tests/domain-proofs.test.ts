import assert from 'node:assert/strict';

import fc from 'fast-check';

import { challengeLookup, judge, type DomainProof } from '../src/domains/challenge.ts';
import { recheckDomains } from '../src/domains/index.ts';
import { verifyDomain } from '../src/login/index.ts';
import { DnsServer } from './support/dns-server.ts';
import { apiClient, type Client } from './support/http.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

interface Proof {
  readonly status: string;
  readonly verifiedBy: string | null;
  readonly problem: string | null;
  readonly countsUntil: string | null;
  readonly record: { readonly name: string; readonly value: string };
}

describe('the DNS proof of a domain', () => {
  let identity: TestIdentity;
  let dns: DnsServer;
  let organization: TestOrganization;
  let api: Client;
  let connectionId: string;
  let domain: string;
  let next = 0;

  before(async () => {
    dns = await DnsServer.start();
    identity = await startIdentity({ config: { dnsServers: [dns.address] } });
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
  });
  after(async () => {
    await identity.close();
    await dns.close();
  });

  const claim = async (by: Client, wanted: string, name = `c-${wanted}`): Promise<string> => {
    const { id } = (await by('POST', '/connections', { name })).body;
    assert.equal((await by('PUT', `/connections/${id}/domains`, { domains: [wanted] })).status, 200);
    return id;
  };
  beforeEach(async () => {
    next += 1;
    domain = `d${next}.example`;
    connectionId = await claim(api, domain);
  });

  const proofOf = async (by = api, id = connectionId): Promise<Proof> => {
    const { body } = await by('GET', `/connections/${id}/domain-proofs`);
    const [proof] = body['items'] as unknown as Proof[];
    assert.ok(proof);
    return proof;
  };
  const check = async (by = api, id = connectionId) =>
    await by('POST', `/connections/${id}/domain-proofs`, { domain: domain.toUpperCase() });
  const publish = async (by = api, id = connectionId): Promise<void> => {
    const { record } = await proofOf(by, id);
    dns.zone.set(record.name, [['v=spf1 -all'], [record.value.slice(0, 20), record.value.slice(20)]]);
  };
  const actions = async (): Promise<unknown[]> => {
    const entries = await identity.context.audit.list(organization.orgId, { limit: 50, targetId: connectionId });
    return entries.map(({ entry }) => entry['action']).filter((action) => String(action).includes('.domain-'));
  };

  it('is a TXT record with a challenge of the claim', async () => {
    const { record, status } = await proofOf();
    assert.equal(record.name, `_sallyport-challenge.${domain}`);
    assert.match(record.value, /^sallyport-challenge=[0-9a-f-]{36}$/);
    assert.equal(status, 'unproven');
    assert.equal((await check()).body['problem'], 'ABSENT');
    await publish();
    const { status: code, body } = await check();
    assert.deepEqual([code, body['status'], body['verifiedBy'], body['problem']], [200, 'proven', 'dns', null]);
    assert.deepEqual(await actions(), ['connection.domain-verified']);
    assert.deepEqual((await api('GET', `/connections/${connectionId}/domains`)).body['verifiedDomains'], [domain]);
  });

  it('is looked up anew each time: what was answered before is not kept', async () => {
    const { record } = await proofOf();
    const questions = (): number => dns.asked.filter((name) => name === record.name).length;
    await check();
    await publish();
    assert.equal((await check()).body['status'], 'proven');
    assert.equal(questions(), 2);
  });

  const wrong: readonly (readonly [string, (value: string) => readonly string[][], string])[] = [
    ['another challenge', () => [['sallyport-challenge=11111111-1111-4111-8111-111111111111']], 'DIFFERENT'],
    ['a longer text', (value) => [[`${value}0`]], 'DIFFERENT'],
    ['other records only', () => [['v=spf1 -all']], 'DIFFERENT'],
  ];
  for (const [what, records, problem] of wrong)
    it(`is not ${what}`, async () => {
      const { record } = await proofOf();
      dns.zone.set(record.name, records(record.value));
      const { body } = await check();
      assert.deepEqual([body['status'], body['problem']], ['unproven', problem]);
    });

  it('is not had where DNS fails', async () => {
    const { record } = await proofOf();
    dns.zone.set(record.name, 'SERVFAIL');
    assert.equal((await check()).body['problem'], 'UNREACHABLE');
  });

  it('is taken for whoever may manage connections once DNS has answered, however long that took', async () => {
    await publish();
    dns.heard = () => void identity.denied.add('connection:manage');
    assert.equal((await check()).status, 403);
    dns.heard = () => undefined;
    identity.denied.clear();
    assert.equal((await proofOf()).status, 'unproven');
  });

  it('of an old claim does not prove a new one', async () => {
    await publish();
    const path = `/connections/${connectionId}/domains`;
    await api('PUT', path, { domains: [] });
    assert.equal((await check()).status, 404);
    await api('PUT', path, { domains: [domain] });
    assert.equal((await check()).body['problem'], 'DIFFERENT');
  });

  it('counts for one organisation, until that one gives the domain up', async () => {
    await publish();
    assert.equal((await check()).body['status'], 'proven');
    const other = apiClient(identity, await newOrganization(identity));
    const theirs = await claim(other, domain);
    await publish(other, theirs);
    assert.equal((await check(other, theirs)).status, 409);
    assert.equal((await proofOf(other, theirs)).status, 'unproven');
    const second = await claim(api, domain, `second-${domain}`);
    await publish(api, second);
    assert.equal((await check(api, second)).body['status'], 'proven');
    await api('PUT', `/connections/${connectionId}/domains`, { domains: [] });
    await publish(other, theirs);
    assert.equal((await check(other, theirs)).status, 409);
    await api('DELETE', `/connections/${second}`);
    await recheckDomains(identity.context);
    assert.equal((await check(other, theirs)).body['status'], 'proven');
  });

  it('of an operator counts for one organisation, too, and is not overruled by DNS', async () => {
    const vouch = async (orgId: string, id: string): Promise<void> => {
      const word = { orgId, connectionId: id, domain, verified: true };
      await verifyDomain(identity.context, word, { requestId: 'test', operator: 'operator' });
    };
    await vouch(organization.orgId, connectionId);
    const { body } = await check();
    assert.deepEqual([body['status'], body['verifiedBy'], body['problem']], ['proven', 'operator', 'ABSENT']);
    const stranger = await newOrganization(identity);
    const theirs = await claim(apiClient(identity, stranger), domain);
    await assert.rejects(vouch(stranger.orgId, theirs), { code: 'CONFLICT' });
  });

  describe('looked at every day', () => {
    const age = async (sql: string): Promise<void> => {
      await identity.admin(`UPDATE identity.connection_domain SET ${sql} WHERE connection_id = $1`, [connectionId]);
    };
    const yesterday = `checked_at = clock_timestamp() - interval '25 hours'`;
    beforeEach(async () => {
      await publish();
      await check();
    });

    it('warns once when it is gone, and counts for seven days still', async () => {
      dns.zone.clear();
      for (let day = 0; day < 2; day += 1) {
        await age(yesterday);
        await recheckDomains(identity.context);
      }
      const proof = await proofOf();
      assert.equal(proof.status, 'failing');
      assert.ok(Math.abs(Date.parse(proof.countsUntil ?? '') - Date.now() - 7 * 86_400_000) < 60_000);
      assert.deepEqual(
        (await actions()).filter((action) => action !== 'connection.domain-verified'),
        ['connection.domain-proof-missing'],
      );
      await age(`${yesterday}, failing_since = clock_timestamp() - interval '167 hours'`);
      await recheckDomains(identity.context);
      assert.equal((await proofOf()).status, 'failing');
    });

    it('counts no more after seven days without it', async () => {
      dns.zone.clear();
      await age(`${yesterday}, failing_since = clock_timestamp() - interval '169 hours'`);
      await recheckDomains(identity.context);
      assert.equal((await proofOf()).status, 'unproven');
      assert.ok((await actions()).includes('connection.domain-unverified'));
      const owners = await identity.admin('SELECT FROM identity.domain_owner WHERE domain = $1', [domain]);
      assert.equal(owners.length, 0);
    });

    it('is fine again when the record is back', async () => {
      await age(`${yesterday}, failing_since = clock_timestamp() - interval '100 hours', problem = 'ABSENT'`);
      await recheckDomains(identity.context);
      const { status, countsUntil } = await proofOf();
      assert.deepEqual([status, countsUntil], ['proven', null]);
    });

    it('is not looked at again on the same day', async () => {
      const before = dns.asked.length;
      await recheckDomains(identity.context);
      assert.equal(dns.asked.length, before);
    });
  });

  it('needs connection:manage to be asked for, and is bounded', async () => {
    identity.denied.add('connection:manage');
    assert.equal((await check()).status, 403);
    identity.denied.delete('connection:manage');
    const stranger = apiClient(identity, await newOrganization(identity));
    assert.equal((await stranger('GET', `/connections/${connectionId}/domain-proofs`)).status, 404);
    assert.equal((await check(stranger)).status, 404);
    let status = 0;
    for (let count = 0; count <= 60 && status !== 429; count += 1) status = (await check()).status;
    assert.equal(status, 429);
    await identity.admin('DELETE FROM identity.login_throttle');
  });
});

describe('several resolvers', () => {
  const proof = fc.constantFrom<DomainProof>('PROVEN', 'ABSENT', 'DIFFERENT', 'UNREACHABLE');

  it('prove together: one that answers otherwise is a doubt, one that is silent is not', () => {
    fc.assert(
      fc.property(fc.array(proof, { minLength: 1, maxLength: 5 }), (answers) => {
        const isProven = answers.includes('PROVEN') && !answers.includes('ABSENT') && !answers.includes('DIFFERENT');
        assert.equal(judge(answers) === 'PROVEN', isProven);
      }),
    );
  });

  it('are asked each on its own (a poisoned one proves nothing)', async () => {
    const [honest, poisoned] = await Promise.all([DnsServer.start(), DnsServer.start()]);
    const lookup = challengeLookup([honest.address, poisoned.address]);
    poisoned.zone.set('_sallyport-challenge.x.example', [['sallyport-challenge=1']]);
    assert.equal(await lookup('x.example', '1'), 'ABSENT');
    honest.zone.set('_sallyport-challenge.x.example', [['sallyport-challenge=1']]);
    assert.equal(await lookup('x.example', '1'), 'PROVEN');
    assert.deepEqual([honest.asked.length, poisoned.asked.length], [2, 2]);
    await Promise.all([honest.close(), poisoned.close()]);
  });
});
