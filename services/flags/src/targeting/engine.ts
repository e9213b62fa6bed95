import { FeatureFlag, FlagdCore, type Storage } from '@openfeature/flagd-core';

import { AppError } from '@sallyport/errors';

import type { JsonValue } from '../vocabulary/index.ts';
import { type CompilableFlag, compileFlag, needsTargetingKey } from './compile.ts';
import type { EvaluationContext } from './context.ts';
import { TARGETING_KEY } from './rule.ts';

/**
 * How subjects are put into buckets. Changing it re-buckets everybody, so it is part of every change set's hash and
 * pinned by golden vectors: v2 = murmur3 (x86, 32 bit, seed 0), `(hash × total weight) >> 32` in integers.
 */
export const BUCKETING_VERSION = 'flagd-fractional-v2';

export type EvaluationErrorCode = 'FLAG_NOT_FOUND' | 'TARGETING_KEY_MISSING' | 'GENERAL';

export type Evaluation =
  | {
      readonly ok: true;
      readonly reason: 'STATIC' | 'TARGETING_MATCH' | 'DEFAULT';
      readonly variant: string;
      readonly value: JsonValue;
    }
  /** No value: the application keeps the default in its code. */
  | { readonly ok: true; readonly reason: 'DEFAULT' | 'DISABLED' }
  | { readonly ok: false; readonly errorCode: EvaluationErrorCode; readonly detail: string };

/** The flags of one environment, evaluated in memory. Never throws for a context. */
export interface FlagSet {
  /** Adds or replaces one flag; costs that flag, not the set. @throws INTERNAL for a flag that cannot be compiled */
  upsert(flag: CompilableFlag): void;
  remove(key: string): void;
  has(key: string): boolean;
  keys(): readonly string[];
  evaluate(key: string, context: EvaluationContext): Evaluation;
}

// flagd-core logs through four levels; a rule that does not hold is no event, so nothing is logged here.
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

// Interpreting, not `new Function`: flags of several organisations share this process.
const OPTIONS = { disableDynamicCodeGeneration: true } as const;

type EngineFlag = ConstructorParameters<typeof FeatureFlag>[1];

const reasonOf = (reason: string): 'STATIC' | 'DEFAULT' | 'TARGETING_MATCH' =>
  reason === 'STATIC' || reason === 'DEFAULT' ? reason : 'TARGETING_MATCH';

/** flagd-core rebuilds its whole set on every change; this storage replaces single flags. */
class IncrementalStorage implements Storage {
  readonly flags = new Map<string, FeatureFlag>();

  setConfigurations(): string[] {
    throw new AppError('INTERNAL', 'This storage takes single flags.');
  }

  getFlag(key: string): FeatureFlag | undefined {
    return this.flags.get(key);
  }

  getFlags(): Map<string, FeatureFlag> {
    return this.flags;
  }

  getFlagSetMetadata(): Record<string, never> {
    return {};
  }
}

class FlagdFlagSet implements FlagSet {
  readonly #storage = new IncrementalStorage();
  readonly #core = new FlagdCore(this.#storage, SILENT, OPTIONS);
  readonly #needsTargetingKey = new Set<string>();

  upsert(flag: CompilableFlag): void {
    // flagd-core declares `targeting` as text and a default as mandatory; it reads neither that way.
    const compiled = compileFlag(flag) as unknown as EngineFlag;
    try {
      this.#storage.flags.set(flag.key, new FeatureFlag(flag.key, compiled, SILENT, OPTIONS));
    } catch (cause) {
      throw new AppError('INTERNAL', `The flag ${flag.key} cannot be loaded.`, { cause });
    }
    if (needsTargetingKey(flag.rules)) this.#needsTargetingKey.add(flag.key);
    else this.#needsTargetingKey.delete(flag.key);
  }

  remove(key: string): void {
    this.#storage.flags.delete(key);
    this.#needsTargetingKey.delete(key);
  }

  has(key: string): boolean {
    return this.#storage.flags.has(key);
  }

  keys(): readonly string[] {
    return [...this.#storage.flags.keys()];
  }

  evaluate(key: string, context: EvaluationContext): Evaluation {
    const flag = this.#core.getFlag(key);
    if (flag === undefined)
      return { ok: false, errorCode: 'FLAG_NOT_FOUND', detail: `There is no flag ${key} in this environment.` };
    if (flag.state === 'DISABLED') return { ok: true, reason: 'DISABLED' };
    const result = flag.evaluate(context);
    if (result.reason === 'ERROR') return this.#failure(key, context);
    // The engine leaves value and variant out together: the code default.
    if (result.value === undefined || result.variant === undefined) return { ok: true, reason: 'DEFAULT' };
    return { ok: true, reason: reasonOf(result.reason), variant: result.variant, value: result.value as JsonValue };
  }

  // Compiled targeting is total and names existing variants only, save the marker for a missing targeting key.
  #failure(key: string, context: EvaluationContext): Evaluation {
    return this.#needsTargetingKey.has(key) && !Object.hasOwn(context, TARGETING_KEY)
      ? {
          ok: false,
          errorCode: 'TARGETING_KEY_MISSING',
          detail: `The flag ${key} is rolled out by targetingKey, which the context does not name.`,
        }
      : { ok: false, errorCode: 'GENERAL', detail: `The flag ${key} could not be evaluated.` };
  }
}

/** An empty set. */
export const createFlagSet = (): FlagSet => new FlagdFlagSet();
