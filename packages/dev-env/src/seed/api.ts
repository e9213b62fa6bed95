import { listAll, type Answer, type Caller } from '../actors/index.ts';
import { DevEnvironmentError } from '../errors.ts';

type Item = Readonly<Record<string, unknown>>;

/** A named thing of the API that must exist exactly once. */
export interface Wanted {
  readonly path: string;
  /** Recognises it in the list at `path`. */
  readonly is: (item: Item) => boolean;
  readonly body: object;
}

/**
 * The thing as the API shows it, created when it is not there yet: seeding that was interrupted
 * between creating and noting goes on without a second one.
 */
export async function ensure(caller: Caller, { path, is, body }: Wanted): Promise<Item> {
  return (await listAll(caller, path)).find(is) ?? (await mustSucceed(caller, 'POST', path, body)).body;
}

/** Calls and insists on success. @throws SEED_FAILED with what was answered instead. */
export async function mustSucceed(caller: Caller, ...request: Parameters<Caller['call']>): Promise<Answer> {
  const answer = await caller.call(...request);
  if (answer.status >= 200 && answer.status < 300) return answer;
  const [method, path] = request;
  throw new DevEnvironmentError(
    'SEED_FAILED',
    `${method} ${path} was answered ${answer.status}: ${JSON.stringify(answer.body)}`,
  );
}

/** A field of an answer that is a text. @throws SEED_FAILED when it is not. */
export function textOf(item: Item, name: string): string {
  const value = item[name];
  if (typeof value === 'string') return value;
  throw new DevEnvironmentError('SEED_FAILED', `Expected the field ${name} in ${JSON.stringify(Object.keys(item))}.`);
}
