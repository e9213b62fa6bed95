/** The parameters of a statement that is being built: values never become part of its text. */
export class Params {
  readonly #values: unknown[];

  /** `initial` are $1, $2 and so on. */
  constructor(...initial: readonly unknown[]) {
    this.#values = [...initial];
  }

  get values(): readonly unknown[] {
    return this.#values;
  }

  /** Adds a value and answers its place: `$3::text`. */
  add(value: unknown, type: 'text' | 'text[]' | 'uuid' | 'bigint' | 'jsonpath'): string {
    this.#values.push(value);
    return `$${String(this.#values.length)}::${type}`;
  }
}
