import type { DemoIdpContext } from '../context.ts';
import { type Group, immutableId, type Person } from '../directory/people.ts';
import type { Behavior, ScimProfile, SyncOutcome } from '../state/state.ts';

/** A person as the control API and the page show them. */
export interface PersonView {
  /** The immutable id at the flavour being played: SCIM externalId, OIDC sub, SAML NameID. */
  readonly id: string;
  readonly key: string;
  readonly ids: { readonly okta: string; readonly entra: string };
  readonly userName: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly displayName: string;
  readonly email: string;
  readonly active: boolean;
  readonly assigned: boolean;
  readonly groups: readonly { readonly key: string; readonly name: string }[];
  /** Id at the provisioning target; null = not provisioned (as far as known). */
  readonly scimId: string | null;
  readonly lastSync: SyncOutcome | null;
}

/** A group as the control API and the page show it. */
export interface GroupView {
  readonly id: string;
  readonly key: string;
  readonly ids: { readonly okta: string; readonly entra: string };
  readonly name: string;
  readonly members: readonly string[];
  readonly scimId: string | null;
  readonly lastSync: SyncOutcome | null;
}

/** Targets and behaviour without their secrets. */
export interface TargetsView {
  readonly flavor: string;
  readonly scim: { readonly baseUrl: string; readonly profile: ScimProfile | null } | null;
  readonly saml: { readonly spEntityId: string; readonly acsUrl: string; readonly spMetadataUrl: string | null } | null;
  readonly oidc: { readonly clientId: string; readonly redirectUris: readonly string[] } | null;
  readonly behavior: Readonly<Behavior>;
}

export function personView({ directory, store }: DemoIdpContext, person: Person): PersonView {
  const { key, userName, givenName, familyName, displayName, email, active, assigned } = person;
  return {
    id: immutableId(person, directory.flavor),
    key,
    ids: { okta: person.oktaId, entra: person.entraId },
    userName,
    givenName,
    familyName,
    displayName,
    email,
    active,
    assigned,
    groups: directory.groupsOf(person).map((group) => ({ key: group.key, name: group.name })),
    scimId: store.state.ledger.users[key]?.scimId ?? null,
    lastSync: store.state.outcomes[`person:${key}`] ?? null,
  };
}

export function groupView({ directory, store }: DemoIdpContext, group: Group): GroupView {
  return {
    id: immutableId(group, directory.flavor),
    key: group.key,
    ids: { okta: group.oktaId, entra: group.entraId },
    name: group.name,
    members: [...group.members],
    scimId: store.state.ledger.groups[group.key]?.scimId ?? null,
    lastSync: store.state.outcomes[`group:${group.key}`] ?? null,
  };
}

export function targetsView({ store }: DemoIdpContext): TargetsView {
  const { targets, behavior, flavor } = store.state;
  const { scim, saml, oidc } = targets;
  return {
    flavor,
    scim: scim === null ? null : { baseUrl: scim.baseUrl, profile: scim.profile },
    saml: saml === null ? null : { ...saml },
    oidc: oidc === null ? null : { clientId: oidc.clientId, redirectUris: [...oidc.redirectUris] },
    behavior: { ...behavior },
  };
}
