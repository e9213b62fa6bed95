import { newId } from '@sallyport/storage';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { Actor, Question, ReferenceEngine, Verdict } from '../decide/index.ts';
import { PERMISSION_NAMES, type OrganizationIndex, type RoleDefinition } from '../model/index.ts';
import { CasbinDecisions } from './casbin-decisions.ts';
import { changeEngine, type ChangeEngineDependencies } from './change-engine.ts';

export interface ShadowOptions extends ChangeEngineDependencies {
  readonly roles: readonly RoleDefinition[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** One decision in so many is asked of Casbin too; 0: none. */
  readonly every: number;
}

interface Observed {
  readonly index: OrganizationIndex;
  readonly question: Question;
  readonly isAllowed: boolean;
}

/** What waits to be compared; beyond it decisions are not looked at, so that comparing never piles up. */
const MAX_WAITING = 256;

/**
 * The live shadow: one decision in so many is asked of Casbin as well, off the path of requests. Where the two differ,
 * Casbin decides for the organisation from that moment on: here at once, everywhere when it is recorded.
 */
export class Shadow implements ReferenceEngine {
  readonly #options: ShadowOptions;
  readonly #casbin: CasbinDecisions;
  readonly #waiting: Observed[] = [];
  /** Organisations for which the two differed and which are not recorded yet. */
  readonly #distrusted = new Set<string>();
  readonly #compared;
  readonly #skipped;
  #until: number;
  #running: Promise<void> | null = null;

  constructor(options: ShadowOptions) {
    this.#options = options;
    this.#until = options.every;
    this.#casbin = new CasbinDecisions(options.roles);
    this.#compared = options.metrics.counter({
      name: 'shadow_decisions_total',
      help: 'Decisions of the index that Casbin was asked too, by result; different must be 0',
      labels: ['result'],
    });
    this.#skipped = options.metrics.counter({
      name: 'shadow_skipped_total',
      help: 'Decisions that were to be compared and were not, because too many waited',
    });
    for (const result of ['same', 'different', 'failed']) this.#compared.inc({ result }, 0);
  }

  decides(index: OrganizationIndex): boolean {
    return index.engine === 'casbin' || (this.#distrusted.size > 0 && this.#distrusted.has(index.orgId));
  }

  async prepare(index: OrganizationIndex, actor: Actor): Promise<void> {
    await this.#casbin.prepare(index, actor);
  }

  verdict(index: OrganizationIndex, question: Question): Verdict | null {
    return this.#casbin.verdict(index, question);
  }

  observe(index: OrganizationIndex, question: Question, verdict: Verdict): void {
    if (this.#options.every === 0 || (this.#until -= 1) > 0) return;
    this.#until = this.#options.every;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#skipped.inc();
      return;
    }
    this.#waiting.push({ index, question, isAllowed: verdict.kind === 'allowed' });
    this.#running ??= this.#drain().finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when everything observed so far is compared. */
  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #drain(): Promise<void> {
    for (;;) {
      // Never in the turn of the request, and one at a time.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      const observed = this.#waiting.shift();
      if (observed === undefined) return;
      await this.#compare(observed);
    }
  }

  async #compare(observed: Observed): Promise<void> {
    const { index, question, isAllowed } = observed;
    try {
      await this.#casbin.prepare(index, question.actor);
      const verdict = this.#casbin.verdict(index, question);
      const isSame = verdict !== null && (verdict.kind === 'allowed') === isAllowed;
      this.#compared.inc({ result: isSame ? 'same' : 'different' });
      if (!isSame) await this.#distrust(observed);
    } catch (error) {
      this.#compared.inc({ result: 'failed' });
      this.#options.logger.error({ err: error, orgId: index.orgId }, 'the shadow could not compare');
    }
  }

  async #distrust({ index, question, isAllowed }: Observed): Promise<void> {
    const { orgId, revision } = index;
    const { actor, permission, target, nowMs } = question;
    const decision = {
      index: isAllowed ? 'allow' : 'deny',
      casbin: isAllowed ? 'deny' : 'allow',
      subjectType: actor.type,
      subjectId: actor.id,
      permission: PERMISSION_NAMES[permission] ?? '',
      ...target,
      at: new Date(nowMs).toISOString(),
      grantsRevision: String(revision),
    };
    this.#distrusted.add(orgId);
    this.#options.logger.error({ orgId, decision }, 'index and Casbin differ: Casbin decides until it is reset');
    const context = { orgId, actor: { type: 'system', id: 'policy' }, requestId: newId() } as const;
    await changeEngine(this.#options, context, { engine: 'casbin', reason: 'SHADOW_MISMATCH', decision });
    // From here on the snapshot says so itself, and a reset is one for everybody.
    this.#distrusted.delete(orgId);
  }
}
