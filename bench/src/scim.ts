import type { Benchmark, Measurement } from './benchmark.ts';
import { caller, newUser, p99, patchOf, rate, timed, type Call } from './scim/calls.ts';
import { addAndRemove, delayOfLargePut, isExactUnderConcurrency, newGroup } from './scim/members.ts';
import { startPeer, type Peer } from './scim/peer.ts';
import { lookUp, nameOf, populate } from './scim/population.ts';
import { startServer } from './scim/server.ts';
import { startScimService, type Directory, type ScimService } from './scim/service.ts';

const MANY = 1_000_000;
const FEW = 1_000;
const LARGE_GROUP = 100_000;
const SMALL_GROUP = 10;
/** "At most 1.5 times the cost" as a ratio of which more is better. */
const AT_MOST_HALF_MORE = 1 / 1.5;
const CHANGES = 100;
const LOOK_UPS = 300;
const CLIENTS = 16;
const CREATE_MS = 4_000;
const CONCURRENT_RUNS = 100;

/** A service whose one directory has so many users. */
interface Populated {
  readonly service: ScimService;
  readonly directory: Directory;
  readonly call: Call;
  readonly people: readonly string[];
  readonly size: number;
}

const populated = async (service: ScimService, size: number): Promise<Populated> => {
  const directory = await service.newDirectory();
  const call = caller(service.client, directory);
  const people = await populate(service.admin, directory, call, size);
  return { service, directory, call, people, size };
};

const milliseconds = { unit: 'ms', higherIsBetter: false } as const;
const floor = (value: number) => (): Promise<number> => Promise.resolve(value);

/** Steps through a population in no order an index or a cache could profit from. */
const STEP = 7_919;

const lookUps = (many: Populated, few: Populated): Measurement[] =>
  (['userName', 'externalId', 'emails.value'] as const).map((attribute) => {
    let last = 0;
    const look = ({ call, size }: Populated): Promise<number> =>
      p99(LOOK_UPS, () => {
        last += STEP;
        return lookUp(call, attribute, nameOf(last % size));
      });
    return {
      ...milliseconds,
      name: `${attribute} eq, p99: 1,000,000 / 1,000 users`,
      goal: AT_MOST_HALF_MORE,
      ours: () => look(many),
      reference: () => look(few),
    };
  });

const memberChanges = async (many: Populated): Promise<Measurement[]> => {
  const { service, directory, call, people } = many;
  const { admin } = service;
  const [large, small] = [
    await newGroup(admin, directory, call, { name: 'large', members: people.slice(0, LARGE_GROUP - 1_000) }),
    await newGroup(admin, directory, call, { name: 'small', members: people.slice(0, SMALL_GROUP) }),
  ];
  const newcomers = people.slice(-1_000);
  const change = (groupId: string): Promise<number> =>
    p99(CHANGES, async (number) => {
      const [op, value] = [number % 2 === 0 ? 'add' : 'remove', [{ value: newcomers[0] }]];
      await call('PATCH', `/Groups/${groupId}`, patchOf({ op, path: 'members', value }));
    });
  return [
    {
      ...milliseconds,
      name: 'one member, p99: 100,000 / 10 members',
      goal: AT_MOST_HALF_MORE,
      ours: () => change(large),
      reference: () => change(small),
    },
    {
      ...milliseconds,
      name: 'one member of 100,000, p99 / 20 ms',
      goal: 1,
      ours: () => change(large),
      reference: floor(20),
    },
    {
      ...milliseconds,
      name: '1,000 members in one PATCH / 500 ms',
      goal: 1,
      ours: async () => (await timed(() => addAndRemove(call, large, newcomers))) / 2,
      reference: floor(500),
    },
    {
      ...milliseconds,
      name: 'event loop held by a 16 MiB PUT / 50 ms',
      goal: 1,
      rounds: 3,
      ours: () => delayOfLargePut(service, call, large, people.slice(0, LARGE_GROUP)),
      reference: floor(50),
    },
  ];
};

const concurrency = ({ service, directory, call, people }: Populated): Measurement => ({
  name: `200 concurrent PATCHes: exact runs of ${String(CONCURRENT_RUNS)}`,
  unit: 'runs',
  higherIsBetter: true,
  goal: 1,
  rounds: 1,
  warmUp: false,
  ours: async () => {
    let exact = 0;
    for (let run = 0; run < CONCURRENT_RUNS; run += 1)
      if (await isExactUnderConcurrency(service.admin, directory, call, people)) exact += 1;
    return exact;
  },
  reference: floor(CONCURRENT_RUNS),
});

const creates = async (service: ScimService, peer: Peer): Promise<Measurement[]> => {
  const one = caller(service.client, await service.newDirectory());
  const several: Call[] = [];
  for (let number = 0; number < CLIENTS; number += 1)
    several.push(caller(service.client, await service.newDirectory()));
  let last = 0;
  const next = (): object => newUser(`new${String((last += 1))}`);
  const create = (calls: readonly Call[]): Promise<number> =>
    rate(CLIENTS, CREATE_MS, async () => {
      const user = next();
      await calls[last % calls.length]?.('POST', '/Users', user);
    });
  const ofPeer = (): Promise<number> => rate(CLIENTS, CREATE_MS, () => peer.createUser(next()));
  const perSecond = { unit: 'users/s', higherIsBetter: true } as const;
  return [
    {
      ...perSecond,
      name: 'creates, one directory, 16 at a time / saml-jackson',
      goal: 1.5,
      rounds: 5,
      ours: () => create([one]),
      reference: ofPeer,
    },
    {
      ...perSecond,
      name: 'creates, one directory, 16 at a time / 500 a second',
      goal: 1,
      rounds: 3,
      ours: () => create([one]),
      reference: floor(500),
    },
    {
      ...perSecond,
      // Nothing can be shared: every request is of another organisation.
      name: 'creates, 16 directories, one at a time each / saml-jackson',
      goal: 1,
      rounds: 3,
      ours: () => create(several),
      reference: ofPeer,
    },
  ];
};

/** What issue and brief demand of SCIM at size; everything over HTTP, audit and validation on, commits durable. */
export const scim: Benchmark = {
  title: 'SCIM at size: groups of 100,000, 1,000,000 users, concurrent changes, creates beside saml-jackson',
  async open() {
    await using opened = new AsyncDisposableStack();
    const server = await startServer();
    opened.defer(() => server.close());
    const start = async (name: string): Promise<ScimService> => {
      const service = await startScimService(server, name);
      opened.defer(() => service.close());
      return service;
    };
    const peer = await startPeer(server);
    opened.defer(() => peer.close());
    const [fresh, small, large] = [await start('fresh'), await start('small'), await start('large')];
    const few = await populated(small, FEW);
    const many = await populated(large, MANY);
    const measurements = [
      ...(await creates(fresh, peer)),
      ...lookUps(many, few),
      ...(await memberChanges(many)),
      concurrency(few),
    ];
    const held = opened.move();
    return { measurements, close: () => held.disposeAsync() };
  },
};
