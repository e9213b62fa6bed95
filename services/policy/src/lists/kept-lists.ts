import type { WholeList } from './list.ts';

/** How long the pages of a list can be had, counted from its first one. */
export const KEPT_FOR_MS = 5 * 60_000;
/** Lists kept for one organisation, so that nobody takes the memory of all. */
export const MAX_KEPT_PER_ORGANIZATION = 8;
/** Items kept for all organisations together. */
export const MAX_KEPT_ITEMS = 1_000_000;

interface Kept {
  readonly orgId: string;
  readonly list: WholeList<unknown>;
  readonly untilMs: number;
}

/** Answers of which somebody has not read all pages yet. The oldest give way; their cursors say that they expired. */
export class KeptLists {
  /** In the order they came. */
  readonly #kept = new Map<string, Kept>();
  #items = 0;

  find(key: string, monotonicMs: number): WholeList<unknown> | undefined {
    const kept = this.#kept.get(key);
    return kept === undefined || monotonicMs >= kept.untilMs ? undefined : kept.list;
  }

  put(key: string, orgId: string, list: WholeList<unknown>, monotonicMs: number): void {
    this.#drop(key);
    for (const [each, { untilMs }] of this.#kept) if (monotonicMs >= untilMs) this.#drop(each);
    const ofOrganization = [...this.#kept].filter(([, kept]) => kept.orgId === orgId);
    for (const [each] of ofOrganization.slice(0, Math.max(0, ofOrganization.length + 1 - MAX_KEPT_PER_ORGANIZATION)))
      this.#drop(each);
    this.#kept.set(key, { orgId, list, untilMs: monotonicMs + KEPT_FOR_MS });
    this.#items += list.items.length;
    for (const each of this.#kept.keys()) {
      if (this.#items <= MAX_KEPT_ITEMS || each === key) break;
      this.#drop(each);
    }
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#items -= kept.list.items.length;
  }
}
