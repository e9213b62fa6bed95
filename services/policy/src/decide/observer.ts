import type { OrganizationIndex, Place } from '../model/index.ts';
import type { Decision, DecisionRequest } from './decision.ts';

/** Who asked for a decision, and within which request. */
export interface Asker {
  /**
   * `service`: a service of the deployment over gRPC; `decision-token`: an enforcement point over AuthZEN; `api`: our own
   * admin API, for whoever is signed in there; `account`: somebody who asks about somebody. `listing`: nobody tries
   * anything, a list is made of what may be seen: such answers are counted, not recorded.
   */
  readonly kind: 'service' | 'decision-token' | 'api' | 'account' | 'listing';
  /** Name of the service, id of the token or of the account. */
  readonly id: string;
  /** The request this belongs to, everywhere in the deployment. */
  readonly requestId: string;
}

/** What a decision was made from, for whoever keeps a record of it. */
export interface Made {
  readonly index: OrganizationIndex | undefined;
  /** Where, once that was found; undefined for most denials. */
  readonly place: Place | undefined;
  /** When it was asked for: monotonic, and ms since 1970. */
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** What is known of a question when it was refused before it was one. */
export type Refused = Pick<DecisionRequest, 'orgId'> & Partial<DecisionRequest>;

/** Told of every decision right after it was made. Returns at once and never throws: the answer waits for it. */
export interface DecisionObserver {
  decided(request: Refused, decision: Decision, made: Made): void;
}

/** Nobody keeps a record. */
export const NO_OBSERVER: DecisionObserver = Object.freeze({ decided: () => undefined });
