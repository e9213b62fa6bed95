import { NotMeasured, type Measurement } from '../benchmark.ts';
import { startLoadGenerator, type Contender, type LoadGenerator, type Questions, type Round } from './grpc/load.ts';
import { startCerbos, startEcho, type Peer } from './grpc/peers.ts';
import { startPolicyProcess, type PolicyProcess } from './grpc/policy-process.ts';
import {
  BATCH,
  cerbosBatches,
  cerbosChecks,
  echoes,
  openQuestions,
  ourBatches,
  ourChecks,
  type Questionnaire,
} from './grpc/questions.ts';

interface Contest {
  readonly asked: Questionnaire;
  readonly policy: PolicyProcess;
  readonly echo: Peer;
  /** Why it is not there, where it could not be had. */
  readonly cerbos: Peer | string;
  readonly load: LoadGenerator;
  close(): Promise<void>;
}

const openContest = async (): Promise<Contest> => {
  // First: it keeps this process busy, which plays identity for the other one.
  const asked = await openQuestions();
  await using release = new AsyncDisposableStack();
  const kept = <T extends { close(): Promise<void> }>(contender: T): T => {
    release.defer(() => contender.close());
    return contender;
  };
  const policy = kept(await startPolicyProcess());
  const echo = kept(await startEcho(policy.certificates));
  const cerbos = await startCerbos(policy.certificates).then(kept, (error: unknown) => String(error));
  const load = kept(await startLoadGenerator());
  const held = release.move();
  return { asked, policy, echo, cerbos, load, close: () => held.disposeAsync() };
};

const CALLS = { calls: 10_000, concurrency: 32 };
/** Enough for half a second of ours: a shorter round shows what else the machine does. */
const BATCHES = { calls: 2_000, concurrency: 32 };

type Ask = (contest: Contest) => Promise<Round>;

const asking =
  (pick: (contest: Contest) => Contender | string, questions: (asked: Questionnaire) => Questions, load = CALLS): Ask =>
  async (contest) => {
    const contender = pick(contest);
    if (typeof contender === 'string') throw new NotMeasured(contender);
    return await contest.load.run(contender, questions(contest.asked), load);
  };

const CHECK = asking(({ policy }) => policy, ourChecks);
const ECHO = asking(({ echo }) => echo, echoes);
const CERBOS = asking(({ cerbos }) => cerbos, cerbosChecks);
const CHECK_MANY = asking(({ policy }) => policy, ourBatches, BATCHES);
const CERBOS_MANY = asking(({ cerbos }) => cerbos, cerbosBatches, BATCHES);

/**
 * What the issue demands of decisions over gRPC: the service as it runs in production, with everything it does for a call
 * (mutual TLS, who calls, freshness, standing, decision log, metrics), a durable PostgreSQL behind it, asked by one load
 * generator that looks at every answer. One in 32 questions is denied, one is a permission to write in production.
 */
export const grpcMeasurements = (): { readonly measurements: readonly Measurement[]; close(): Promise<void> } => {
  let opened: Promise<Contest> | undefined;
  const contest = async (): Promise<Contest> => await (opened ??= openContest());
  const rate =
    (ask: Ask, questionsPerCall = 1) =>
    async (): Promise<number> =>
      (await ask(await contest())).callsPerSecond * questionsPerCall;
  const cost =
    (ask: Ask, questionsPerCall = 1) =>
    async (): Promise<number> =>
      (await ask(await contest())).cpuUsPerCall / questionsPerCall;
  const perSecond = { unit: 'per s', higherIsBetter: true } as const;
  const processorTime = { unit: 'us', higherIsBetter: false } as const;
  const measurements: Measurement[] = [
    { ...perSecond, name: 'Check over gRPC / bare grpc-js echo', goal: 0.8, ours: rate(CHECK), reference: rate(ECHO) },
    {
      ...processorTime,
      name: 'Check over gRPC, processor time / bare grpc-js echo',
      goal: 0.8,
      ours: cost(CHECK),
      reference: cost(ECHO),
    },
    {
      ...perSecond,
      name: 'Check over gRPC / Cerbos 0.51 CheckResources, decision log on',
      goal: 1.5,
      ours: rate(CHECK),
      reference: rate(CERBOS),
    },
    {
      ...perSecond,
      name: 'checks in CheckMany(50) / in a batch of 50 of Cerbos 0.51',
      goal: 8,
      ours: rate(CHECK_MANY, BATCH),
      reference: rate(CERBOS_MANY, BATCH),
    },
    {
      ...processorTime,
      name: 'check in CheckMany(50), processor time / in a batch of 50 of Cerbos 0.51',
      goal: 8,
      ours: cost(CHECK_MANY, BATCH),
      reference: cost(CERBOS_MANY, BATCH),
    },
  ];
  const close = async (): Promise<void> => {
    const held = await opened?.catch(() => undefined);
    await held?.close();
  };
  return { measurements, close };
};
