/** Organisations of the size the budget names, and the decision point as the service has it, without its edges. */
import {
  BUILT_IN_ROLES,
  DecisionPoint,
  GrantKnowledge,
  combinedKnowledge,
  type DecisionRequest,
  type GrantSource,
} from '@sallyport/policy/decisions';
import { systemClock, type Clock } from '@sallyport/storage';
import { Lease, Standing } from '@sallyport/subject-feed';
import { createMetrics, silentLogger } from '@sallyport/telemetry';

type RawOrganization = Awaited<ReturnType<GrantSource['load']>>[number];

export const GRANTS_PER_ORGANIZATION = 150;
/** 150 grants and 138 other rows: projects and environments. */
const PROJECTS = 30;
const ENVIRONMENTS = 108;
/** Longer than any run: what is measured is reading the lease, not renewing it. */
const TTL_MS = 3_600_000;

const uuid = (kind: number, org: number, number: number): string =>
  `0190${kind.toString(16).padStart(4, '0')}-0000-7000-8000-${org.toString(16).padStart(6, '0')}${number.toString(16).padStart(6, '0')}`;

export const orgIdOf = (org: number): string => uuid(1, org, 0);
export const userIdOf = (org: number, user: number): string => uuid(2, org, user);
export const projectIdOf = (org: number, project: number): string => uuid(3, org, project);
export const environmentIdOf = (org: number, environment: number): string => uuid(4, org, environment);

const ROLES = BUILT_IN_ROLES.map(({ key }) => key);
export const roleOf = (user: number): string => ROLES[user % ROLES.length] ?? '';
export const tierOf = (environment: number): string => (environment % 3 === 0 ? 'production' : 'non-production');

const OFFICE = { property: 'context.ip', operator: 'inNetwork', value: ['192.0.2.0/24', '2001:db8::/32'] };
const STRONG = { property: 'subject.amr', operator: 'contains', value: 'hwk' };
const CONDITION = { all: [OFFICE, STRONG, { property: 'context.risk', operator: 'lessThan', value: 50 }] };

export interface WorldOptions {
  readonly organizations: number;
  /** Every grant on a condition of three tests. */
  readonly conditional?: boolean;
  readonly revision?: number;
}

/** One grant a user: half for the organisation, half for a project. Rows as they come out of the database. */
export const rowsOf = (
  org: number,
  { conditional = false, revision = 1 }: Omit<WorldOptions, 'organizations'> = {},
): RawOrganization => ({
  orgId: orgIdOf(org),
  slug: `organization-${String(org)}`,
  revision: String(revision),
  grants: Array.from({ length: GRANTS_PER_ORGANIZATION }, (_, user) => ({
    grantId: uuid(5, org, user),
    subjectType: 'user',
    subjectId: userIdOf(org, user),
    roleKey: roleOf(user),
    projectId: user % 2 === 0 ? null : projectIdOf(org, user % PROJECTS),
    environmentId: null,
    effect: 'allow',
    tier: null,
    resourceType: null,
    condition: conditional ? structuredClone(CONDITION) : null,
    subjectEpoch: 1,
    validFromMs: null,
    validUntilMs: null,
  })),
  projects: Array.from({ length: PROJECTS }, (_, project) => ({
    projectId: projectIdOf(org, project),
    key: `project-${String(project)}`,
  })),
  environments: Array.from({ length: ENVIRONMENTS }, (_, environment) => ({
    environmentId: environmentIdOf(org, environment),
    projectId: projectIdOf(org, environment % PROJECTS),
    key: `environment-${String(environment)}`,
    tier: tierOf(environment),
  })),
});

export interface PolicyWorld {
  readonly point: DecisionPoint;
  readonly knowledge: GrantKnowledge;
  /** Questions in no order a cache could profit from. */
  readonly requests: readonly DecisionRequest[];
  readonly requestOf: typeof requestOf;
  /** Takes both leases anew: a machine that was suspended loses them. */
  renew(): Promise<void>;
}

/** Asked again and again: what a busy replica is asked about stays in the caches of the machine. */
const REQUESTS = 1_024;
const ACTIONS = ['flag:toggle', 'flag:read', 'change:apply', 'flag:delete'] as const;
const STEP = 7_919;

/** User `n` of organisation `o` asks where its grant is, or elsewhere; the answer is a third allow, two thirds deny. */
export const requestOf = (number: number, organizations: number): DecisionRequest => {
  const org = (number * STEP) % organizations;
  const user = (number * 31) % GRANTS_PER_ORGANIZATION;
  const environment = (number * 17) % ENVIRONMENTS;
  return {
    orgId: orgIdOf(org),
    subject: { type: 'user', id: userIdOf(org, user), epoch: 1n },
    action: ACTIONS[number % ACTIONS.length] ?? 'flag:read',
    projectId: projectIdOf(org, environment % PROJECTS),
    environmentId: environmentIdOf(org, environment),
    resource: { type: 'flag', id: 'checkout' },
    given: { subject: { amr: ['pwd', 'hwk'] }, context: { ip: '192.0.2.17', risk: 10 } },
  };
};

const standingOf = (organizations: number): Standing => {
  const standing = new Standing();
  for (let org = 0; org < organizations; org += 1) {
    const subjects = Array.from({ length: GRANTS_PER_ORGANIZATION }, (_, user) => ({
      subjectId: userIdOf(org, user),
      standing: { type: 'user' as const, active: true, epoch: 1n, groupIds: [] },
    }));
    standing.load(orgIdOf(org), { position: 1n, logId: 'log', subjects, groups: [] });
  }
  return standing;
};

/** Wall time that keeps step with the monotonic clock: a virtual machine's own may jump, and leases end when it does. */
const STARTED_AT_MS = systemClock.now().getTime() - systemClock.monotonicMs();
const steadyClock: Clock = {
  now: () => new Date(STARTED_AT_MS + performance.now()),
  monotonicMs: () => performance.now(),
};

export const newKnowledge = (source: GrantSource): GrantKnowledge =>
  new GrantKnowledge({
    source,
    roles: BUILT_IN_ROLES,
    clock: steadyClock,
    logger: silentLogger(),
    metrics: createMetrics('policy', { processMetrics: false }),
    ttlMs: TTL_MS,
    maxBytes: Number.MAX_SAFE_INTEGER,
  });

export const loadAll = async (knowledge: GrantKnowledge, organizations: number): Promise<void> => {
  await knowledge.refresh();
  await Promise.all(Array.from({ length: organizations }, (_, org) => knowledge.ensure(orgIdOf(org))));
};

/** Everything of so many organisations in memory, under leases. */
export const openWorld = async (options: WorldOptions, source?: GrantSource): Promise<PolicyWorld> => {
  const { organizations } = options;
  const knowledge = newKnowledge(source ?? sourceOf(organizations, (org) => rowsOf(org, options)));
  await loadAll(knowledge, organizations);
  const lease = new Lease(steadyClock, TTL_MS);
  const renew = async (): Promise<void> => {
    await knowledge.refresh();
    lease.adopt(lease.reading(), TTL_MS);
  };
  await renew();
  const known = combinedKnowledge(knowledge, standingOf(organizations), lease);
  const point = new DecisionPoint({
    knowledge: known,
    clock: steadyClock,
    metrics: createMetrics('policy', { processMetrics: false }),
  });
  const requests = Array.from({ length: REQUESTS }, (_, number) => requestOf(number, organizations));
  return { point, knowledge, requests, requestOf, renew };
};

/** A database in memory. */
export const sourceOf = (organizations: number, rows: (org: number) => RawOrganization): GrantSource => {
  const numbers = new Map(Array.from({ length: organizations }, (_, org) => [orgIdOf(org), org]));
  const load = (orgIds: readonly string[]) =>
    Promise.resolve(
      orgIds.flatMap((orgId) => {
        const org = numbers.get(orgId);
        return org === undefined ? [] : [rows(org)];
      }),
    );
  return {
    heads: () =>
      Promise.resolve({
        isRecovering: false,
        revisions: new Map([...numbers].map(([orgId, org]) => [orgId, BigInt(rows(org).revision)])),
      }),
    load,
    changes: async (known) =>
      (await load(known.map(({ orgId }) => orgId))).map((raw) => ({
        ...raw,
        changedIds: raw.grants.map(({ grantId }) => String(grantId)),
      })),
    tokens: () => Promise.resolve([]),
  };
};
