import { percentile } from '../benchmark.ts';
import type { Answer, HttpClient } from './http-client.ts';
import type { Directory } from './service.ts';

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** Calls as a directory makes them; an answer that is not a success ends the benchmark. */
export const caller = (client: HttpClient, { token }: Directory) => {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json', 'user-agent': 'bench' };
  return async (method: string, path: string, body?: object | string): Promise<Answer> => {
    const text = typeof body === 'object' ? JSON.stringify(body) : body;
    const answer = await client.send(method, `/scim/v2${path}`, headers, text);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${String(answer.status)} ${answer.text}`);
    return answer;
  };
};

export type Call = ReturnType<typeof caller>;

export const patchOf = (...operations: object[]): object => ({ schemas: [PATCH], Operations: operations });

export const newUser = (name: string): object => ({
  schemas: [USER],
  userName: `${name}@example.com`,
  externalId: `ext-${name}`,
  name: { givenName: 'Ada', familyName: `Of ${name}` },
  displayName: `Ada ${name}`,
  emails: [{ value: `${name}@example.com`, type: 'work', primary: true }],
  active: true,
});

export const idOf = ({ text }: Answer): string => (JSON.parse(text) as { id: string }).id;

/** How long a call takes, in ms. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
};

/** The 99th percentile of `count` calls, one after the other; ms. */
export const p99 = async (count: number, work: (number: number) => Promise<unknown>): Promise<number> => {
  const times: number[] = [];
  for (let number = 0; number < count; number += 1) times.push(await timed(() => work(number)));
  return percentile(times, 99);
};

/** Calls a second of `clients` concurrent callers over about `durationMs`. */
export const rate = async (clients: number, durationMs: number, work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  let done = 0;
  const client = async (): Promise<void> => {
    while (performance.now() - startedAt < durationMs) {
      await work();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return done / ((performance.now() - startedAt) / 1_000);
};
