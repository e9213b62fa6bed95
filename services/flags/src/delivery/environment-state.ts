import { createFlagSet, type Evaluation, type EvaluationContext } from '../targeting/index.ts';
import type { KeyKind } from './environment-key.ts';
import type { EnvironmentDelta } from './store.ts';

/** What one environment serves, in memory, and the version it stands at. */
export class EnvironmentState {
  readonly #flags = createFlagSet();
  readonly #clientVisible = new Set<string>();
  #version = -1n;
  #key = '';
  #project = '';

  get version(): bigint {
    return this.#version;
  }

  get key(): string {
    return this.#key;
  }

  get project(): string {
    return this.#project;
  }

  /** Moves on by what changed; synchronous, so no evaluation sees half of it. Older deltas are ignored. */
  apply(delta: EnvironmentDelta): void {
    if (delta.version < this.#version) return;
    for (const { key, removed, definition, configuration } of delta.flags) {
      // Archived flags are kept, but nobody is served them.
      if (removed || definition.archived) {
        this.#flags.remove(key);
        this.#clientVisible.delete(key);
        continue;
      }
      this.#flags.upsert({ key, variants: definition.variants, ...configuration });
      if (definition.clientVisible) this.#clientVisible.add(key);
      else this.#clientVisible.delete(key);
    }
    this.#version = delta.version;
    this.#key = delta.key;
    this.#project = delta.project;
  }

  /** Keys of the flags a key of this kind may see. */
  keys(kind: KeyKind): readonly string[] {
    return kind === 'server' ? this.#flags.keys() : this.#flags.keys().filter((key) => this.#clientVisible.has(key));
  }

  /** To a client key, a flag that is not client-visible does not exist. */
  evaluate(kind: KeyKind, key: string, context: EvaluationContext): Evaluation {
    if (kind === 'client' && !this.#clientVisible.has(key))
      return { ok: false, errorCode: 'FLAG_NOT_FOUND', detail: `There is no flag ${key} in this environment.` };
    return this.#flags.evaluate(key, context);
  }
}
