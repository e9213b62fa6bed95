import { type DemoIdpOverrides, type Flavor, type RunningDemoIdp, startDemoIdp } from '../../src/index.ts';

/** A JSON answer of the control API. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A demo identity provider on a free port, with a client of its control API. */
export interface TestIdp extends RunningDemoIdp {
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer>;
}

const unexpected: unknown[] = [];

/** Starts one; failures nobody expected fail the test that calls `close`. */
export async function startTestIdp(
  options: { flavor?: Flavor; stateDir?: string; origin?: string } & DemoIdpOverrides = {},
): Promise<TestIdp> {
  const { flavor = 'okta', stateDir = null, origin = null, ...overrides } = options;
  const settings = { port: 0, host: '127.0.0.1', origin, stateDir, flavor };
  const idp = await startDemoIdp(settings, { onUnexpected: (error) => unexpected.push(error), ...overrides });
  return {
    ...idp,
    close: async () => {
      await idp.close();
      const [first] = unexpected.splice(0);
      if (first !== undefined) throw new AggregateError([first], 'The demo identity provider failed unexpectedly');
    },
    api: async (method, path, body, headers = {}) => {
      const answer = await fetch(`http://127.0.0.1:${String(idp.port)}${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
  };
}
