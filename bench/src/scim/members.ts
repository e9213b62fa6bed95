import type pg from 'pg';

import { GROUP, idOf, patchOf, timed, type Call } from './calls.ts';
import type { Directory, ScimService } from './service.ts';

/** A group of so many members, written as rows; the group itself is made by the API. */
export const newGroup = async (
  admin: pg.Pool,
  { orgId }: Directory,
  call: Call,
  { name, members }: { readonly name: string; readonly members: readonly string[] },
): Promise<string> => {
  const id = idOf(await call('POST', '/Groups', { schemas: [GROUP], displayName: name, members: [] }));
  await admin.query(
    `INSERT INTO identity.group_member (org_id, group_id, account_id, created_at)
       SELECT $1, $2, id, now() FROM unnest($3::uuid[]) AS id`,
    [orgId, id, members],
  );
  await admin.query('ANALYZE identity.group_member');
  return id;
};

/** Adds somebody and takes them out again: two changes. */
export const addAndRemove = async (call: Call, groupId: string, ids: readonly string[]): Promise<void> => {
  const value = ids.map((id) => ({ value: id }));
  await call('PATCH', `/Groups/${groupId}`, patchOf({ op: 'add', path: 'members', value }));
  await call('PATCH', `/Groups/${groupId}`, patchOf({ op: 'remove', path: 'members', value }));
};

const CONCURRENT = 200;

/**
 * 200 PATCHes of one member each, all at once: half of them add somebody who is out, half remove somebody who is in.
 * True when the members afterwards are exactly what set algebra says.
 */
export const isExactUnderConcurrency = async (
  admin: pg.Pool,
  directory: Directory,
  call: Call,
  people: readonly string[],
): Promise<boolean> => {
  const [inside, outside] = [people.slice(0, CONCURRENT / 2), people.slice(CONCURRENT / 2, CONCURRENT)];
  const groupId = await newGroup(admin, directory, call, {
    name: `concurrent ${crypto.randomUUID()}`,
    members: inside,
  });
  const change = (op: 'add' | 'remove', id: string): Promise<unknown> =>
    call('PATCH', `/Groups/${groupId}`, patchOf({ op, path: 'members', value: [{ value: id }] }));
  await Promise.all([...inside.map((id) => change('remove', id)), ...outside.map((id) => change('add', id))]);
  const { members } = JSON.parse((await call('GET', `/Groups/${groupId}`)).text) as { members: { value: string }[] };
  const found = members.map(({ value }) => value).sort();
  const expected = [...outside].sort();
  return found.length === expected.length && found.every((id, index) => id === expected[index]);
};

const MEBIBYTE = 1024 * 1024;

/** The longest time the event loop of the service stood still while it replaced a group by a list of 16 MiB; ms. */
export const delayOfLargePut = async (
  service: ScimService,
  call: Call,
  groupId: string,
  people: readonly string[],
): Promise<number> => {
  const bare = JSON.stringify({ schemas: [GROUP], displayName: 'large', members: people.map((value) => ({ value })) });
  // What is left of 16 MiB goes into the display of everybody, as directories send it.
  const room = Math.floor((16 * MEBIBYTE - bare.length) / people.length) - '"display":"",'.length;
  const display = 'x'.repeat(Math.max(0, room));
  const members = people.map((value) => ({ display, value }));
  const body = JSON.stringify({ schemas: [GROUP], displayName: 'large', members });
  await service.probe();
  await timed(() => call('PUT', `/Groups/${groupId}?excludedAttributes=members`, body));
  return (await service.probe()).maxDelayMs;
};
