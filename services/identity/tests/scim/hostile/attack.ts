import { PATCH_URN } from '../../support/http.ts';
import type { Scene } from './scene.ts';

/** One request that must be refused, and how. */
export interface Attack {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** The body, or exactly these bytes. */
  readonly body?: unknown;
  readonly raw?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  /** Words that may be the `scimType`; none: there is none. */
  readonly words: readonly string[];
}

export type Attacks = (scene: Scene) => readonly Attack[];

export const SYNTAX = ['invalidSyntax'];
export const VALUE = ['invalidValue'];
export const PATH = ['invalidPath'];
export const FILTER = ['invalidFilter'];
export const MUTABILITY = ['mutability'];
export const TOO_MANY = ['tooMany', 'invalidValue'];

/** `400` is refused with one of the words; every other status has none but 409. */
export const patchUser = (
  { own }: Scene,
  name: string,
  operations: unknown,
  words: readonly string[],
  status = 400,
): Attack => ({
  name,
  method: 'PATCH',
  path: `/Users/${own.userId}`,
  body: { schemas: [PATCH_URN], Operations: Array.isArray(operations) ? operations : [operations] },
  status,
  words,
});

export const patchGroup = (scene: Scene, name: string, operations: unknown, words: readonly string[]): Attack => ({
  ...patchUser(scene, name, operations, words),
  path: `/Groups/${scene.own.groupId}`,
});

export const postUser = (name: string, more: object, words: readonly string[], status = 400): Attack => ({
  name,
  method: 'POST',
  path: '/Users',
  body: { userName: 'attacker@example.com', ...more },
  status,
  words,
});

export const postRaw = (
  name: string,
  raw: string | Uint8Array,
  words: readonly string[],
  more: Partial<Pick<Attack, 'headers' | 'status' | 'path' | 'method'>> = {},
): Attack => ({ name, method: 'POST', path: '/Users', raw, status: 400, words, ...more });

export const get = (name: string, path: string, words: readonly string[], status = 400): Attack => ({
  name,
  method: 'GET',
  path,
  status,
  words,
});

export const filtered = (name: string, filter: string, words: readonly string[] = FILTER): Attack =>
  get(name, `/Users?filter=${encodeURIComponent(filter)}`, words);
