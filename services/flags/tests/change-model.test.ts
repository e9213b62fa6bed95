import assert from 'node:assert/strict';

import fc from 'fast-check';

import { act, arrange, ok, PROJECT, type Scenario } from './support/scenario.ts';
import { type Answer, type Organization, type Person, World } from './support/world.ts';

/** What a change request is, in a dozen lines: the model the service is held to. */
interface ModelChange {
  state: string;
  revision: number;
  base: string;
  revisionAuthor: number;
  readonly contributors: Set<number>;
  readonly reviews: Map<number, string>;
}

class Model {
  readonly changes: ModelChange[] = [];
  readonly inactive = new Set<number>();
  required = 1;
  ruleVersion = 1;
  flagVersion = 1;

  get base(): string {
    return `${String(this.flagVersion)}/${String(this.ruleVersion)}`;
  }

  request(author: number): number {
    if (this.inactive.has(author)) return 401;
    const { base } = this;
    const contributors = new Set([author]);
    this.changes.push({
      state: 'in_review',
      revision: 1,
      base,
      revisionAuthor: author,
      contributors,
      reviews: new Map(),
    });
    return 202;
  }

  edit(person: number, change: ModelChange): number {
    if (this.inactive.has(person)) return 401;
    if (!['in_review', 'approved', 'stale'].includes(change.state)) return 409;
    change.revision += 1;
    Object.assign(change, { state: 'in_review', base: this.base, revisionAuthor: person });
    change.contributors.add(person);
    change.reviews.clear();
    return 200;
  }

  review(person: number, change: ModelChange, verdict: string, isCurrentHash: boolean): number {
    if (this.inactive.has(person)) return 401;
    if (change.contributors.has(person)) return 403;
    if (!['in_review', 'approved'].includes(change.state) || !isCurrentHash) return 409;
    change.reviews.set(person, verdict);
    const isApproved = this.#objections(change) === 0 && this.#approvals(change, new Set()) >= this.required;
    change.state = verdict === 'reject' ? 'rejected' : isApproved ? 'approved' : 'in_review';
    return 200;
  }

  apply(person: number, change: ModelChange): number {
    if (this.inactive.has(person)) return 401;
    if (!['in_review', 'approved'].includes(change.state)) return 409;
    if (this.inactive.has(change.revisionAuthor)) return 409;
    if (change.base !== this.base) {
      change.state = 'stale';
      return 409;
    }
    if (this.#objections(change) > 0 || this.#approvals(change, this.inactive) < this.required) {
      change.state = 'in_review';
      return 409;
    }
    change.state = 'applied';
    this.flagVersion += 1;
    return 200;
  }

  cancel(person: number, change: ModelChange): number {
    if (this.inactive.has(person)) return 401;
    if (!['in_review', 'approved', 'stale'].includes(change.state)) return 409;
    change.state = 'cancelled';
    return 200;
  }

  #objections({ reviews }: ModelChange): number {
    return [...reviews.values()].filter((verdict) => verdict !== 'approve').length;
  }

  #approvals({ reviews }: ModelChange, without: ReadonlySet<number>): number {
    return [...reviews].filter(([person, verdict]) => verdict === 'approve' && !without.has(person)).length;
  }
}

/** The real thing: three people of equal rights, and the hashes each request has had. */
interface Real {
  readonly scene: Scenario;
  readonly people: readonly Person[];
  readonly ids: string[];
  readonly hashes: string[][];
  counter: number;
}

type Command = fc.AsyncCommand<Model, Real>;

const ANYBODY = fc.nat({ max: 3 });
const ANY_CHANGE = fc.nat({ max: 1 });

/** Runs one action on both sides, then compares everything there is to see. */
const step = (
  name: string,
  run: (model: Model, real: Real) => Promise<{ expected: number; answer?: Answer }>,
  check: (model: Readonly<Model>) => boolean = () => true,
): Command => ({
  check,
  run: async (model, real) => {
    const { expected, answer } = await run(model, real);
    if (answer !== undefined) assert.equal(answer.status, expected, `${name}: ${JSON.stringify(answer.body)}`);
    for (const [index, change] of model.changes.entries()) {
      const { body } = ok(await real.scene.owner.call('GET', `${PROJECT}/changes/${real.ids[index] ?? ''}`), 200);
      assert.deepEqual(
        [body.state, body.revision],
        [change.state, change.revision],
        `${name}, request ${String(index)}`,
      );
    }
    const { body } = ok(await real.scene.owner.call('GET', `${PROJECT}/flags/checkout`), 200);
    assert.equal(body.environments['production']?.version, model.flagVersion, name);
  },
  toString: () => name,
});

// Every change is another one, so that none is a change to what is there already.
const targeting = (real: Real): object => {
  real.counter += 1;
  const rules = [{ name: `rule ${String(real.counter)}`, serve: { variant: 'on' } }];
  return { kind: 'set-targeting', flag: 'checkout', environment: 'production', rules };
};

const personOf = ({ people }: Real, index: number): Person => people[index] ?? assert.fail('nobody');

const onChange = (
  name: string,
  index: number,
  run: (model: Model, change: ModelChange, real: Real) => Promise<{ expected: number; answer: Answer }>,
): Command =>
  step(
    `${name} request ${String(index)}`,
    async (model, real) => await run(model, model.changes[index] ?? assert.fail('no change'), real),
    (model) => model.changes[index] !== undefined,
  );

const request = ANYBODY.map((person) =>
  step(
    `${String(person)} requests`,
    async (model, real) => {
      const body = { title: 'Change', changes: [targeting(real)] };
      const answer = await personOf(real, person).call('POST', `${PROJECT}/changes`, body);
      const expected = model.request(person);
      if (answer.status === 202) {
        real.ids.push(answer.body.change.id);
        real.hashes.push([answer.body.change.hash]);
      }
      return { expected, answer };
    },
    (model) => model.changes.length < 2,
  ),
);

const edit = fc.tuple(ANYBODY, ANY_CHANGE).map(([person, index]) =>
  onChange(`${String(person)} edits`, index, async (model, change, real) => {
    const path = `${PROJECT}/changes/${real.ids[index] ?? ''}`;
    const answer = await personOf(real, person).call('PATCH', path, { changes: [targeting(real)] });
    const expected = model.edit(person, change);
    if (answer.status === 200) real.hashes[index]?.push(answer.body.hash);
    return { expected, answer };
  }),
);

const reviewing = ([person, index, verdict, back]: [number, number, string, number]): Command =>
  onChange(
    `${String(person)} gives ${verdict} (${String(back)} hashes back) to`,
    index,
    async (model, change, real) => {
      const hashes = real.hashes[index] ?? [];
      const hash = hashes.at(-1 - back) ?? hashes.at(-1);
      const answer = await act(personOf(real, person), real.ids[index] ?? '', verdict, { hash });
      return { expected: model.review(person, change, verdict, hash === hashes.at(-1)), answer };
    },
  );

const approve = fc.tuple(ANYBODY, ANY_CHANGE, fc.constant('approve'), fc.constant(0)).map(reviewing);
const review = fc
  .tuple(ANYBODY, ANY_CHANGE, fc.constantFrom('approve', 'request-changes', 'reject'), fc.nat({ max: 2 }))
  .map(reviewing);

const apply = fc.tuple(ANYBODY, ANY_CHANGE).map(([person, index]) =>
  onChange(`${String(person)} applies`, index, async (model, change, real) => {
    const answer = await act(personOf(real, person), real.ids[index] ?? '', 'apply');
    return { expected: model.apply(person, change), answer };
  }),
);

const cancel = fc.tuple(ANYBODY, ANY_CHANGE).map(([person, index]) =>
  onChange(`${String(person)} cancels`, index, async (model, change, real) => {
    const answer = await act(personOf(real, person), real.ids[index] ?? '', 'cancel');
    return { expected: model.cancel(person, change), answer };
  }),
);

const setActive = fc.tuple(ANYBODY, fc.constantFrom(true, true, false)).map(([person, isActive]) =>
  step(`${String(person)} is ${isActive ? 're' : 'de'}activated`, async (model, real) => {
    personOf(real, person).account.active = isActive;
    if (isActive) model.inactive.delete(person);
    else model.inactive.add(person);
    return await Promise.resolve({ expected: 0 });
  }),
);

const raiseRule = fc.constant(
  step(
    'the rule is raised',
    async (model, { scene }) => {
      model.required += 1;
      model.ruleVersion += 1;
      const body = { requiredApprovals: model.required };
      return { expected: 200, answer: await scene.owner.call('PATCH', `${PROJECT}/environments/production`, body) };
    },
    (model) => model.required < 2,
  ),
);

describe('change requests, against a model', () => {
  let world: World;

  before(async () => {
    world = await World.create();
  });
  after(async () => {
    await world.dispose();
  });

  it('are in the state the model says after any sequence of actions', async () => {
    const setup = async (): Promise<{ model: Model; real: Real }> => {
      const org: Organization = await world.organization();
      const scene = await arrange(org);
      const people = Array.from({ length: 4 }, () => org.person('releaseManager'));
      const model = new Model();
      // Raising the protection of production, once, is part of the arrangement.
      model.ruleVersion = 2;
      return { model, real: { scene, people, ids: [], hashes: [], counter: 0 } };
    };
    // A kind that is listed more often is drawn more often: most sequences should get somewhere.
    const times = (count: number, command: fc.Arbitrary<Command>): fc.Arbitrary<Command>[] =>
      Array.from({ length: count }, () => command);
    const often = [...times(3, request), ...times(10, approve), ...times(6, apply), ...times(2, edit)];
    const actions = [...often, review, cancel, setActive, raiseRule];
    await fc.assert(
      fc.asyncProperty(fc.commands(actions, { maxCommands: 60, size: 'max' }), async (commands) => {
        await fc.asyncModelRun(setup, commands);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  }).timeout(180_000);
});
