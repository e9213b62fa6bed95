import type { Directory } from './directory/directory.ts';
import { isEntitled, type Person } from './directory/people.ts';
import { DemoIdpError } from './errors.ts';
import type { Behavior } from './state/state.ts';

/** True when this identity provider would let the person in now (always, while it plays a slow one). */
export function maySignIn(person: Person, behavior: Behavior): boolean {
  return behavior.inactiveMaySignIn || isEntitled(person);
}

/** The person a sign-in names, if they may sign in. @throws PERSON_UNKNOWN, PERSON_INACTIVE */
export function personSigningIn(directory: Directory, reference: string, behavior: Behavior): Person {
  const person = directory.getPerson(reference);
  if (!maySignIn(person, behavior)) {
    const why = person.active ? 'is not assigned to this application' : 'is deactivated';
    throw new DemoIdpError('PERSON_INACTIVE', `${person.displayName} ${why} and cannot sign in.`);
  }
  return person;
}
