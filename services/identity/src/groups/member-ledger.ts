/** Whose membership is another one than before. */
export interface MembershipChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Net effect of a sequence: who was added and removed again is no change. Costs what changed, not what there is. */
export class MemberLedger {
  readonly #before = new Map<string, boolean>();
  readonly #after = new Map<string, boolean>();

  note(ids: readonly string[], isIn: boolean): void {
    for (const id of ids) {
      if (!this.#before.has(id)) this.#before.set(id, !isIn);
      this.#after.set(id, isIn);
    }
  }

  change(): MembershipChange {
    const added: string[] = [];
    const removed: string[] = [];
    for (const [id, isIn] of this.#after) if (this.#before.get(id) !== isIn) (isIn ? added : removed).push(id);
    return { added, removed };
  }
}
