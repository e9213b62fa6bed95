import type { Answer } from '@sallyport/dev-env/actors';

/** How a write ended, as its sender can know: only the first two say what is true now. */
export type Outcome = 'acknowledged' | 'refused' | 'unknown';

export const KINDS = ['account', 'membership', 'grant', 'flag'] as const;
export type Kind = (typeof KINDS)[number];

/** A write: afterwards the register of this name holds this value. */
export interface Write {
  readonly kind: Kind;
  readonly register: string;
  readonly value: string;
}

interface Register {
  /** The value of the last write that was acknowledged. */
  settled: string;
  /** Values of later writes nobody knows the end of. */
  readonly open: Set<string>;
}

/** Nothing was ever acknowledged. */
export const ABSENT = 'absent';

/**
 * What was asked for and what was answered. Every register has one writer, who waits for each answer: so what is there
 * in the end is the last acknowledged value or one whose answer was lost afterwards; and never one that was refused.
 */
export class History {
  readonly #registers = new Map<string, Register>();
  readonly #acknowledged = new Map<Kind, number>();
  readonly refusals: string[] = [];

  /** Sends a write and notes how it ended. A 5xx or a broken connection says nothing about what has happened. */
  async send({ kind, register, value }: Write, request: () => Promise<Answer>): Promise<[Outcome, Answer | null]> {
    const entry = this.#registers.get(register) ?? { settled: ABSENT, open: new Set() };
    this.#registers.set(register, entry);
    entry.open.add(value);
    const answer = await request().catch(() => null);
    if (answer === null || answer.status >= 500) return ['unknown', answer];
    if (answer.status >= 400) {
      entry.open.delete(value);
      this.refusals.push(`${register} = ${value}: ${String(answer.status)} ${String(answer.body['detail'])}`);
      return ['refused', answer];
    }
    entry.settled = value;
    entry.open.clear();
    this.#acknowledged.set(kind, this.acknowledged(kind) + 1);
    return ['acknowledged', answer];
  }

  acknowledged(kind: Kind): number {
    return this.#acknowledged.get(kind) ?? 0;
  }

  get acknowledgedInAll(): number {
    return KINDS.reduce((sum, kind) => sum + this.acknowledged(kind), 0);
  }

  /** Registers that hold something else than they may; empty when nothing was lost and nothing is there by half. */
  violations(truth: ReadonlyMap<string, string>): string[] {
    return [...this.#registers].flatMap(([name, { settled, open }]) => {
      const found = truth.get(name) ?? ABSENT;
      if (found === settled || open.has(found)) return [];
      return [`${name} is ${found}; acknowledged ${settled}, unknown ${[...open].join(' or ')}`];
    });
  }
}
