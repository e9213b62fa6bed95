import fc from 'fast-check';

import { newDirectory } from '../../support/http.ts';
import { newOrganization, type TestIdentity } from '../../support/identity.ts';
import { Player } from './player.ts';
import { step } from './steps.ts';
import type { Tally } from './tally.ts';

const STEPS = 120;
/** Worlds that are played at the same time, so that neither processor waits. */
const WORLDS = 3;

/** Two connections of one organisation, and one of another. */
const newWorld = async (identity: TestIdentity, tally: Tally): Promise<Player> => {
  const [near, far] = [await newOrganization(identity), await newOrganization(identity)];
  const directories = [
    await newDirectory(identity, near, 'Okta'),
    await newDirectory(identity, near, 'Entra'),
    await newDirectory(identity, far),
  ];
  return new Player(
    directories.map(({ scim }) => scim),
    tally,
  );
};

/** Plays random sequences until that many operations were judged; throws at the first disagreement. */
export const playUntil = async (
  identity: TestIdentity,
  { operations, seed, tally }: { readonly operations: number; readonly seed: number; readonly tally: Tally },
): Promise<void> => {
  const sequence = fc.array(step, { minLength: STEPS, maxLength: STEPS, size: 'max' });
  for (let round = 0; tally.operations < operations; round += 1) {
    const worlds = fc.sample(sequence, { seed: seed + round, numRuns: WORLDS });
    await Promise.all(
      worlds.map(async (steps) => {
        const player = await newWorld(identity, tally);
        for (const next of steps) await player.play(next);
        await player.listEverything();
      }),
    );
  }
};
