import type { DemoIdpContext } from './context.ts';
import type { PersonChanges } from './directory/directory.ts';
import { type Group, isEntitled, type Person } from './directory/people.ts';
import type { SyncOutcome } from './state/state.ts';

/** What a change in the directory led to at the provisioning target; null = no target is configured. */
export interface ActionResult {
  readonly sync: SyncOutcome | null;
  /** Groups whose membership had to be sent as well. */
  readonly groupSyncs: readonly SyncOutcome[];
}

/** Deactivates or activates a person everywhere; returns after the target's final answer. */
export async function setPersonActive(context: DemoIdpContext, person: Person, active: boolean): Promise<ActionResult> {
  context.directory.setActive(person, active);
  context.log.add({ kind: 'directory', summary: `${person.displayName} was ${active ? 'activated' : 'deactivated'}` });
  return await pushPerson(context, person, active ? 'activate' : 'deactivate');
}

/** Assigns the application to a person or takes it away, which deactivates them there and nowhere else. */
export async function setPersonAssigned(
  context: DemoIdpContext,
  person: Person,
  assigned: boolean,
): Promise<ActionResult> {
  context.directory.setAssigned(person, assigned);
  const verb = assigned ? 'assigned to' : 'unassigned from';
  context.log.add({ kind: 'directory', summary: `${person.displayName} was ${verb} the application` });
  return await pushPerson(context, person, assigned ? 'assign' : 'unassign');
}

/** Changes names, user name or address of a person. */
export async function changePerson(
  context: DemoIdpContext,
  person: Person,
  changes: PersonChanges,
): Promise<ActionResult> {
  context.directory.changePerson(person, changes);
  context.log.add({ kind: 'directory', summary: `${person.displayName} was changed` });
  return await pushPerson(context, person, 'update');
}

/** Adds somebody new to the company and to the target. */
export async function addPerson(
  context: DemoIdpContext,
  details: { givenName: string; familyName: string; userName: string },
): Promise<ActionResult & { person: Person }> {
  const person = context.directory.addPerson(details);
  context.log.add({ kind: 'directory', summary: `${person.displayName} joined the company` });
  return { person, ...(await pushPerson(context, person, 'create')) };
}

/** Puts a person into a group or takes them out. */
export async function setMember(
  context: DemoIdpContext,
  group: Group,
  person: Person,
  isMember: boolean,
): Promise<ActionResult> {
  context.directory.setMember(group, person, isMember);
  const verb = isMember ? 'added to' : 'removed from';
  context.log.add({ kind: 'directory', summary: `${person.displayName} was ${verb} ${group.name}` });
  return {
    sync: await context.provisioner.syncGroup(group, isMember ? 'add-member' : 'remove-member'),
    groupSyncs: [],
  };
}

/**
 * Removes a person from the company: the target first loses them (Entra deletes, Okta deactivates), then
 * their groups are told. When the target does not answer well the person stays, deactivated, to be tried again.
 */
export async function removePerson(context: DemoIdpContext, person: Person): Promise<ActionResult> {
  context.directory.setActive(person, false);
  const sync = await context.provisioner.deletePerson(person);
  if (sync !== null && !sync.ok) return { sync, groupSyncs: [] };
  const groups = context.directory.groupsOf(person);
  for (const group of groups) context.directory.setMember(group, person, false);
  const groupSyncs = await pushGroups(context, groups, 'remove-member');
  context.provisioner.forgetPerson(person);
  context.directory.removePerson(person);
  context.log.add({ kind: 'directory', summary: `${person.displayName} left the company` });
  return { sync, groupSyncs };
}

/** The first failure among the outcomes of an action; null = everything the target had to hear, it took. */
export function firstFailure(result: ActionResult): SyncOutcome | null {
  return [result.sync, ...result.groupSyncs].find((outcome) => outcome !== null && !outcome.ok) ?? null;
}

async function pushPerson(context: DemoIdpContext, person: Person, action: string): Promise<ActionResult> {
  const sync = await context.provisioner.syncPerson(person, action);
  if (sync?.ok !== true || !isEntitled(person)) return { sync, groupSyncs: [] };
  // Somebody who was unknown to the target could not be named in its groups before; else nothing is sent.
  return { sync, groupSyncs: await pushGroups(context, context.directory.groupsOf(person), 'add-member') };
}

async function pushGroups(context: DemoIdpContext, groups: readonly Group[], action: string): Promise<SyncOutcome[]> {
  const outcomes: SyncOutcome[] = [];
  for (const group of groups) {
    const outcome = await context.provisioner.syncGroup(group, action);
    if (outcome !== null) outcomes.push(outcome);
  }
  return outcomes;
}
