import type { SubjectStanding } from '@sallyport/subject-feed';

import { DecisionPoint, type DecisionKnowledge, type Known } from '../../src/decide/check.ts';
import { createLists, type Lists } from '../../src/lists/index.ts';
import type { OrganizationIndex } from '../../src/model/compile.ts';

/** Time that passes only when a test says so. */
export class Hands {
  wallMs = 5;
  #monotonicMs = 0;
  now(): Date {
    return new Date(this.wallMs);
  }
  monotonicMs(): number {
    return this.#monotonicMs;
  }
  pass(ms: number): void {
    this.wallMs += ms;
    this.#monotonicMs += ms;
  }
}

export interface Desk {
  readonly clock: Hands;
  readonly known: { -readonly [K in keyof Known]: Known[K] } & { readonly subjects: Map<string, SubjectStanding> };
  readonly knowledge: DecisionKnowledge;
  readonly point: DecisionPoint;
  readonly lists: Lists;
  move(position: bigint): void;
}

/** Lists and decisions on the same knowledge, which a test can change under them. */
export const deskOf = (index: OrganizationIndex, standing: ReadonlyMap<string, SubjectStanding>): Desk => {
  const clock = new Hands();
  const subjects = new Map(standing);
  const view = { position: 7n, subjects };
  const known = { index, standing: view, standingMs: 500, grantsMs: 500, subjects };
  const knowledge: DecisionKnowledge = {
    look: (orgId) => (orgId === index.orgId ? known : { ...known, index: undefined, standing: undefined }),
  };
  const point = new DecisionPoint({ knowledge, clock });
  const move = (position: bigint): void => {
    view.position = position;
  };
  return { clock, known, knowledge, point, lists: createLists({ knowledge, clock }), move };
};
