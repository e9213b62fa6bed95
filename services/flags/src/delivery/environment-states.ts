import { AppError } from '@sallyport/errors';
import type { Database } from '@sallyport/storage';
import type { Logger } from '@sallyport/telemetry';

import { EnvironmentState } from './environment-state.ts';
import { currentVersions, readDelta } from './store.ts';

interface Entry {
  readonly orgId: string;
  readonly state: EnvironmentState;
}

/**
 * The environments somebody has asked for, kept current in memory.
 *
 * What was loaded keeps being served when the database cannot be reached: an application gets the last known good
 * configuration, never none. A change is loaded by itself, not the set it belongs to.
 */
export class EnvironmentStates {
  readonly #db: Database;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<EnvironmentState>>();
  readonly #refreshing = new Map<string, Promise<void>>();

  constructor(db: Database, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
  }

  /** The state of an environment; loads it at its first use. @throws UNAVAILABLE when it is not there and cannot be */
  async get(orgId: string, environmentId: string): Promise<EnvironmentState> {
    const known = this.#entries.get(environmentId);
    if (known !== undefined) return known.state;
    const loading = this.#loading.get(environmentId) ?? this.#load(orgId, environmentId);
    this.#loading.set(environmentId, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(environmentId);
    }
  }

  /** Brings an environment that is in memory up to date; concurrent calls share the work. Never throws. */
  async refresh(environmentId: string): Promise<void> {
    const entry = this.#entries.get(environmentId);
    if (entry === undefined) return;
    // One after the other: a refresh that began before a commit may have read before it.
    const previous = this.#refreshing.get(environmentId) ?? Promise.resolve();
    const run = previous.then(async () => {
      await this.#advance(environmentId, entry);
    });
    this.#refreshing.set(environmentId, run);
    await run;
    if (this.#refreshing.get(environmentId) === run) this.#refreshing.delete(environmentId);
  }

  /** Told by a notification: refreshes unless that version (or a later one) is in memory already. */
  async notified(environmentId: string, version: bigint): Promise<void> {
    const entry = this.#entries.get(environmentId);
    if (entry !== undefined && entry.state.version < version) await this.refresh(environmentId);
  }

  /** Compares every version in memory with the database: notifications are hints and may be lost. */
  async check(): Promise<void> {
    const ids = [...this.#entries.keys()];
    if (ids.length === 0) return;
    const versions = await this.#db.readAcrossOrganizations(
      'versions of the environments in memory',
      async (tx) => await currentVersions(tx, ids),
    );
    for (const [environmentId, version] of versions) await this.notified(environmentId, version);
  }

  async #load(orgId: string, environmentId: string): Promise<EnvironmentState> {
    const state = new EnvironmentState();
    const delta = await this.#db.read(orgId, async (tx) => await readDelta(tx, orgId, environmentId, -1n));
    if (delta === undefined) throw new AppError('NOT_FOUND', 'There is no such environment.');
    state.apply(delta);
    this.#entries.set(environmentId, { orgId, state });
    return state;
  }

  async #advance(environmentId: string, { orgId, state }: Entry): Promise<void> {
    try {
      const { version } = state;
      const delta = await this.#db.read(orgId, async (tx) => await readDelta(tx, orgId, environmentId, version));
      if (delta !== undefined) state.apply(delta);
    } catch (error) {
      this.#logger.warn({ err: error, environmentId }, 'the last known good configuration is served on');
    }
  }
}
