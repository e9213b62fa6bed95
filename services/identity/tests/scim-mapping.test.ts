import assert from 'node:assert/strict';

import { createGrpcClient } from '@sallyport/grpc';
import { OperatorServiceClient } from '@sallyport/proto/identity/v1';
import { newId } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';

import { createAccount, findAccount, type Account } from '../src/accounts/index.ts';
import { accountRuleSchema, completeLogin, type CompletedLogin } from '../src/login/index.ts';
import { putPasswordHash } from '../src/local-login/index.ts';
import {
  apiClient,
  newDirectory,
  patchOf,
  USER_URN,
  type Answer,
  type Client,
  type Directory,
} from './support/http.ts';
import {
  certificate,
  DEPLOYMENT,
  newOrganization,
  startIdentity,
  type TestIdentity,
  type TestOrganization,
} from './support/identity.ts';

const userOf = (userName: string, more: Record<string, unknown> = {}) => ({
  schemas: [USER_URN],
  userName,
  externalId: newId(),
  emails: [{ value: userName, primary: true }],
  active: true,
  ...more,
});

describe('who a directory may speak for', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let directory: Directory;
  let scim: Client;
  let api: Client;

  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    api = apiClient(identity, organization);
    directory = await newDirectory(identity, organization);
    scim = directory.scim;
  });
  after(() => identity.close());

  const newName = (domain = 'example.com'): string => `${newId()}@${domain}`;

  const verify = async (connectionId: string, domain: string, verified = true): Promise<void> => {
    const client = createGrpcClient(OperatorServiceClient, {
      address: `127.0.0.1:${String(identity.server.grpcPort)}`,
      tls: await certificate('operator'),
      serverName: 'identity',
      deployment: DEPLOYMENT,
      logger: silentLogger(),
    });
    const { orgId } = organization;
    await client.unary('verifyDomain', { orgId, connectionId, domain, verified }, { deadlineMs: 10_000 });
    client.close();
  };

  /** A directory whose connection lists a domain that the operator vouches for. */
  const proven = async (): Promise<Directory & { readonly domain: string }> => {
    const domain = `d-${newId()}.example`;
    const own = await newDirectory(identity, organization, newId());
    assert.equal((await api('PUT', `/connections/${own.connectionId}/domains`, { domains: [domain] })).status, 200);
    await verify(own.connectionId, domain);
    return { ...own, domain };
  };

  const create = async (body: object, client = scim): Promise<Answer> => {
    const created = await client('POST', '/Users', body);
    assert.equal(created.status, 201, JSON.stringify(created.body));
    return created;
  };

  const assertClash = ({ status, body }: Answer): void => {
    assert.deepEqual([status, body.scimType, body.detail !== ''], [409, 'uniqueness', true], JSON.stringify(body));
  };

  const accountOf = async (id: string): Promise<Account> => {
    const found = await identity.context.db.read(organization.orgId, (tx) => findAccount(tx, organization.orgId, id));
    assert.ok(found !== undefined);
    return found;
  };

  const audit = () =>
    ({ orgId: organization.orgId, actor: { type: 'system', id: 'test' }, requestId: 'test' }) as const;

  /** An account that came from nowhere a directory or a person could reach it. */
  const unowned = async (userName: string, kind: 'user' | 'service_account' = 'user'): Promise<string> => {
    const profile = userName.includes('@') ? { emails: [{ value: userName }] } : {};
    const input = { kind, connectionId: null, externalId: null, userName, profile } as const;
    const { value } = await identity.context.audit.mutate(audit(), (tx) => createAccount(tx, identity.context, input));
    return value.id;
  };

  describe('identity keys', () => {
    it('an externalId that looks like an id of ours, or like a number, names nobody (Grafana CVE-2025-41115)', async () => {
      const { body: victim } = await create(userOf(newName()));
      for (const externalId of ['1', '0', victim.id, victim.id.toUpperCase(), organization.ownerId]) {
        const created = await create(userOf(newName(), { externalId }));
        assert.notEqual(created.body.id, externalId);
        assert.notEqual(created.body.id, victim.id);
        assert.equal((await scim('GET', `/Users/${created.body.id}`)).body.externalId, externalId);
      }
      assert.equal((await scim('GET', '/Users/1')).status, 404);
      assert.equal((await scim('GET', `/Users/${victim.id}`)).body.userName, victim.userName);
      const found = await scim('GET', `/Users?filter=${encodeURIComponent(`externalId eq "${victim.id}"`)}`);
      assert.notEqual(found.body.Resources[0]?.id, victim.id);
    });

    it('an externalId is a key within its connection only', async () => {
      const externalId = newId();
      const { body } = await create(userOf(newName(), { externalId }));
      const other = await newDirectory(identity, organization, newId());
      assert.notEqual((await create(userOf(newName(), { externalId }), other.scim)).body.id, body.id);
      assertClash(await scim('POST', '/Users', userOf(newName(), { externalId })));
    });

    it('a changed user name stays the same user (ssoready#164)', async () => {
      const { body } = await create(userOf(newName()));
      const userName = newName();
      const renamed = await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { userName } }));
      assert.deepEqual([renamed.status, renamed.body.id, renamed.body.userName], [200, body.id, userName]);
    });
  });

  describe('names of others', () => {
    it('neither user name nor address of the break-glass Owner can be had, in any case or place', async () => {
      const owner = 'OWNER@Example.com';
      assertClash(await scim('POST', '/Users', userOf(owner)));
      assertClash(await scim('POST', '/Users', userOf(newName(), { emails: [{ value: owner }] })));
      assertClash(
        await scim(
          'POST',
          '/Users',
          userOf(newName(), { emails: [{ value: newName() }, { value: owner, type: 'home' }] }),
        ),
      );
      const { body } = await create(userOf(newName()));
      const add = patchOf({ op: 'add', path: 'emails', value: [{ value: owner, type: 'other' }] });
      assertClash(await scim('PATCH', `/Users/${body.id}`, add));
      assertClash(await scim('PUT', `/Users/${body.id}`, { ...userOf(body.userName), emails: [{ value: owner }] }));
      assert.equal((await scim('GET', `/Users/${body.id}`)).body.emails.length, 1);
    });

    it('nor those of another connection, active or not; within one connection an address may be shared', async () => {
      const other = await newDirectory(identity, organization, newId());
      const [name, shared] = [newName(), newName()];
      const { body } = await create(userOf(name, { emails: [{ value: shared }] }));
      await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { active: false } }));
      assertClash(await other.scim('POST', '/Users', userOf(newName(), { emails: [{ value: shared.toUpperCase() }] })));
      assertClash(await other.scim('POST', '/Users', userOf(newName(), { emails: [{ value: name }] })));
      assertClash(await other.scim('POST', '/Users', userOf(shared)));
      await create(userOf(newName(), { emails: [{ value: shared }] }));
      assert.equal((await scim('DELETE', `/Users/${body.id}`)).status, 204);
      assertClash(await other.scim('POST', '/Users', userOf(newName(), { emails: [{ value: shared }] })));
      await create(userOf(name), other.scim);
    });

    it('of two connections that claim one address at once, one gets it', async () => {
      const other = await newDirectory(identity, organization, newId());
      for (let round = 0; round < 10; round += 1) {
        const emails = [{ value: newName() }];
        const answers = await Promise.all([
          scim('POST', '/Users', userOf(newName(), { emails })),
          other.scim('POST', '/Users', userOf(newName(), { emails })),
        ]);
        assert.deepEqual(
          answers.map(({ status }) => status).sort((a, b) => a - b),
          [201, 409],
        );
      }
    });

    it('the break-glass Owner and accounts of machines are nobody to SCIM (404), also as members', async () => {
      const machine = await unowned(`ci-${newId()}`, 'service_account');
      const group = await scim('POST', '/Groups', { displayName: newId() });
      for (const id of [organization.ownerId, machine]) {
        for (const [method, body] of [
          ['GET', undefined],
          ['PUT', userOf(newName())],
          ['PATCH', patchOf({ op: 'replace', value: { active: false } })],
          ['DELETE', undefined],
        ] as const)
          assert.equal((await scim(method, `/Users/${id}`, body)).status, 404);
        const add = patchOf({ op: 'add', path: 'members', value: [{ value: id }] });
        assert.equal((await scim('PATCH', `/Groups/${group.body.id}`, add)).status, 400);
        assert.equal((await accountOf(id)).status, 'active');
      }
    });
  });

  describe('an account of nobody', () => {
    it('is linked when its address is in a proven domain: same id, a new epoch, an entry', async () => {
      const own = await proven();
      const name = newName(own.domain);
      const id = await unowned(name);
      const created = await create(userOf(name.toUpperCase(), { displayName: 'Linked' }), own.scim);
      assert.equal(created.body.id, id);
      const account = await accountOf(id);
      assert.deepEqual([account.connectionId, account.status], [own.connectionId, 'active']);
      assert.ok(account.epoch > 1n);
      const [entry] = await identity.context.audit.list(organization.orgId, {
        limit: 1,
        targetId: id,
        action: 'account.linked',
      });
      assert.ok(entry !== undefined);
      assert.equal((entry.entry['before'] as Record<string, unknown>)['connectionId'], null);
      assert.equal((entry.entry['after'] as Record<string, unknown>)['connectionId'], own.connectionId);
    });

    it('is not linked while the domain is only listed, is another one, or is no longer vouched for', async () => {
      const own = await proven();
      const listed = await newDirectory(identity, organization, newId());
      await api('PUT', `/connections/${listed.connectionId}/domains`, { domains: [own.domain] });
      const name = newName(own.domain);
      await unowned(name);
      assertClash(await listed.scim('POST', '/Users', userOf(name)));
      await verify(own.connectionId, own.domain, false);
      assertClash(await own.scim('POST', '/Users', userOf(name)));
      await verify(own.connectionId, own.domain);
      const outside = newName(`sub.${own.domain}`);
      await unowned(outside);
      assertClash(await own.scim('POST', '/Users', userOf(outside)));
      await create(userOf(name), own.scim);
    });

    it('is not linked when one of the names that lead to it is outside, or leads to somebody else too', async () => {
      const own = await proven();
      const [first, second, outside] = [newName(own.domain), newName(own.domain), newName()];
      const emails = (value: string) => ({ emails: [{ value }] });
      await unowned(first);
      await unowned(second);
      assertClash(await own.scim('POST', '/Users', userOf(first, emails(second))));
      await unowned(outside);
      assertClash(await own.scim('POST', '/Users', userOf(first, emails(outside))));
    });

    it('is somebody’s as soon as anything lets anybody in, and then it is never linked', async () => {
      const own = await proven();
      const insert = async (sql: string, accountId: string): Promise<void> => {
        await identity.admin(sql, [organization.orgId, accountId, newId()]);
      };
      const credentials: ((id: string) => Promise<unknown>)[] = [
        (accountId) =>
          identity.context.db.unauditedWrite(organization.orgId, 'test', (tx) =>
            putPasswordHash(tx, { orgId: organization.orgId, accountId, passwordHash: 'x', at: new Date() }),
          ),
        (id) =>
          insert(
            `INSERT INTO identity.api_token (org_id, id, token_hash, account_id, epoch_at_issue, name, created_at,
               created_by, expires_at) VALUES ($1, $3::uuid, sha256($3::uuid::text::bytea), $2, 1, 'x', now(), $2, now())`,
            id,
          ),
        (id) =>
          insert(
            `INSERT INTO identity.browser_session (org_id, id, token_hash, account_id, epoch_at_issue, method,
               authenticated_at, created_at, last_used_at, expires_at)
             VALUES ($1, $3::uuid, sha256($3::uuid::text::bytea), $2, 1, 'password', now(), now(), now(), now())`,
            id,
          ),
        (id) =>
          insert(
            `INSERT INTO identity.login_identity (org_id, connection_id, subject_key, account_id, created_at)
             SELECT $1::uuid, id, $3::text, $2::uuid, now() FROM identity.connection WHERE org_id = $1 LIMIT 1`,
            id,
          ),
      ];
      for (const give of credentials) {
        const name = newName(own.domain);
        const id = await unowned(name);
        await give(id);
        assertClash(await own.scim('POST', '/Users', userOf(name)));
        assert.equal((await accountOf(id)).connectionId, null);
      }
      const machine = await unowned(newName(own.domain), 'service_account');
      assertClash(await own.scim('POST', '/Users', userOf((await accountOf(machine)).userName)));
      await assert.rejects(
        identity.admin('UPDATE identity.account SET connection_id = $2, epoch = epoch + 1 WHERE id = $1', [
          organization.ownerId,
          own.connectionId,
        ]),
        /only an account of nobody comes to a connection/,
      );
    });

    it('domains keep their proof when others are added; who lists a domain does not prove it', async () => {
      const own = await proven();
      const path = `/connections/${own.connectionId}/domains`;
      const added = await api('PUT', path, { domains: [own.domain, 'more.example'] });
      assert.deepEqual(added.body, { domains: [own.domain, 'more.example'].sort(), verifiedDomains: [own.domain] });
      await api('PUT', path, { domains: ['more.example'] });
      assert.deepEqual((await api('PUT', path, { domains: [own.domain] })).body['verifiedDomains'], []);
      await assert.rejects(verify(own.connectionId, 'never-listed.example'), { code: 'NOT_FOUND' });
      await assert.rejects(verify(newId(), own.domain), { code: 'NOT_FOUND' });
    });
  });

  describe('what a directory owns', () => {
    it('is read-only in the admin API, which names the owner; the hold stays possible', async () => {
      const { body } = await create(userOf(newName(), { displayName: 'Directory’s' }));
      const group = await scim('POST', '/Groups', { displayName: newId() });
      for (const path of [`/accounts/${body.id}`, `/groups/${group.body.id}`]) {
        const refused = await api('PATCH', path, { displayName: 'Mine' });
        assert.deepEqual([refused.status, refused.body.code], [409, 'READ_ONLY'], JSON.stringify(refused.body));
        assert.match(refused.body.detail, /"Okta"/);
      }
      assert.equal((await scim('GET', `/Users/${body.id}`)).body.displayName, 'Directory’s');
      assert.equal((await api('POST', `/accounts/${body.id}/deactivate`, {})).status, 200);
      assert.equal((await api('POST', `/accounts/${body.id}/reactivate`, {})).status, 200);
    });

    it('is ours once there is no directory any more; what never was the directory’s always is', async () => {
      const own = await newDirectory(identity, organization, newId());
      const { body } = await create(userOf(newName()), own.scim);
      const group = await own.scim('POST', '/Groups', { displayName: newId() });
      assert.equal((await api('PATCH', `/connections/${own.connectionId}`, { scim: null })).status, 200);
      const machine = await unowned(`ci-${newId()}`, 'service_account');
      for (const path of [`/accounts/${body.id}`, `/groups/${group.body.id}`, `/accounts/${machine}`]) {
        const changed = await api('PATCH', path, { displayName: 'Mine' });
        assert.deepEqual([changed.status, changed.body.displayName], [200, 'Mine']);
      }
      assert.equal((await api('PATCH', `/accounts/${newId()}`, { displayName: 'x' })).status, 404);
    });

    const login = async (
      subject: string,
      more: { readonly connectionId?: string; readonly email?: string; readonly create?: boolean } = {},
    ): Promise<CompletedLogin> => {
      const now = new Date();
      return await completeLogin(
        identity.context,
        {
          orgId: organization.orgId,
          connectionId: more.connectionId ?? directory.connectionId,
          method: 'saml',
          rule: accountRuleSchema.parse({ createOnFirstLogin: more.create ?? true }),
          subject,
          subjectKey: `key:${subject}`,
          attributes: [
            ['email', [more.email ?? newName()]],
            ['displayName', ['What the IdP says at sign-in']],
          ],
          authenticatedAt: now,
          provenAt: null,
          issuedAt: now,
          acr: null,
          amr: [],
          idpSession: null,
          idpSessionEndsAtMs: null,
        },
        { origin: { requestId: 'test' }, pending: null },
      );
    };
    const reasonOf = (completed: CompletedLogin): string => (completed.ok ? 'OK' : completed.reason);

    it('is not touched by signing in, which creates and revives nobody (kortix-ai/suna#7298)', async () => {
      const externalId = newId();
      const { body } = await create(userOf(newName(), { externalId, displayName: 'Directory’s' }));
      assert.equal(reasonOf(await login(externalId)), 'OK');
      const after = await accountOf(body.id);
      assert.deepEqual([after.displayName, after.version], ['Directory’s', 1n]);
      const countAll = async (): Promise<string> =>
        (await identity.admin<{ count: string }>('SELECT count(*) FROM identity.account'))[0]?.count ?? '';
      const count = await countAll();
      assert.equal(reasonOf(await login(newId())), 'ACCOUNT_UNKNOWN');
      assert.equal(reasonOf(await login('owner@example.com', { email: 'owner@example.com' })), 'ACCOUNT_UNKNOWN');
      await scim('PATCH', `/Users/${body.id}`, patchOf({ op: 'replace', value: { active: false } }));
      assert.equal(reasonOf(await login(externalId)), 'ACCOUNT_INACTIVE');
      await scim('DELETE', `/Users/${body.id}`);
      assert.equal(reasonOf(await login(externalId)), 'ACCOUNT_UNKNOWN');
      assert.equal((await accountOf(body.id)).status, 'deleted');
      assert.equal(await countAll(), count);
    });

    it('whom the directory removed, a first login does not make anew once the directory is off', async () => {
      const own = await proven();
      const { domain } = own;
      const [name, address, fresh] = [newName(domain), newName(domain), newName(domain)];
      const { body } = await create(userOf(name, { emails: [{ value: address }] }), own.scim);
      await own.scim('DELETE', `/Users/${body.id}`);
      await api('PATCH', `/connections/${own.connectionId}`, { scim: null });
      const { connectionId } = own;
      for (const email of [name, address])
        assert.equal(reasonOf(await login(newId(), { connectionId, email })), 'ACCOUNT_INACTIVE');
      assert.equal(reasonOf(await login(newId(), { connectionId, email: fresh })), 'OK');
    });
  });
});
