import { join } from 'node:path';
import { z } from 'zod';
import { readJsonIfThere, writePrivateFile } from '../files.ts';

const recordSchema = z.strictObject({
  /** The organisation this record belongs to; another one in the database makes it worthless. */
  orgId: z.string(),
  /** Addresses the demo connection was set up with. */
  origin: z.string().optional(),
  idpUrl: z.string().optional(),
  connectionId: z.string().optional(),
  oidcClientSecret: z.string().optional(),
  scimToken: z.string().optional(),
  decisionToken: z.string().optional(),
  environmentKeys: z.record(z.string(), z.string()).optional(),
  /** Everything is there. */
  complete: z.boolean().optional(),
});

/** What seeding has got done, and the secrets that are shown only once. */
export type SeedRecord = z.output<typeof recordSchema>;

/** The record kept in a state directory (0600), written after each step, so that an interrupted seeding goes on. */
export interface SeedProgress {
  readonly record: Readonly<SeedRecord>;
  note(changes: Partial<SeedRecord>): void;
}

/** Opens the record; one of another organisation (a new database under an old state directory) is dropped. */
export function openSeedProgress(stateDir: string, orgId: string): SeedProgress {
  const file = join(stateDir, 'seed.json');
  const found = recordSchema.safeParse(readJsonIfThere(file)).data;
  const progress = { record: found?.orgId === orgId ? found : { orgId } };
  return {
    get record() {
      return progress.record;
    },
    note(changes) {
      progress.record = { ...progress.record, ...changes };
      writePrivateFile(file, `${JSON.stringify(progress.record, undefined, 2)}\n`);
    },
  };
}
