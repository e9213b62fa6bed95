/** What a run came to, counted in operations: each operation of a PATCH is one. */
export class Tally {
  operations = 0;
  requests = 0;
  exact = 0;
  readonly refused = new Map<string, number>();

  note(operations: number, word: string | undefined): void {
    this.operations += operations;
    this.requests += 1;
    if (word === undefined) this.exact += operations;
    else this.refused.set(word, (this.refused.get(word) ?? 0) + operations);
  }

  /** One line; the number of silent successes is how many of them a run survives: none. */
  print(): string {
    const refusals = [...this.refused].sort(([left], [right]) => (left < right ? -1 : 1));
    return [
      `${String(this.operations)} operations in ${String(this.requests)} requests`,
      `${String(this.exact)} with their exact effect`,
      ...refusals.map(([word, count]) => `${String(count)} refused ${word}`),
      '0 silent successes',
    ].join(', ');
  }
}
