import assert from 'node:assert/strict';

import fc from 'fast-check';

import { foldCase } from '../../src/accounts/index.ts';
import { matchesResource, readFilter } from '../../src/scim/protocol/filter/index.ts';
import { GROUP } from '../../src/scim/protocol/group-schema.ts';
import type { JsonObject } from '../../src/scim/protocol/json.ts';
import { USER } from '../../src/scim/protocol/user-schema.ts';
import { newDirectory, type Body, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from '../support/identity.ts';
import { attributes, userFilter, type Known } from './random-directory.ts';

const PEOPLE = 120;
const GROUPS = 12;
const RUNS = 600;

const textsIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
};

describe('filters in SQL and in JavaScript (RFC 7644 §3.4.2.2)', () => {
  let identity: TestIdentity;
  let directory: Directory;
  let users: readonly Body[];
  let groups: readonly Body[];

  const everything = async (path: string): Promise<readonly Body[]> => {
    const { status, body } = await directory.scim('GET', `${path}?count=500`);
    assert.equal(status, 200);
    return body.Resources;
  };

  before(async function () {
    this.timeout(180_000);
    identity = await startIdentity();
    const organization = await newOrganization(identity);
    directory = await newDirectory(identity, organization);
    const other = await newDirectory(identity, organization, 'Neighbour');
    const profiles = fc.sample(attributes, PEOPLE);
    for (const [index, profile] of profiles.entries()) {
      const names = {
        userName: `User${String(index)}`,
        ...(index % 3 === 0 ? {} : { externalId: `Ext${String(index)}` }),
      };
      const made = await directory.scim('POST', '/Users', { ...profile, ...names });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      // Nobody of another connection is ever found.
      if (index % 20 === 0) await other.scim('POST', '/Users', { ...profile, userName: `Other${String(index)}` });
    }
    const people = await everything('/Users');
    for (let index = 0; index < GROUPS; index += 1) {
      const members = people.filter((_user, at) => at % (index + 2) === 0 && index % 4 !== 3);
      const made = await directory.scim('POST', '/Groups', {
        displayName: `Gruppe ${'Ää'.charAt(index % 2)}${String(index)}`,
        ...(index % 2 === 0 ? { externalId: `G${String(index)}` } : {}),
        members: members.map(({ id }) => ({ value: id })),
      });
      assert.equal(made.status, 201);
    }
    await directory.scim('DELETE', `/Users/${people[7]?.id ?? ''}`);
    users = await everything('/Users');
    groups = await everything('/Groups');
  });
  after(() => identity.close());

  const idsBy = async (path: string, filter: string): Promise<string[]> => {
    const { status, body } = await directory.scim('GET', `${path}?count=500&filter=${encodeURIComponent(filter)}`);
    assert.equal(status, 200, `${filter}: ${JSON.stringify(body)}`);
    assert.equal(body.totalResults, body.Resources.length);
    return body.Resources.map(({ id }) => id);
  };

  /** The users the evaluator finds, and SQL as well. */
  const foundByBoth = async (filter: string): Promise<number> => {
    const resolved = readFilter(USER, filter);
    const expected = users.filter((user) => matchesResource(user as unknown as JsonObject, resolved));
    assert.deepEqual(
      await idsBy('/Users', filter),
      expected.map(({ id }) => id),
      filter,
    );
    return expected.length;
  };

  it(`find the same users: ${String(RUNS)} random filters on ${String(PEOPLE)} random users (property)`, async () => {
    const ids = [...users, ...groups].map(({ id }) => id);
    const known: Known = {
      texts: [...new Set(users.flatMap(textsIn))].filter((text) => text.length < 40),
      instants: users.map(({ meta }) => meta['created'] ?? ''),
      ids: [...ids, ...ids.map((id) => id.toUpperCase()), ids[0]?.slice(0, 20) ?? '', 'x'],
    };
    let found = 0;
    await fc.assert(
      fc.asyncProperty(userFilter(known), async (filter) => {
        const count = await foundByBoth(filter);
        if (count > 0 && count < users.length) found += 1;
      }),
      { numRuns: RUNS },
    );
    assert.ok(found > RUNS / 5, `only ${String(found)} filters told users apart`);
  }).timeout(180_000);

  it('find a user by the version shown, groups included', async () => {
    const inGroups = users.filter(({ meta }) => meta['version']?.includes('.') === true);
    assert.ok(inGroups.length > 10);
    for (const { meta } of inGroups.slice(0, 20)) {
      const version = meta['version'] ?? '';
      const expected = users.filter((user) => user.meta['version'] === version);
      assert.deepEqual(
        await idsBy('/Users', `meta.version eq ${JSON.stringify(version)}`),
        expected.map(({ id }) => id),
      );
    }
  });

  it('find who has nothing that meets the brackets: of that, every part is different from every value', async () => {
    const withEmails = users.filter((user) => Object.hasOwn(user, 'emails'));
    const address = withEmails
      .flatMap(({ emails }) => emails.map(({ value }) => value))
      .find((value) => typeof value === 'string');
    const texts = ['nobody@nowhere.example', address ?? ''].map((text) => JSON.stringify(text));
    for (const text of texts)
      for (const part of ['value', 'display', 'type', 'primary'])
        for (const brackets of [`value eq ${text}`, `value eq ${text} and type eq "work"`, 'type eq "work"'])
          await foundByBoth(`emails[${brackets}].${part} ne ${part === 'primary' ? 'true' : text}`);
  });

  it('find the same groups', async () => {
    const [someone] = groups.flatMap(({ members }) => members);
    const names = ['GRUPPE ä1', 'gruppe', '1', 'G2', someone?.['value'] ?? '', someone?.['display'] ?? '', ''];
    const paths = [
      'displayName',
      'externalId',
      'id',
      'members',
      'members.value',
      'members.display',
      'members.type',
      'members.$ref',
      'schemas',
      'meta.location',
      'meta.resourceType',
      'meta.version',
    ];
    const operators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'le'];
    const filters = [
      ...paths.flatMap((path) => [
        `${path} pr`,
        `not (${path} pr)`,
        ...operators.flatMap((operator) => names.map((name) => `${path} ${operator} ${JSON.stringify(name)}`)),
      ]),
      `members[value eq ${JSON.stringify(someone?.['value'])} and display pr]`,
      'members[type ne "user"]',
      `members[value eq ${JSON.stringify(someone?.['value'])}].display ne "nobody"`,
      `members[value eq ${JSON.stringify(users[0]?.id)}].value ne "nobody"`,
      'members[not (display sw "u")]',
      'members.value eq "nobody" or displayName co "Ä"',
      'meta pr and meta.created gt "2020-01-01T00:00:00Z"',
    ];
    for (const filter of filters) {
      const resolved = readFilter(GROUP, filter);
      const expected = groups.filter((group) => matchesResource(group as unknown as JsonObject, resolved));
      assert.deepEqual(
        await idsBy('/Groups', filter),
        expected.map(({ id }) => id),
        filter,
      );
    }
  }).timeout(180_000);

  it('sort the same (RFC 7644 §3.4.2.3)', async () => {
    type Key = (user: Body) => string | undefined;
    const first = (list: readonly Readonly<Record<string, unknown>>[] | undefined): Readonly<Record<string, unknown>> =>
      list?.find(({ primary }) => primary === true) ?? list?.[0] ?? {};
    const fold = (value: unknown): string | undefined => (typeof value === 'string' ? foldCase(value) : undefined);
    const keys: Readonly<Record<string, Key>> = {
      userName: ({ userName }) => fold(userName),
      USERNAME: ({ userName }) => fold(userName),
      externalId: ({ externalId }) => externalId,
      nickName: (user) => fold(user['nickName']),
      profileUrl: (user) => user['profileUrl'] as string | undefined,
      'name.familyName': (user) => fold((user.name as Body['name'] | undefined)?.['familyName']),
      emails: ({ emails }) => fold(first(emails)['value']),
      'emails.type': ({ emails }) => fold(first(emails)['type']),
      'photos.value': (user) => first(user['photos'] as Body['emails'] | undefined)['value'] as string | undefined,
      active: ({ active }) => String(active),
      'meta.created': ({ meta }) => meta['created'],
      id: ({ id }) => id,
    };
    const compare = (left: string | undefined, right: string | undefined): number => {
      if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
      return Buffer.compare(Buffer.from(left), Buffer.from(right));
    };
    for (const [sortBy, key] of Object.entries(keys))
      for (const [sortOrder, sign] of [
        ['ascending', 1],
        ['Descending', -1],
      ] as const) {
        const { body } = await directory.scim('GET', `/Users?count=500&sortBy=${sortBy}&sortOrder=${sortOrder}`);
        const expected = users.toSorted(
          (left, right) => sign * compare(key(left), key(right)) || compare(left.id, right.id),
        );
        assert.deepEqual(
          body.Resources.map(({ id }) => id),
          expected.map(({ id }) => id),
          `${sortBy} ${sortOrder}`,
        );
      }
  });
});
