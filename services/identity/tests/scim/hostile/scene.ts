import assert from 'node:assert/strict';

import { newDirectory, apiClient, type Directory } from '../../support/http.ts';
import { newOrganization, type TestIdentity, type TestOrganization } from '../../support/identity.ts';

/** One connection with two users and a group of them. */
export interface Tenant {
  readonly directory: Directory;
  readonly userId: string;
  readonly otherUserId: string;
  readonly groupId: string;
}

/** Who is attacked, from where, and who must not notice. */
export interface Scene {
  readonly identity: TestIdentity;
  readonly organization: TestOrganization;
  /** The connection whose token the attacker holds. */
  readonly own: Tenant;
  /** Another connection of the same organisation. */
  readonly near: Tenant;
  /** Another organisation. */
  readonly far: Tenant;
  readonly serviceAccountId: string;
  /** A digest of everything that is kept of people, groups and connections, in every organisation. */
  snapshot(): Promise<string>;
}

const TABLES = [
  'account',
  'account_email',
  'directory_group',
  'group_member',
  'connection',
  'scim_facet',
  'organization',
];

const furnish = async (directory: Directory, name: string): Promise<Tenant> => {
  const { scim } = directory;
  const user = await scim('POST', '/Users', {
    userName: `${name}@example.com`,
    externalId: 'shared-external-id',
    displayName: 'Ada',
    name: { givenName: 'Ada', familyName: 'L' },
    emails: [
      { value: `${name}@example.com`, type: 'work', primary: true },
      { value: `${name}@home.example`, type: 'home' },
    ],
    active: true,
  });
  const other = await scim('POST', '/Users', { userName: `${name}-2@example.com` });
  const group = await scim('POST', '/Groups', { displayName: `Group of ${name}`, members: [{ value: user.body.id }] });
  assert.deepEqual([user.status, other.status, group.status], [201, 201, 201]);
  return { directory, userId: user.body.id, otherUserId: other.body.id, groupId: group.body.id };
};

export const openScene = async (identity: TestIdentity): Promise<Scene> => {
  const organization = await newOrganization(identity);
  const api = apiClient(identity, organization);
  const service = await api('POST', '/accounts', { kind: 'service_account', userName: 'ci' });
  return {
    identity,
    organization,
    own: await furnish(await newDirectory(identity, organization, 'Own'), 'own'),
    near: await furnish(await newDirectory(identity, organization, 'Near'), 'near'),
    far: await furnish(await newDirectory(identity, await newOrganization(identity)), 'far'),
    serviceAccountId: service.body.id,
    snapshot: async () => {
      const digests = TABLES.map(
        (table) => `(SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM identity.${table} t)`,
      );
      const [row] = await identity.admin<{ digest: string }>(`SELECT concat(${digests.join(', ')}) AS digest`);
      return row?.digest ?? '';
    },
  };
};
