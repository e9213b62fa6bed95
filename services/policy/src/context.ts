import { createPrincipalClient, type PrincipalClient } from '@sallyport/decision-client';
import { createGrpcClient } from '@sallyport/grpc';
import { IntrospectionServiceClient } from '@sallyport/proto/identity/v1';
import { openFoundation, type Foundation, type FoundationOverrides } from '@sallyport/service';
import { followSubjects, Standing, type CommitGuard, type Lease } from '@sallyport/subject-feed';

import { endDueRequests } from './access-requests/index.ts';
import { DueWork } from './approvals/index.ts';
import type { PolicyConfig } from './config.ts';
import {
  DecisionPoint,
  createCurrentRevision,
  createFreshness,
  type CurrentRevision,
  type Freshness,
} from './decide/index.ts';
import { DecisionLog } from './decision-log/index.ts';
import { Shadow } from './engine/index.ts';
import { createExplain, type Explain } from './explain/index.ts';
import { GrantKnowledge, OutlivedGrants, databaseSource } from './grants/index.ts';
import { keepHistoryInBounds } from './history/index.ts';
import { combinedKnowledge } from './knowledge.ts';
import { createLists, type Lists } from './lists/index.ts';
import { migrations } from './migrations/index.ts';
import { BUILT_IN_ROLES } from './model/index.ts';
import { createFileReader, type FileReader } from './policy-as-code/index.ts';
import { Advisor } from './roles/index.ts';
import { endDueReviews } from './reviews/index.ts';
import { StandingWriter } from './subjects/index.ts';
import { createWatch, type Watch } from './watch/index.ts';

/** Everything the slices share; built once per process and passed as a parameter. */
export interface PolicyContext extends Foundation {
  readonly config: PolicyConfig;
  readonly principals: PrincipalClient;
  readonly standing: Standing;
  readonly standingLease: Lease;
  readonly commitGuard: CommitGuard;
  readonly knowledge: GrantKnowledge;
  readonly decisions: DecisionPoint;
  readonly decisionLog: DecisionLog;
  readonly shadow: Shadow;
  readonly lists: Lists;
  readonly freshness: Freshness;
  readonly currentRevision: CurrentRevision;
  readonly explain: Explain;
  readonly watch: Watch;
  /** Of policy as code. */
  readonly policyFiles: FileReader;
  /** What becomes due while nobody asks. */
  readonly dueWork: DueWork;
  /** Releases in reverse order of acquisition. */
  dispose(): Promise<void>;
}

const MIB = 1024 * 1024;
/** How often it is looked for what has become due: nothing that is overdue can be used meanwhile. */
const DUE_EVERY_MS = 5_000;

type Basics = Foundation & { readonly config: PolicyConfig };

/** Grants: read before the first question, then at every wake-up and at least once per renewal. */
const openGrants = async (
  { config, clock, logger, metrics, db }: Basics,
  release: AsyncDisposableStack,
  onLoaded: (orgId: string) => void,
) => {
  const { leaseTtlMs: ttlMs } = config;
  const knowledge = new GrantKnowledge({
    source: databaseSource(db),
    roles: BUILT_IN_ROLES,
    clock,
    logger,
    metrics,
    ttlMs,
    maxBytes: config.indexMemoryMib * MIB,
    onLoaded,
  });
  await knowledge.refresh();
  release.defer(await knowledge.start(db, config.leaseRenewalMs));
  return knowledge;
};

/** Standing: taken up where the last process left it, then followed at identity. */
const openStanding = async (
  { config, clock, logger, metrics, tls, db, audit }: Basics,
  knowledge: GrantKnowledge,
  release: AsyncDisposableStack,
) => {
  const { identityGrpc, deployment, leaseTtlMs, leaseRenewalMs } = config;
  const target = { address: identityGrpc, tls, serverName: 'identity', deployment, logger };
  const introspection = createGrpcClient(IntrospectionServiceClient, target);
  release.defer(() => {
    introspection.close();
  });
  const standing = new Standing();
  const writer = new StandingWriter({ db, standing, logger });
  release.defer(() => writer.flush());
  const stored = await writer.load();
  for (const organization of stored.organizations)
    standing.load(organization.orgId, { ...organization, logId: stored.logId });
  const outlived = new OutlivedGrants({ audit, standing, knowledge, logger });
  release.defer(() => outlived.close());
  const following = followSubjects({
    identityGrpc,
    deployment,
    tls,
    clock,
    logger,
    metrics,
    leaseTtlMs,
    leaseRenewalMs,
    standing,
    logId: stored.logId,
    onApplied: (step) => {
      writer.note(step);
      outlived.note(step);
    },
  });
  release.defer(() => following.close());
  const { lease: standingLease, guard: commitGuard } = following;
  return { standing, standingLease, commitGuard, outlived, principals: createPrincipalClient({ grpc: introspection }) };
};

/** The record of what is decided, which has no part in deciding. */
const openDecisionLog = (basics: Basics, release: AsyncDisposableStack): DecisionLog => {
  const { decisionLogReadsEvery: readsEvery, decisionLogQueue: maxQueued, decisionLogRetentionMs } = basics.config;
  const log = new DecisionLog({ ...basics, readsEvery, maxQueued, retentionMs: decisionLogRetentionMs });
  release.defer(() => log.close());
  log.start();
  return log;
};

/** Connects to everything. @throws UNAVAILABLE when the database is away or its schema is not the newest. */
export const createContext = async (
  config: PolicyConfig,
  overrides: FoundationOverrides = {},
): Promise<PolicyContext> => {
  await using release = new AsyncDisposableStack();
  const foundation = await openFoundation({ service: 'policy', config, migrations, overrides }, release);
  const basics = { ...foundation, config };
  // Roles somebody has outlived are looked for in every index that comes into memory.
  let lookAtAll: (orgId: string) => void = () => undefined;
  const knowledge = await openGrants(basics, release, (orgId) => {
    lookAtAll(orgId);
  });
  const followed = await openStanding(basics, knowledge, release);
  lookAtAll = (orgId) => {
    followed.outlived.lookAtAll(orgId);
  };
  const advisor = new Advisor({ ...basics, knowledge, standing: followed.standing });
  release.defer(() => {
    advisor.close();
  });
  advisor.start();
  const known = combinedKnowledge(knowledge, followed.standing, followed.standingLease);
  const shadow = new Shadow({ ...basics, knowledge, roles: BUILT_IN_ROLES, every: config.shadowEvery });
  release.defer(() => shadow.settled());
  const decisionLog = openDecisionLog(basics, release);
  const decisions = new DecisionPoint({
    knowledge: known,
    clock: basics.clock,
    metrics: basics.metrics,
    onOutlived: (orgId, subjectId) => {
      followed.outlived.look(orgId, subjectId);
    },
    reference: shadow,
    observer: decisionLog,
  });
  const lists = createLists({ knowledge: known, clock: basics.clock, reference: shadow });
  const freshness = createFreshness({ knowledge: known, clock: basics.clock, refresh: () => knowledge.refresh() });
  const currentRevision = createCurrentRevision({ knowledge: known, clock: basics.clock });
  const explain = createExplain({ decisions, knowledge: known, clock: basics.clock });
  const watch = createWatch({ ...basics, knowledge: known, freshness });
  const policyFiles = createFileReader({ clock: basics.clock, logger: basics.logger });
  release.defer(() => policyFiles.close());
  const answers = { lists, freshness, currentRevision, explain, watch, policyFiles };
  const parts = { ...basics, ...followed, knowledge, decisions, decisionLog, shadow, ...answers };
  const dueWork = new DueWork(basics.logger, {
    'access-requests': () => endDueRequests(parts),
    reviews: () => endDueReviews(parts),
  });
  release.defer(() => dueWork.close());
  dueWork.start(DUE_EVERY_MS);
  release.defer(await keepHistoryInBounds({ ...basics, days: config.historyDays, roles: BUILT_IN_ROLES }));
  const held = release.move();
  return { ...parts, dueWork, dispose: () => held.disposeAsync() };
};
