import fc from 'fast-check';

import { newDirectory, scimClient } from '../../support/http.ts';
import { newOrganization, type TestIdentity } from '../../support/identity.ts';
import { Player } from './player.ts';
import { step } from './steps.ts';
import type { Tally } from './tally.ts';

const STEPS = 120;
/** Worlds that are played at the same time, so that neither processor waits. */
const WORLDS = 3;

/** Two connections of one organisation, and one of another. */
const newWorld = async (arranging: TestIdentity, served: TestIdentity, tally: Tally): Promise<Player> => {
  const [near, far] = [await newOrganization(arranging), await newOrganization(arranging)];
  const directories = [
    await newDirectory(arranging, near, 'Okta'),
    await newDirectory(arranging, near, 'Entra'),
    await newDirectory(arranging, far),
  ];
  return new Player(
    directories.map(({ token }) => scimClient(served, token)),
    tally,
  );
};

export interface Play {
  /** Where organisations and connections are made. */
  readonly arranging: TestIdentity;
  /** Who is played against; default: the same. */
  readonly served?: TestIdentity;
  readonly operations: number;
  readonly seed: number;
  readonly tally: Tally;
}

/** Plays random sequences until that many operations were judged; throws at the first disagreement. */
export const playUntil = async ({ arranging, served = arranging, operations, seed, tally }: Play): Promise<void> => {
  const sequence = fc.array(step, { minLength: STEPS, maxLength: STEPS, size: 'max' });
  for (let round = 0; tally.operations < operations; round += 1) {
    const worlds = fc.sample(sequence, { seed: seed + round, numRuns: WORLDS });
    await Promise.all(
      worlds.map(async (steps) => {
        const player = await newWorld(arranging, served, tally);
        for (const next of steps) await player.play(next);
        await player.listEverything();
      }),
    );
  }
};
