import { expectStatus, type Answer, type Caller } from '../actors/index.ts';
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
  for (let attempt = 1; ; attempt += 1) {
    const known = (await listAll(caller, path)).find(is);
    if (known !== undefined) return known;
    const answer = await caller.call('POST', path, body);
    // On a machine that has just started everything at once a decision may be too old when its change is ready.
    if (answer.body['code'] === 'DECISION_EXPIRED' && attempt < MAX_ATTEMPTS) continue;
    return created(answer, path);
  }
}

const MAX_ATTEMPTS = 5;

const created = ({ status, body }: Answer, path: string): Item => {
  if (status === 201) return body;
  const problem = `POST ${path} was answered ${String(status)} instead of 201: ${JSON.stringify(body)}`;
  throw new DevEnvironmentError('SEED_FAILED', problem);
};

/** Every item of a list, page by page. */
export async function listAll(caller: Caller, path: string): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: unknown = null;
  do {
    const url = new URL(path, 'http://list');
    if (typeof cursor === 'string') url.searchParams.set('cursor', cursor);
    const page = await expectStatus(caller, 200, 'GET', `${url.pathname}${url.search}`);
    items.push(...(page['items'] as Item[]));
    cursor = page['nextCursor'];
  } while (typeof cursor === 'string');
  return items;
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
