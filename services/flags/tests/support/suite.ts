import { World, type Organization } from './world.ts';

/** Where a test begins. */
export interface Place {
  readonly world: World;
  /** Nobody else's. */
  readonly org: Organization;
}

/** Hooks for a suite: one world for all of it, and for each test an organisation of its own. */
export const organizationForEachTest = (): (() => Place) => {
  let world: World;
  let org: Organization;
  before(async () => {
    world = await World.create();
  });
  beforeEach(async () => {
    org = await world.organization();
  });
  after(async () => {
    await world.dispose();
  });
  return () => ({ world, org });
};
