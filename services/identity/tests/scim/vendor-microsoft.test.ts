import assert from 'node:assert/strict';

import { newId } from '@sallyport/storage';

import { newDirectory, scimClient, type Answer, type Body, type Client } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from '../support/identity.ts';
import { CredentialScene } from '../support/scim-client.ts';
import { patch } from './dialects/shape.ts';
import { CORE_GROUP, CORE_USER, ENTERPRISE, ENTERPRISE_TEXTS, NAME_PARTS, TEXTS } from './model/vocabulary.ts';

const REQUESTS_PER_SECOND = 25;
const PAGE = 5;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

interface Attribute {
  readonly name: string;
  readonly type: string;
  readonly multiValued: boolean;
  readonly mutability: string;
  readonly subAttributes?: readonly Attribute[];
}

/** Microsoft's SCIM validator and the terms of its gallery, line by line (facts, scim.md §4.2). */
describe('what Microsoft validates', () => {
  let identity: TestIdentity;
  let scim: Client;

  before(async () => {
    identity = await startIdentity();
    scim = (await newDirectory(identity, await newOrganization(identity))).scim;
  });
  after(() => identity.close());

  const ok = ({ status, body }: Answer, expected: number): Body => {
    assert.equal(status, expected, JSON.stringify(body));
    return body;
  };
  const user = async (more: object = {}): Promise<Body> => {
    const name = `Test_User_${newId()}@testuser.com`;
    const body = {
      schemas: [CORE_USER, ENTERPRISE],
      externalId: newId(),
      userName: name,
      active: true,
      emails: [{ primary: true, type: 'work', value: name }],
      meta: { resourceType: 'User' },
      name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
      roles: [],
      ...more,
    };
    return ok(await scim('POST', '/Users', body), 201);
  };
  const group = async (members: readonly string[] = []): Promise<Body> =>
    ok(
      await scim('POST', '/Groups', {
        schemas: [CORE_GROUP],
        externalId: newId(),
        displayName: newId(),
        members: members.map((value) => ({ value })),
      }),
      201,
    );
  const change = async (path: string, ...operations: unknown[]): Promise<Body> => {
    ok(await scim('PATCH', path, patch(...operations)), path.startsWith('/Users') ? 200 : 204);
    return ok(await scim('GET', path), 200);
  };
  const membersOf = ({ members }: Body): string[] => members.map(({ value }) => value ?? '').sort();
  const withManager = (id: string) => ({ op: 'Add', path: `${ENTERPRISE}:manager`, value: id });
  const managerOf = (body: Body): unknown =>
    (body[ENTERPRISE] as { manager?: { value: string } } | undefined)?.manager?.value;
  const found = async (path: string, filter: string): Promise<string[]> =>
    ok(await scim('GET', `${path}?filter=${encodeURIComponent(filter)}`), 200).Resources.map(({ id }) => id);

  describe('user flows', () => {
    it('create', async () => {
      const { id } = await user();
      assert.equal(ok(await scim('GET', `/Users/${id}`), 200).id, id);
    });

    it('update', async () => {
      const { id } = await user();
      const path = `/Users/${id}`;
      const after = await change(
        path,
        { op: 'Replace', path: 'emails[type eq "work"].value', value: 'updated@microsoft.com' },
        { op: 'Replace', path: 'name.familyName', value: 'updatedFamilyName' },
      );
      assert.equal(after.emails[0]?.['value'], 'updated@microsoft.com');
      assert.equal(after.name['familyName'], 'updatedFamilyName');
    });

    it('disable by active:false, and the user stays readable', async () => {
      const { id, userName } = await user();
      assert.equal((await change(`/Users/${id}`, { op: 'Replace', path: 'active', value: 'False' })).active, false);
      assert.deepEqual(await found('/Users', `userName eq "${userName}"`), [id]);
    });

    it('delete', async () => {
      const { id, userName } = await user();
      ok(await scim('DELETE', `/Users/${id}`), 204);
      ok(await scim('GET', `/Users/${id}`), 404);
      assert.deepEqual(await found('/Users', `userName eq "${userName}"`), []);
    });

    it('manager set, changed and removed', async () => {
      const [first, second, { id }] = [await user(), await user(), await user()];
      const path = `/Users/${id}`;
      assert.equal(managerOf(await change(path, withManager(first.id))), first.id);
      assert.equal(managerOf(await change(path, { ...withManager(second.id), op: 'Replace' })), second.id);
      assert.equal(managerOf(await change(path, { op: 'Remove', path: `${ENTERPRISE}:manager` })), undefined);
    });

    it('restore after unassign', async () => {
      const { id } = await user();
      const path = `/Users/${id}`;
      await change(path, { op: 'Replace', path: 'active', value: false });
      const restored = await change(
        path,
        { op: 'Replace', path: 'active', value: true },
        { op: 'Replace', path: 'displayName', value: 'Back' },
      );
      assert.deepEqual([restored.active, restored.displayName, restored.id], [true, 'Back', id]);
    });

    it('on-demand provisioning: looked up, created, read, updated in the default dialect', async () => {
      const userName = `${newId()}@testuser.com`;
      assert.deepEqual(await found('/Users', `userName eq "${userName}"`), []);
      const { id } = await user({ userName });
      assert.deepEqual(await found('/Users', `userName eq "${userName}"`), [id]);
      assert.equal(
        (await change(`/Users/${id}`, { op: 'Add', path: 'title', value: 'On demand' }))['title'],
        'On demand',
      );
    });
  });

  describe('group flows', () => {
    it('create', async () => {
      const { id, displayName } = await group();
      assert.deepEqual(await found('/Groups', `displayName eq "${displayName}"`), [id]);
    });

    it('update', async () => {
      const { id } = await group();
      const displayName = newId();
      assert.equal(
        (await change(`/Groups/${id}`, { op: 'Replace', path: 'displayName', value: displayName })).displayName,
        displayName,
      );
    });

    it('delete', async () => {
      const { id } = await group();
      ok(await scim('DELETE', `/Groups/${id}`), 204);
      ok(await scim('GET', `/Groups/${id}`), 404);
    });

    it('add a member', async () => {
      const [{ id }, member] = [await group(), await user()];
      assert.deepEqual(
        membersOf(
          await change(`/Groups/${id}`, { op: 'Add', path: 'members', value: [{ $ref: null, value: member.id }] }),
        ),
        [member.id],
      );
    });

    it('remove a member', async () => {
      const [one, two] = [await user(), await user()];
      const { id } = await group([one.id, two.id]);
      assert.deepEqual(
        membersOf(
          await change(`/Groups/${id}`, { op: 'Remove', path: 'members', value: [{ $ref: null, value: one.id }] }),
        ),
        [two.id],
      );
    });

    it('on-demand provisioning', async () => {
      const member = await user();
      const { id } = await group();
      assert.equal('members' in ok(await scim('GET', `/Groups/${id}?excludedAttributes=members`), 200), false);
      await change(`/Groups/${id}`, { op: 'Add', path: 'members', value: [{ value: member.id }] });
      assert.deepEqual(await found('/Groups', `id eq "${id}" and members.value eq "${member.id}"`), [id]);
    });

    it('restore: a group that was deleted is created again', async () => {
      const { id, displayName, externalId } = await group();
      ok(await scim('DELETE', `/Groups/${id}`), 204);
      ok(await scim('POST', '/Groups', { schemas: [CORE_GROUP], displayName, externalId }), 201);
    });
  });

  describe('direct requests', () => {
    const schema = async (id: string): Promise<readonly Attribute[]> =>
      ok(await scim('GET', `/Schemas/${id}`), 200)['attributes'] as readonly Attribute[];

    it('every mapped attribute is in /Schemas, those of groups too', async () => {
      const ids = ok(await scim('GET', '/Schemas'), 200).Resources.map(({ id }) => id);
      for (const id of [CORE_USER, ENTERPRISE, CORE_GROUP]) assert.ok(ids.includes(id), id);
      const names = (attributes: readonly Attribute[]) => attributes.map(({ name }) => name);
      const core = await schema(CORE_USER);
      for (const name of ['userName', 'active', 'name', 'emails', 'phoneNumbers', 'addresses', 'roles', ...TEXTS])
        assert.ok(names(core).includes(name), name);
      const name = core.find((attribute) => attribute.name === 'name')?.subAttributes ?? [];
      for (const part of NAME_PARTS) assert.ok(names(name).includes(part), part);
      for (const attribute of [...ENTERPRISE_TEXTS, 'manager'])
        assert.ok(names(await schema(ENTERPRISE)).includes(attribute), attribute);
      for (const attribute of ['displayName', 'members'])
        assert.ok(names(await schema(CORE_GROUP)).includes(attribute), attribute);
    });

    it('null update: PATCH "" and then null leave the attribute unassigned', async () => {
      const { id } = await user({ title: 'Dr', [ENTERPRISE]: { department: 'x' } });
      for (const value of ['', null])
        for (const path of ['title', `${ENTERPRISE}:department`, 'name.givenName']) {
          const after = await change(`/Users/${id}`, { op: 'Replace', path, value });
          assert.equal('title' in after && path === 'title', false);
          assert.equal('givenName' in after.name && path === 'name.givenName', false);
        }
      const read = ok(await scim('GET', `/Users/${id}`), 200);
      assert.equal(ENTERPRISE in read || 'title' in read, false);
    });

    it('a user is created and updated with every single-valued attribute, each read back', async () => {
      const core = (await schema(CORE_USER)).filter(
        ({ type, multiValued, mutability, name }) =>
          !multiValued && mutability === 'readWrite' && ['string', 'reference'].includes(type) && name !== 'userName',
      );
      const extension = (await schema(ENTERPRISE)).filter(({ type }) => type === 'string');
      const filled = (round: string) => ({
        ...Object.fromEntries(core.map(({ name }) => [name, `${round} ${name}`])),
        [ENTERPRISE]: Object.fromEntries(extension.map(({ name }) => [name, `${round} ${name}`])),
      });
      assert.ok(core.length >= 8 && extension.length >= 5);
      const body = await user(filled('created'));
      for (const { name } of core) assert.equal(body[name], `created ${name}`);
      const operations = [
        ...core.map(({ name }) => ({ op: 'Replace', path: name, value: `updated ${name}` })),
        ...extension.map(({ name }) => ({ op: 'Replace', path: `${ENTERPRISE}:${name}`, value: `updated ${name}` })),
      ];
      const after = await change(`/Users/${body.id}`, ...operations);
      for (const [name, value] of Object.entries(filled('updated'))) assert.deepEqual(after[name], value);
    });

    it('a group is created and updated', async () => {
      const { id } = await group();
      const after = await change(
        `/Groups/${id}`,
        { op: 'Replace', path: 'displayName', value: `updated ${id}` },
        { op: 'Replace', path: 'externalId', value: `updated ${id}` },
      );
      assert.deepEqual([after.displayName, after.externalId], [`updated ${id}`, `updated ${id}`]);
    });

    it('pages of users: startIndex page*5+1, count 5', async () => {
      for (let number = 0; number < 2 * PAGE + 1; number += 1) await user();
      const seen = new Set<string>();
      let total = Infinity;
      for (let page = 0; page * PAGE < total; page += 1) {
        const body = ok(await scim('GET', `/Users?startIndex=${String(page * PAGE + 1)}&count=${String(PAGE)}`), 200);
        total = body.totalResults;
        assert.equal(body.startIndex, page * PAGE + 1);
        assert.equal(body.Resources.length, Math.min(PAGE, total - page * PAGE));
        for (const { id } of body.Resources) seen.add(id);
      }
      assert.ok(total > 2 * PAGE);
      assert.equal(seen.size, total);
    });

    it('pages of groups', async () => {
      for (let number = 0; number < PAGE + 1; number += 1) await group();
      const first = ok(await scim('GET', `/Groups?startIndex=1&count=${String(PAGE)}`), 200);
      const second = ok(await scim('GET', `/Groups?startIndex=${String(PAGE + 1)}&count=${String(PAGE)}`), 200);
      assert.equal(first.Resources.length, PAGE);
      assert.ok(second.Resources.length > 0);
      assert.equal(
        second.Resources.some(({ id }) => first.Resources.some((one) => one.id === id)),
        false,
      );
    });

    it('manager: Add, Replace, Replace with empty', async () => {
      const [manager, { id }] = [await user(), await user()];
      const path = `/Users/${id}`;
      assert.equal(managerOf(await change(path, withManager(manager.id))), manager.id);
      assert.equal(managerOf(await change(path, { ...withManager('other'), op: 'Replace' })), 'other');
      const cleared = await change(path, { ...withManager(''), op: 'Replace' });
      assert.equal(managerOf(cleared), undefined);
      assert.deepEqual(cleared.schemas, [CORE_USER]);
    });
  });

  describe('service level', () => {
    it('25 requests a second of one tenant are all served', async () => {
      const answers: Answer[] = [];
      for (let round = 0; round < 4; round += 1)
        answers.push(
          ...(await Promise.all(Array.from({ length: REQUESTS_PER_SECOND }, () => scim('GET', '/Users?count=1')))),
        );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    });

    it('several membership changes in one PATCH', async () => {
      const people = await Promise.all(Array.from({ length: 4 }, () => user()));
      const [one, two, three, four] = people.map(({ id }) => id);
      const { id } = await group([one ?? '', two ?? '']);
      const after = await change(
        `/Groups/${id}`,
        { op: 'Add', path: 'members', value: [{ value: three }, { value: four }] },
        { op: 'Remove', path: 'members', value: [{ value: one }] },
      );
      assert.deepEqual(new Set(membersOf(after)), new Set([two, three, four]));
    });

    it('schema discovery: /Schemas, /ResourceTypes, /ServiceProviderConfig', async () => {
      for (const path of ['/Schemas', '/ResourceTypes', '/ServiceProviderConfig']) ok(await scim('GET', path), 200);
    });
  });

  describe('credentials', () => {
    let scene: CredentialScene;
    before(async () => {
      scene = await CredentialScene.start();
    });
    after(() => scene.close());

    it('OAuth client credentials, tokens of 60 to 360 minutes', async () => {
      const client = await scene.newClient();
      assert.ok(client.tokenTtlMinutes >= 60 && client.tokenTtlMinutes <= 360);
      const authorized = scimClient(scene.identity, await scene.tokenOf(client));
      ok(await authorized('GET', '/Users'), 200);
      scene.clock.advance((client.tokenTtlMinutes + 1) * MINUTE_MS);
      ok(await authorized('GET', '/Users'), 401);
    });

    it('a long-lived token does not expire silently', async () => {
      const own = await newDirectory(scene.identity, scene.organization, 'Expiring');
      const warnings = async () =>
        (await scene.api('GET', `/connections/${own.connectionId}`)).body['warnings'] as { code: string }[];
      assert.deepEqual(await warnings(), []);
      const { body } = await scene.api('GET', `/connections/${own.connectionId}/scim-tokens`);
      const expiresAt = new Date(String(body.items[0]?.['expiresAt'])).getTime();
      scene.clock.advance(expiresAt - scene.clock.now().getTime() - DAY_MS);
      assert.deepEqual(
        (await warnings()).map(({ code }) => code),
        ['EXPIRES_SOON'],
      );
      ok(await own.scim('GET', '/Users'), 200);
    });
  });
});
