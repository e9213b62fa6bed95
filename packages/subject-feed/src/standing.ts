/** What the subject log says about one subject. */
export interface SubjectStanding {
  readonly type: 'user' | 'service_account';
  readonly active: boolean;
  readonly epoch: bigint;
  /** Without duplicates; identity resolves nesting before it sends. */
  readonly groupIds: readonly string[];
  /** The epoch of the last removal; absent: never. What was given to the subject up to then is void for ever. */
  readonly removedEpoch?: bigint;
}

/** One change of one subject as applied; `standing` null means that nothing is known about it (it is denied). */
export interface SubjectChange {
  readonly subjectId: string;
  readonly standing: SubjectStanding | null;
}

/** One change of one group; `displayName` null means that it is gone. */
export interface GroupChange {
  readonly groupId: string;
  readonly displayName: string | null;
}

/** Everything one organisation's log says, at one position. */
export interface StandingState {
  readonly position: bigint;
  readonly logId: string;
  readonly subjects: readonly SubjectChange[];
  readonly groups: readonly GroupChange[];
}

/** What is known of one organisation, as it is at this moment: it changes under whoever keeps it. */
export interface StandingView {
  readonly position: bigint;
  readonly stale: boolean;
  readonly subjects: ReadonlyMap<string, SubjectStanding>;
}

interface OrganizationStanding {
  position: bigint;
  stale: boolean;
  readonly subjects: Map<string, SubjectStanding>;
  readonly groups: Map<string, string>;
  /** group → subjects, for rules that look at a group as a whole. */
  readonly members: Map<string, Set<string>>;
}

const emptyOrganization = (): OrganizationStanding => ({
  position: 0n,
  stale: false,
  subjects: new Map(),
  groups: new Map(),
  members: new Map(),
});

const addMember = (members: Map<string, Set<string>>, groupId: string, subjectId: string): void => {
  const set = members.get(groupId);
  if (set === undefined) members.set(groupId, new Set([subjectId]));
  else set.add(subjectId);
};

/**
 * The memory of who is who: subject → {active, epoch, groups}, per organisation, with the position it stands at.
 *
 * Changes only by applying entries in order or by loading a state whole; the replica decides which. A stale
 * organisation keeps what it knew but must not be decided for.
 */
export class Standing {
  readonly #organizations = new Map<string, OrganizationStanding>();

  organizationIds(): readonly string[] {
    return [...this.#organizations.keys()];
  }

  /** Applied position; 0 when nothing is known. */
  position(orgId: string): bigint {
    return this.#organizations.get(orgId)?.position ?? 0n;
  }

  /** True while the organisation is being re-read. */
  isStale(orgId: string): boolean {
    return this.#organizations.get(orgId)?.stale ?? false;
  }

  /** Everything about one organisation in one look-up; to be let go of before anything is awaited. */
  view(orgId: string): StandingView | undefined {
    return this.#organizations.get(orgId);
  }

  find(orgId: string, subjectId: string): SubjectStanding | undefined {
    return this.#organizations.get(orgId)?.subjects.get(subjectId);
  }

  hasGroup(orgId: string, groupId: string): boolean {
    return this.#organizations.get(orgId)?.groups.has(groupId) === true;
  }

  /** Members of a group, active or not. */
  members(orgId: string, groupId: string): readonly string[] {
    return [...(this.#organizations.get(orgId)?.members.get(groupId) ?? [])];
  }

  markStale(orgId: string): void {
    this.#at(orgId).stale = true;
  }

  markFresh(orgId: string): void {
    this.#at(orgId).stale = false;
  }

  /** Applies one entry; the caller has checked that `position` is the next one. */
  apply(orgId: string, position: bigint, subjects: readonly SubjectChange[], groups: readonly GroupChange[]): void {
    const organization = this.#at(orgId);
    for (const change of subjects) setSubject(organization, change);
    for (const { groupId, displayName } of groups) {
      if (displayName === null) organization.groups.delete(groupId);
      else organization.groups.set(groupId, displayName);
    }
    organization.position = position;
  }

  /** Replaces everything known about the organisation; staleness stays as it is. */
  load(orgId: string, state: StandingState): void {
    const stale = this.isStale(orgId);
    this.#organizations.set(orgId, { ...emptyOrganization(), stale });
    this.apply(orgId, state.position, state.subjects, state.groups);
  }

  /** Forgets an organisation: every subject of it becomes unknown. */
  forget(orgId: string): void {
    this.#organizations.delete(orgId);
  }

  /** Everything known about an organisation, for writing it down whole. */
  state(orgId: string, logId: string): StandingState {
    const organization = this.#organizations.get(orgId) ?? emptyOrganization();
    return {
      position: organization.position,
      logId,
      subjects: [...organization.subjects].map(([subjectId, standing]) => ({ subjectId, standing })),
      groups: [...organization.groups].map(([groupId, displayName]) => ({ groupId, displayName })),
    };
  }

  #at(orgId: string): OrganizationStanding {
    const known = this.#organizations.get(orgId);
    if (known !== undefined) return known;
    const created = emptyOrganization();
    this.#organizations.set(orgId, created);
    return created;
  }
}

const setSubject = (organization: OrganizationStanding, { subjectId, standing }: SubjectChange): void => {
  for (const groupId of organization.subjects.get(subjectId)?.groupIds ?? [])
    organization.members.get(groupId)?.delete(subjectId);
  if (standing === null) {
    organization.subjects.delete(subjectId);
    return;
  }
  const groupIds = [...new Set(standing.groupIds)];
  organization.subjects.set(subjectId, { ...standing, groupIds });
  for (const groupId of groupIds) addMember(organization.members, groupId, subjectId);
};
