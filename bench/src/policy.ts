import type { Benchmark, Measurement } from './benchmark.ts';
import { microsecondsOf } from './policy/decide.ts';
import { grpcMeasurements } from './policy/grpc.ts';
import { openCasbin, openCedar } from './policy/peers.ts';
import { rightAnswers } from './policy/reloads.ts';
import { whatIfMeasurements } from './policy/what-if.ts';
import { loadAll, newKnowledge, openWorld, orgIdOf, rowsOf, sourceOf, type PolicyWorld } from './policy/world.ts';

const ORGANIZATIONS = 1_000;
const CHECKS = 100_000;
/** "At most 1.5 times the cost" as a ratio of which more is better. */
const AT_MOST_HALF_MORE = 1 / 1.5;

const microseconds = { unit: 'us', higherIsBetter: false } as const;
const floor = (value: number) => (): Promise<number> => Promise.resolve(value);

/**
 * ms of processor time, all threads, to build the indexes of 1,000 organisations from 288,000 rows as the database sends
 * them: on a machine of its own never less than what the clock shows.
 */
const coldBuild = async (): Promise<number> => {
  const raw = new Map(Array.from({ length: ORGANIZATIONS }, (_, org) => [orgIdOf(org), rowsOf(org)]));
  const inMemory = sourceOf(ORGANIZATIONS, (org) => raw.get(orgIdOf(org)) ?? rowsOf(org));
  const usedMs = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  };
  let databaseMs = 0;
  const byDatabase = <T>(work: () => Promise<T>): Promise<T> => {
    const before = usedMs();
    const found = work(); // Its rows are there when it returns.
    databaseMs += usedMs() - before;
    return found;
  };
  const source = {
    ...inMemory,
    heads: () => byDatabase(inMemory.heads),
    load: (orgIds: readonly string[]) => byDatabase(() => inMemory.load(orgIds)),
  };
  const knowledge = newKnowledge(source);
  const before = usedMs();
  await loadAll(knowledge, ORGANIZATIONS);
  const builtMs = usedMs() - before - databaseMs;
  if (knowledge.snapshot.organizations.size !== ORGANIZATIONS) throw new Error('not everything was built');
  return builtMs;
};

/** Made when it is first needed: what is in memory slows what is built beside it. */
const lazily = (make: () => Promise<PolicyWorld>): (() => Promise<number>) => {
  let world: Promise<PolicyWorld> | undefined;
  return async () => await microsecondsOf(await (world ??= make()));
};

interface Worlds {
  readonly one: () => Promise<number>;
  readonly conditional: () => Promise<number>;
  readonly near: () => Promise<number>;
  readonly many: () => Promise<number>;
}

const decisions = ({ one, conditional, near, many }: Worlds): Measurement[] => [
  {
    ...microseconds,
    name: 'decision, median / 0.5 us',
    goal: 1,
    ours: one,
    reference: floor(0.5),
  },
  {
    ...microseconds,
    name: 'decision on three conditions, median / 2 us',
    goal: 1,
    ours: conditional,
    reference: floor(2),
  },
  {
    ...microseconds,
    name: 'decision at 1,000 organisations / at one, eight of them busy',
    goal: AT_MOST_HALF_MORE,
    ours: near,
    reference: one,
  },
  {
    ...microseconds,
    name: 'decision at 1,000 organisations / at one, all of them busy',
    goal: AT_MOST_HALF_MORE,
    ours: many,
    reference: one,
  },
];

/** What the issue demands of decisions, in the process and over gRPC. */
export const policy: Benchmark = {
  title:
    'decisions: latency, 1,000 organisations, beside Cedar and Casbin, reloads, cold build; over gRPC beside an echo and Cerbos',
  async open() {
    const [cedar, casbin] = [await openCedar(), await openCasbin()];
    let many: Promise<PolicyWorld> | undefined;
    const all = async (): Promise<PolicyWorld> => await (many ??= openWorld({ organizations: ORGANIZATIONS }));
    const worlds: Worlds = {
      one: lazily(() => openWorld({ organizations: 1 })),
      conditional: lazily(() => openWorld({ organizations: 1, conditional: true })),
      // The same memory, asked about eight organisations of it.
      near: lazily(async () => {
        const world = await all();
        return { ...world, requests: world.requests.map((_, number) => world.requestOf(number, 8)) };
      }),
      many: lazily(all),
    };
    const { one } = worlds;
    const overGrpc = grpcMeasurements();
    const measurements: Measurement[] = [
      {
        unit: 'ms',
        higherIsBetter: false,
        name: 'cold build of 288,000 rows / 500 ms',
        goal: 1,
        rounds: 3,
        ours: coldBuild,
        reference: floor(500),
      },
      ...decisions(worlds),
      {
        ...microseconds,
        name: 'decision / @cedar-policy/cedar-wasm 4.13, policies parsed before',
        goal: 50,
        ours: one,
        reference: () => Promise.resolve(cedar()),
      },
      {
        ...microseconds,
        name: 'decision / casbin enforcer, 13,800 policy lines',
        goal: 1_000,
        rounds: 3,
        ours: one,
        reference: () => Promise.resolve(casbin()),
      },
      {
        name: 'right answers of 100,000 during 100 reloads and 20 failed ones',
        unit: 'answers',
        higherIsBetter: true,
        goal: 1,
        rounds: 1,
        warmUp: false,
        ours: rightAnswers,
        reference: floor(CHECKS),
      },
      ...whatIfMeasurements(),
      ...overGrpc.measurements,
    ];
    return { measurements, close: () => overGrpc.close() };
  },
};
