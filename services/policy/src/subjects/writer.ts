import { isId, type Database } from '@sallyport/storage';
import type { AppliedStep, GroupChange, Standing, SubjectChange } from '@sallyport/subject-feed';
import type { Logger } from '@sallyport/telemetry';

import {
  deleteStanding,
  lockCursor,
  moveCursor,
  readStanding,
  writeGroups,
  writeLogId,
  writeSubjects,
  type StoredStanding,
} from './store.ts';

/** What is not yet written of one organisation: only the last state of each subject matters. */
interface Unwritten {
  /** Where the written copy must stand for these changes to complete it. */
  readonly after: bigint;
  upTo: bigint;
  readonly subjects: Map<string, SubjectChange>;
  readonly groups: Map<string, GroupChange>;
}

type Work = Unwritten | 'whole' | 'forget';

const ROWS_PER_STATEMENT = 5_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;

/**
 * Writes down what the replica applied, behind it: memory decides, the copy is for restarts. What cannot be written is
 * kept (coalesced per subject) and tried again; a copy that turns out to stand elsewhere is written whole.
 */
export class StandingWriter {
  readonly #db: Database;
  readonly #standing: Standing;
  readonly #logger: Logger;
  readonly #work = new Map<string, Work>();
  #logId: string | null = null;
  #running: Promise<void> | null = null;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_FIRST_MS;

  constructor(options: { readonly db: Database; readonly standing: Standing; readonly logger: Logger }) {
    this.#db = options.db;
    this.#standing = options.standing;
    this.#logger = options.logger;
  }

  /** What the last process wrote. A copy without a log id could be of any log; the replica forgets it at Hello. */
  async load(): Promise<StoredStanding> {
    return await this.#db.readAcrossOrganizations('standing is loaded at start', readStanding);
  }

  /** Takes note of a step; returns at once. */
  note(step: AppliedStep): void {
    if (step.kind === 'log') this.#logId = step.logId;
    // What has no UUID has no row: it can only be remembered.
    else if (isId(step.orgId)) this.#noteOrganization(step);
    this.#start();
  }

  /** Resolves when everything noted so far is written, or the database refused. */
  async flush(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#start();
    while (this.#running !== null) await this.#running;
  }

  #noteOrganization(step: Exclude<AppliedStep, { kind: 'log' }>): void {
    if (step.kind !== 'entry') {
      this.#work.set(step.orgId, step.kind === 'state' ? 'whole' : 'forget');
      return;
    }
    const known = this.#work.get(step.orgId);
    // The whole is taken from memory when it is written, this entry included; after 'forget' nothing is left to add to.
    if (known === 'whole') return;
    if (known === 'forget') {
      this.#work.set(step.orgId, 'whole');
      return;
    }
    const unwritten = known ?? newWork(step.position);
    unwritten.upTo = step.position;
    for (const change of step.subjects) unwritten.subjects.set(change.subjectId, change);
    for (const change of step.groups) unwritten.groups.set(change.groupId, change);
    this.#work.set(step.orgId, unwritten);
  }

  #start(): void {
    if (this.#running !== null || this.#retry !== undefined) return;
    this.#running = this.#drain()
      .then(
        () => {
          this.#retryMs = RETRY_FIRST_MS;
        },
        (error: unknown) => {
          this.#logger.warn({ err: error }, 'standing could not be written down; it is tried again');
          this.#retryLater();
        },
      )
      .finally(() => {
        this.#running = null;
        if (this.#hasWork()) this.#start();
      });
  }

  #hasWork(): boolean {
    return this.#work.size > 0 || this.#logId !== null;
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#start();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  async #drain(): Promise<void> {
    // A turn later, so that what one message brings is written in one transaction.
    await Promise.resolve();
    for (;;) {
      const [next] = this.#work;
      if (next === undefined) break;
      const [orgId, work] = next;
      this.#work.delete(orgId);
      try {
        await this.#write(orgId, work);
      } catch (error) {
        // Whatever was noted meanwhile is in memory too, so the whole covers both.
        this.#work.set(orgId, work === 'forget' && !this.#work.has(orgId) ? 'forget' : 'whole');
        throw error;
      }
    }
    await this.#writeLogId();
  }

  async #writeLogId(): Promise<void> {
    const logId = this.#logId;
    if (logId === null) return;
    await this.#db.unauditedWrite('all-organizations', 'cursor of the subject log', async (tx) => {
      await writeLogId(tx, logId);
    });
    if (this.#logId === logId) this.#logId = null;
  }

  async #write(orgId: string, work: Work): Promise<void> {
    await this.#db.unauditedWrite(orgId, 'copy of the subject log', async (tx) => {
      if (work === 'forget') {
        await deleteStanding(tx, orgId);
        return;
      }
      const written = work === 'whole' ? null : await lockCursor(tx, orgId);
      if (work === 'whole' || written === null || written < work.after) {
        await deleteStanding(tx, orgId);
        await lockCursor(tx, orgId);
        const state = this.#standing.state(orgId, '');
        await writeChanges(tx, orgId, state.position, state);
        return;
      }
      const changes = { subjects: [...work.subjects.values()], groups: [...work.groups.values()] };
      await writeChanges(tx, orgId, work.upTo, changes);
    });
  }
}

const newWork = (position: bigint): Unwritten => ({
  after: position - 1n,
  upTo: position,
  subjects: new Map(),
  groups: new Map(),
});

const writeChanges = async (
  tx: Parameters<typeof writeSubjects>[0],
  orgId: string,
  position: bigint,
  changes: { readonly subjects: readonly SubjectChange[]; readonly groups: readonly GroupChange[] },
): Promise<void> => {
  for (let from = 0; from < changes.subjects.length; from += ROWS_PER_STATEMENT)
    await writeSubjects(tx, orgId, position, changes.subjects.slice(from, from + ROWS_PER_STATEMENT));
  await writeGroups(tx, orgId, position, changes.groups);
  await moveCursor(tx, orgId, position);
};
