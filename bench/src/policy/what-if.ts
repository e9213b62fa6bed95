import {
  type GrantKnowledge,
  compareInTurns,
  inTurns,
  policyAfterSteps,
  type GrantSource,
  type ProposedChange,
} from '@sallyport/policy/decisions';
import { systemClock } from '@sallyport/storage';

import type { Measurement } from '../benchmark.ts';
import { newKnowledge, sourceOf } from './world.ts';

const GRANTS = 150_000;
const MEMBERS = 10_000;
/** Every fourth member holds the role already; one who is no member loses theirs. */
const CHANGED = MEMBERS * 0.75 + 1;
const PROJECTS = 30;
const ENVIRONMENTS = 108;

type RawOrganization = Awaited<ReturnType<GrantSource['load']>>[number];
type OrganizationIndex = NonNullable<ReturnType<GrantKnowledge['organization']>>;

const uuid = (kind: number, number: number): string =>
  `0190${kind.toString(16).padStart(4, '0')}-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;

const ORGANIZATION = '01900001-0000-7000-8000-000000000000';
const GROUP = uuid(6, 0);
const ROLES = ['developer', 'viewer', 'release_manager', 'house'] as const;

const HOUSE = {
  roleKey: 'house',
  name: 'House',
  description: '',
  levels: ['organization', 'project'],
  permissions: [
    ['production', 'flag:read'],
    ['non-production', 'flag:toggle'],
  ],
};

/** One organisation with all the grants: half of them for the organisation, half for a project; and one big group. */
const rows = (): RawOrganization => ({
  orgId: ORGANIZATION,
  slug: 'large',
  revision: '1',
  roles: [HOUSE],
  grants: Array.from({ length: GRANTS }, (_, user) => ({
    grantId: uuid(5, user),
    subjectType: 'user',
    subjectId: uuid(2, user),
    roleKey: ROLES[user % ROLES.length] ?? 'viewer',
    projectId: user % 2 === 0 ? null : uuid(3, user % PROJECTS),
    environmentId: null,
    effect: 'allow',
    tier: null,
    resourceType: null,
    condition: null,
    subjectEpoch: 1,
    validFromMs: null,
    validUntilMs: null,
  })),
  projects: Array.from({ length: PROJECTS }, (_, number) => ({
    projectId: uuid(3, number),
    key: `p${String(number)}`,
  })),
  environments: Array.from({ length: ENVIRONMENTS }, (_, number) => ({
    environmentId: uuid(4, number),
    projectId: uuid(3, number % PROJECTS),
    key: `e${String(number)}`,
    tier: number % 3 === 0 ? 'production' : 'non-production',
  })),
});

const members = Array.from({ length: MEMBERS }, (_, user) => uuid(2, user * 7));
const memberSet = new Set(members);

const population = {
  find: (id: string) => ({ type: 'user' as const, active: true, groupIds: memberSet.has(id) ? [GROUP] : [] }),
  members: (groupId: string) => (groupId === GROUP ? members : []),
};

const openIndex = async (): Promise<OrganizationIndex> => {
  const raw = rows();
  const source = sourceOf(1, () => raw);
  const knowledge = newKnowledge({
    ...source,
    heads: () => Promise.resolve({ isRecovering: false, revisions: new Map([[ORGANIZATION, 1n]]) }),
    load: () => Promise.resolve([raw]),
  });
  await knowledge.refresh();
  await knowledge.ensure(ORGANIZATION);
  const index = knowledge.organization(ORGANIZATION);
  if (index?.grants.length !== GRANTS) throw new Error('the organisation was not built');
  return index;
};

/** A group of 10,000 is mapped to a role, and somebody loses theirs. */
const MAPPING: readonly ProposedChange[] = [
  {
    kind: 'add',
    row: {
      grantId: 'proposed-0',
      subjectType: 'group',
      subjectId: GROUP,
      roleKey: 'release_manager',
      projectId: null,
      environmentId: null,
      effect: 'allow',
      validFromMs: null,
      validUntilMs: null,
    },
  },
  { kind: 'remove', grantId: uuid(5, 3) },
];

/** What a quarter of all hold means something else. */
const ROLE: readonly ProposedChange[] = [
  {
    kind: 'put-role',
    role: {
      key: 'house',
      name: 'House',
      description: '',
      levels: ['organization', 'project'],
      permissions: { organization: [], project: ['project:read'], 'non-production': [], production: ['flag:read'] },
    },
  },
];

/** What the service does for one request, and the longest time others waited meanwhile, in ms. */
const compare = async (
  before: OrganizationIndex,
  changes: readonly ProposedChange[],
  subjects: number,
): Promise<{ readonly ms: number; readonly longestTurnMs: number }> => {
  const began = performance.now();
  let last = began;
  let longestTurnMs = 0;
  let isOver = false;
  const look = (): void => {
    const now = performance.now();
    longestTurnMs = Math.max(longestTurnMs, now - last);
    last = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const pair = {
    before,
    after: await inTurns(policyAfterSteps(before, changes), systemClock),
    nowMs: systemClock.now().getTime(),
  };
  const { difference } = await compareInTurns(pair, population, systemClock);
  const ms = performance.now() - began;
  isOver = true;
  if (difference.counts.subjects !== subjects) throw new Error(`${String(difference.counts.subjects)} subjects differ`);
  return { ms, longestTurnMs };
};

/** What-if over 150,000 grants. */
export const whatIfMeasurements = (): Measurement[] => {
  let opened: Promise<OrganizationIndex> | undefined;
  const index = async (): Promise<OrganizationIndex> => await (opened ??= openIndex());
  const inMs = { unit: 'ms', higherIsBetter: false, goal: 1 } as const;
  const floor = (value: number) => (): Promise<number> => Promise.resolve(value);
  return [
    {
      ...inMs,
      name: 'what-if over 150,000 grants: a group of 10,000 gets a role / 200 ms',
      ours: async () => (await compare(await index(), MAPPING, CHANGED)).ms,
      reference: floor(200),
    },
    {
      ...inMs,
      name: 'the same: longest turn of the event loop / 50 ms',
      ours: async () => (await compare(await index(), MAPPING, CHANGED)).longestTurnMs,
      reference: floor(50),
    },
    {
      ...inMs,
      name: 'what-if of a role 37,500 hold: longest turn of the event loop / 50 ms',
      ours: async () => (await compare(await index(), ROLE, GRANTS / ROLES.length)).longestTurnMs,
      reference: floor(50),
    },
  ];
};
