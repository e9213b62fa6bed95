/**
 * Roles given to somebody who was removed since. The identity service may bring the same subject back (its directory
 * provisions it again); what it was given in an earlier life must not come back with it.
 *
 * Owns: which grants those are, and ending them. Until they are ended, decisions about the subject are refused
 * (decide/check.ts). Does not own: denials, which stay: they open nothing.
 */
import type { AuditLog } from '@sallyport/audit';
import { newId } from '@sallyport/storage';
import type { AppliedStep, Standing } from '@sallyport/subject-feed';
import type { Logger } from '@sallyport/telemetry';

import { holdsOutlived } from '../decide/index.ts';
import { takeRevision } from './change-grants.ts';
import { describeGrant } from './grant.ts';
import type { GrantKnowledge } from './knowledge.ts';
import { deleteOutlived, lockHead } from './store.ts';

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;

export interface OutlivedOptions {
  readonly audit: AuditLog;
  readonly standing: Standing;
  readonly knowledge: Pick<GrantKnowledge, 'organization' | 'settled'>;
  readonly logger: Logger;
}

/** Ends outlived grants as their subjects become known, with an entry in the audit log for each. */
export class OutlivedGrants {
  readonly #options: OutlivedOptions;
  readonly #waiting = new Map<string, { readonly orgId: string; readonly subjectId: string }>();
  #running: Promise<void> | null = null;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_FIRST_MS;
  #isClosed = false;

  constructor(options: OutlivedOptions) {
    this.#options = options;
  }

  /** Looks at everybody a step of the subject log told of; returns at once. */
  note(step: AppliedStep): void {
    if (step.kind === 'entry') for (const { subjectId } of step.subjects) this.look(step.orgId, subjectId);
    else if (step.kind === 'state') this.lookAtAll(step.orgId);
  }

  /** Looks at everybody who was given a role of their own. */
  lookAtAll(orgId: string): void {
    const index = this.#options.knowledge.organization(orgId);
    if (index === undefined) return;
    for (const type of ['user', 'service_account'] as const)
      for (const subjectId of index.subjects[type].keys()) this.look(orgId, subjectId);
  }

  /** Ends what this subject has outlived, if anything. */
  look(orgId: string, subjectId: string): void {
    const standing = this.#options.standing.find(orgId, subjectId);
    const index = this.#options.knowledge.organization(orgId);
    if (this.#isClosed || standing === undefined || index === undefined) return;
    if (!holdsOutlived(index, subjectId, standing)) return;
    this.#waiting.set(`${orgId} ${subjectId}`, { orgId, subjectId });
    this.#start();
  }

  /** Takes no more work and waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    await this.#running;
  }

  #start(): void {
    if (this.#running !== null || this.#retry !== undefined) return;
    this.#running = this.#drain()
      .then(
        () => {
          this.#retryMs = RETRY_FIRST_MS;
        },
        (error: unknown) => {
          // Nothing opens meanwhile: decisions about these subjects are refused until it is done.
          this.#options.logger.warn({ err: error }, 'outlived grants could not be ended; it is tried again');
          this.#retryLater();
        },
      )
      .finally(() => {
        this.#running = null;
        if (this.#waiting.size > 0 && !this.#isClosed) this.#start();
      });
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#start();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  async #drain(): Promise<void> {
    for (const [key, { orgId, subjectId }] of this.#waiting) {
      if (this.#isClosed) return;
      await this.#end(orgId, subjectId);
      this.#waiting.delete(key);
    }
    await this.#options.knowledge.settled();
  }

  async #end(orgId: string, subjectId: string): Promise<void> {
    const removedEpoch = this.#options.standing.find(orgId, subjectId)?.removedEpoch;
    if (removedEpoch === undefined) return;
    const context = { orgId, actor: { type: 'system', id: 'policy' }, requestId: newId() } as const;
    await this.#options.audit.mutate(context, async (tx) => {
      await lockHead(tx, orgId);
      const ended = await deleteOutlived(tx, orgId, { subjectId, removedEpoch });
      if (ended.length === 0) {
        // Another replica was first.
        tx.unchanged();
        return;
      }
      await takeRevision(tx);
      for (const grant of ended)
        tx.record({
          action: 'grant.ended',
          target: { type: 'grant', id: grant.grantId },
          before: describeGrant(grant),
          reason: 'SUBJECT_REMOVED',
        });
    });
  }
}
