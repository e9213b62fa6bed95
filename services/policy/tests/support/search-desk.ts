import { newId } from '@sallyport/storage';

import { AuthzenDesk, type SEARCH, type Json } from './authzen-desk.ts';
import type { World } from './world.ts';

export interface Found {
  readonly page?: { readonly next_token: string; readonly count: number; readonly total: number };
  readonly context?: Json;
  readonly results: readonly Json[];
}

export const idsOf = ({ results }: Found): readonly unknown[] => results.map(({ id }) => id);

/** An organisation with people to be found. */
export class SearchDesk {
  readonly desk: AuthzenDesk;
  /** A group that develops. */
  readonly groupId = newId();
  /** Active ones; there is one more who is not. */
  readonly members: readonly string[] = Array.from({ length: 6 }, () => newId());
  readonly viewer = newId();
  /** A service account that releases. */
  readonly robot = newId();

  private constructor(desk: AuthzenDesk) {
    this.desk = desk;
  }

  static async open(world: World): Promise<SearchDesk> {
    const desk = await AuthzenDesk.open(world);
    const found = new SearchDesk(desk);
    const { groupId, members, viewer, robot } = found;
    const { orgId, projectId } = desk.org;
    const everybody = [
      ...members.map((subjectId) => ({ subjectId, groupIds: [groupId] })),
      { subjectId: newId(), groupIds: [groupId], active: false },
      { subjectId: viewer },
      { subjectId: robot, type: 2 as const },
    ];
    await world.applied(orgId, world.identity.commit(orgId, everybody, [{ groupId, displayName: 'Developers' }]));
    const scope = { projectId };
    await world.grant(desk.org, { subject: { type: 'group', id: groupId }, role: 'developer', scope });
    await world.grant(desk.org, { subject: { type: 'user', id: viewer }, role: 'viewer', scope });
    await world.grant(desk.org, { subject: { type: 'service_account', id: robot }, role: 'release_manager', scope });
    return found;
  }

  /** Users who may toggle in staging: the members, the Developer and the Owner. */
  whoToggles(changes: Json = {}): Json {
    return {
      subject: { type: 'user' },
      action: { name: 'flag:toggle' },
      resource: this.desk.flag('staging'),
      ...changes,
    };
  }

  /** Environments where the Developer may toggle: staging. */
  whereToggled(changes: Json = {}): Json {
    const { desk } = this;
    return { subject: desk.subject(), action: { name: 'flag:toggle' }, resource: { type: 'environment' }, ...changes };
  }

  /** What the Developer may in staging. */
  whatMay(changes: Json = {}): Json {
    return { subject: this.desk.subject(), resource: this.desk.flag('staging'), ...changes };
  }

  async search(path: (typeof SEARCH)[keyof typeof SEARCH], body: Json): Promise<Found> {
    return (await this.desk.answered(path, body)) as unknown as Found;
  }
}
