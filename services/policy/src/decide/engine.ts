import type { OrganizationIndex } from '../model/index.ts';
import type { Actor, Question, Verdict } from './evaluate.ts';

/**
 * What stands beside the index: Casbin on the same rows. It looks at one decision in so many, off the path of requests,
 * and decides instead for organisations for which the two were seen to differ.
 */
export interface ReferenceEngine {
  /** True when Casbin decides for the organisation. */
  decides(index: OrganizationIndex): boolean;
  /** Makes ready what {@link ReferenceEngine.verdict} needs for this subject. */
  prepare(index: OrganizationIndex, actor: Actor): Promise<void>;
  /** Casbin's answer; null when it was not made ready for this subject and this state of the policy. */
  verdict(index: OrganizationIndex, question: Question): Verdict | null;
  /** Told of every decision of the index; returns at once. */
  observe(index: OrganizationIndex, question: Question, verdict: Verdict): void;
}

/** None: the index alone. */
export const NO_REFERENCE: ReferenceEngine = Object.freeze({
  decides: () => false,
  prepare: () => Promise.resolve(),
  verdict: () => null,
  observe: () => undefined,
});
