import type { Flavor } from '../config.ts';

/** A person of the demo company, with the immutable id each kind of identity provider would have given. */
export interface Person {
  /** Short name used in URLs and scripts, unique: `dana`. */
  readonly key: string;
  readonly oktaId: string;
  readonly entraId: string;
  givenName: string;
  familyName: string;
  displayName: string;
  userName: string;
  email: string;
  /** May sign in anywhere. */
  active: boolean;
  /** Assigned to the application: unassigned people are not provisioned and cannot sign in to it. */
  assigned: boolean;
}

/** A group of the demo company; members are person keys. */
export interface Group {
  readonly key: string;
  readonly oktaId: string;
  readonly entraId: string;
  name: string;
  members: string[];
}

/** The id that never changes for this person or group at the identity provider being played. */
export function immutableId(entity: Person | Group, flavor: Flavor): string {
  return flavor === 'okta' ? entity.oktaId : entity.entraId;
}

/** True when the person may use the application: active in the directory and assigned to it. */
export function isEntitled(person: Person): boolean {
  return person.active && person.assigned;
}

const SEED_PEOPLE = [
  { key: 'dana', name: ['Dana', 'Developer'], oktaId: '00u1d4n4dev3l0per5d7' },
  { key: 'ravi', name: ['Ravi', 'Release'], oktaId: '00u2r4v1rel3ase6m5d7' },
  { key: 'rosa', name: ['Rosa', 'Reviewer'], oktaId: '00u3r0s4rev1ewer7kd7' },
  { key: 'paula', name: ['Paula', 'Admin'], oktaId: '00u4p4ul4adm1n8pq5d7' },
  { key: 'otto', name: ['Otto', 'Auditor'], oktaId: '00u5ott0aud1tor9rs5d' },
  { key: 'vera', name: ['Vera', 'Viewer'], oktaId: '00u6v3ra1viewer0tu5d' },
  { key: 'zoe', name: ['Zoë', 'Özdemir'], oktaId: '00u7z0e2ozdem1r1vw5d' },
  { key: 'nils', name: ['Nils', 'Newcomer'], oktaId: '00u8n1ls3newc0mer2xd' },
] as const;

const SEED_GROUPS = [
  { key: 'developers', name: 'Developers', oktaId: '00g1dev3l0pers6q5d7a', members: ['dana', 'zoe'] },
  { key: 'release-managers', name: 'Release Managers', oktaId: '00g2rel3asem4nag3rs7', members: ['ravi', 'rosa'] },
  { key: 'project-admins', name: 'Project Admins', oktaId: '00g3pr0jectadm1ns5d7', members: ['paula'] },
  { key: 'auditors', name: 'Auditors', oktaId: '00g4aud1t0rs9x8y75d7', members: ['otto'] },
  { key: 'viewers', name: 'Viewers', oktaId: '00g5v1ewers8z7y6x5d7', members: ['vera', 'nils'] },
] as const;

/** Everybody but the newcomer, who is there to be assigned while somebody watches. */
const UNASSIGNED_AT_FIRST = 'nils';

/** The people a fresh demo starts with; ids are fixed so that a restart without state is the same company. */
export function seedPeople(): Person[] {
  return SEED_PEOPLE.map(({ key, name: [givenName, familyName], oktaId }, index) => ({
    key,
    oktaId,
    entraId: `3f1c2a58-7a0e-4c0b-9a41-0d5f6b1e000${String(index + 1)}`,
    givenName,
    familyName,
    displayName: `${givenName} ${familyName}`,
    userName: `${key}@acme.example`,
    email: `${key}@acme.example`,
    active: true,
    assigned: key !== UNASSIGNED_AT_FIRST,
  }));
}

/** The groups of a fresh demo; Ravi and Rosa share one so that one can approve what the other asks for. */
export function seedGroups(): Group[] {
  return SEED_GROUPS.map(({ key, name, oktaId, members }, index) => ({
    key,
    oktaId,
    entraId: `9b7e4d10-52c3-4b8f-8e66-41a7c9de000${String(index + 1)}`,
    name,
    members: [...members],
  }));
}
