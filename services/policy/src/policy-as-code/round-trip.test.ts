import assert from 'node:assert/strict';

import { Standing } from '@sallyport/subject-feed';
import { systemClock } from '@sallyport/storage';
import { silentLogger } from '@sallyport/telemetry';
import { computingMs, longestTurnMs } from '@sallyport/testing';
import fc from 'fast-check';

import { randomCondition } from '../../tests/support/random-condition.ts';
import { exportPolicy } from '../engine/export-policy.ts';
import { populationOf } from '../grants/index.ts';
import {
  BUILT_IN_ROLES,
  MODEL_TEXT,
  compileOrganization,
  type GrantRow,
  type OrganizationIndex,
  type RoleDefinition,
} from '../model/index.ts';
import { difference } from '../what-if/difference.ts';
import { inTurns } from '../turns/index.ts';
import { policyAfterSteps } from '../what-if/index.ts';
import { createFileReader } from './file-reader.ts';
import { planPolicy, toChanges, type PresentPolicy } from './plan.ts';
import type { WantedPolicy } from './policy.ts';
import { parseCasbin, readCasbin } from './read-casbin.ts';
import { parseDocument, readDocument } from './read-document.ts';
import { writeDocument } from './write-document.ts';

const RUNS = 400;
const NOW_MS = Date.parse('2026-11-21T12:00:00Z');

const uuid = (kind: number, number: number): string =>
  `0190000${String(kind)}-0000-7000-8000-00000000000${String(number)}`;
const ORG = uuid(1, 0);

const HOUSE: RoleDefinition = {
  key: 'house-role_1',
  name: 'House: "quoted", # odd – name',
  description: 'yes: no - "maybe" #',
  levels: ['organization', 'project', 'environment'],
  permissions: {
    organization: ['grant:read'],
    project: ['flag:read'],
    'non-production': ['flag:toggle'],
    production: [],
  },
};

const scope = fc.constantFrom(
  { projectId: null, environmentId: null },
  { projectId: uuid(3, 0), environmentId: null },
  { projectId: uuid(3, 1), environmentId: null },
  { projectId: uuid(3, 0), environmentId: uuid(4, 0) },
  { projectId: uuid(3, 1), environmentId: uuid(4, 1) },
);
const window = fc.option(fc.integer({ min: NOW_MS - 10_000, max: NOW_MS + 10_000 }), { nil: null });

const grant: fc.Arbitrary<Omit<GrantRow, 'grantId'>> = fc
  .record({
    subjectType: fc.constantFrom('user', 'group', 'service_account'),
    subject: fc.nat({ max: 2 }),
    roleKey: fc.constantFrom('viewer', 'developer', 'release_manager', HOUSE.key),
    scope,
    effect: fc.constantFrom('allow', 'allow', 'deny'),
    narrowing: fc.record(
      {
        tier: fc.constantFrom('non-production', 'production'),
        resourceType: fc.constantFrom('flag', 'change'),
        condition: randomCondition,
      },
      { requiredKeys: [] },
    ),
    from: window,
    until: window,
  })
  .map(({ subject, scope: where, narrowing, from, until, ...row }) => ({
    ...row,
    // A user and a service account never share an id, as accounts do not.
    subjectId: uuid(row.subjectType === 'user' ? 5 : row.subjectType === 'group' ? 6 : 7, subject),
    ...where,
    ...narrowing,
    ...(from !== null && until !== null && from >= until
      ? { validFromMs: until - 1, validUntilMs: until }
      : { validFromMs: from, validUntilMs: until }),
  }));

const compile = (grants: readonly GrantRow[], roles: readonly RoleDefinition[]): OrganizationIndex => {
  const compiled = compileOrganization(
    {
      orgId: ORG,
      slug: 'acme',
      revision: 3n,
      grants,
      roles,
      projects: [
        { projectId: uuid(3, 0), key: 'shop' },
        { projectId: uuid(3, 1), key: 'true' },
      ],
      environments: [
        { environmentId: uuid(4, 0), projectId: uuid(3, 0), key: 'live', tier: 'production' },
        { environmentId: uuid(4, 1), projectId: uuid(3, 1), key: 'live', tier: 'non-production' },
      ],
    },
    BUILT_IN_ROLES,
  );
  assert.ok(compiled.ok);
  return compiled.index;
};

/** Everybody is there; user 2 is not active any more. */
const standingOf = (): Standing => {
  const standing = new Standing();
  const account = (kind: number, number: number, type: 'user' | 'service_account') => ({
    subjectId: uuid(kind, number),
    standing: { type, active: !(kind === 5 && number === 2), epoch: 1n, groupIds: [uuid(6, number)] },
  });
  const subjects = [0, 1, 2].flatMap((number) => [account(5, number, 'user'), account(7, number, 'service_account')]);
  const groups = [0, 1, 2].map((number) => ({ groupId: uuid(6, number), displayName: 'A "group"\n- of: #all' }));
  standing.load(ORG, { position: 1n, logId: 'l', subjects, groups });
  return standing;
};

const present = (index: OrganizationIndex, standing: Standing, mappingIds: ReadonlySet<string>): PresentPolicy => ({
  index,
  mappingIds,
  rules: [],
  population: populationOf(standing, ORG),
  hasGroup: (groupId) => standing.hasGroup(ORG, groupId),
  nowMs: NOW_MS,
});

/** What it says is what is there; and made from nothing it decides the same. */
const assertSame = async (
  index: OrganizationIndex,
  standing: Standing,
  wanted: WantedPolicy,
  mappingIds: ReadonlySet<string>,
) => {
  const none = planPolicy(present(index, standing, mappingIds), wanted);
  assert.deepEqual(none.operations, []);
  const empty = compile([], []);
  const plan = planPolicy(present(empty, standing, new Set()), wanted);
  const made = await inTurns(
    policyAfterSteps(
      empty,
      toChanges(plan.operations, (at) => `g${String(at)}`),
    ),
    { monotonicMs: () => 0 },
  );
  const found = difference(index, made, populationOf(standing, ORG), NOW_MS);
  assert.deepEqual([...found.entries()], []);
};

const policies = fc
  .uniqueArray(grant, {
    maxLength: 12,
    selector: ({ validFromMs: _from, validUntilMs: _until, ...row }) => JSON.stringify(row),
  })
  .map((grants) =>
    grants.map((row, at): GrantRow => ({ ...row, grantId: uuid(2, 0).slice(0, -2) + String(at).padStart(2, '0') })),
  );

describe('a policy as a file', () => {
  it('says and decides the same after it was written as YAML and read (property)', async () => {
    const standing = standingOf();
    await fc.assert(
      fc.asyncProperty(policies, fc.nat({ max: 3 }), async (grants, nth) => {
        const index = compile(grants, [HOUSE]);
        const plain = index.grants.filter(
          ({ row, condition }) =>
            row.subjectType === 'group' &&
            row.effect === 'allow' &&
            condition === null &&
            row.tier === undefined &&
            row.resourceType === undefined &&
            row.validFromMs === null &&
            row.validUntilMs === null,
        );
        const mappingIds = new Set(plain.filter((_, at) => at % 4 === nth).map(({ row }) => row.grantId));
        const groupName = (): string => 'A "group"\n- of: #all\u2028x: y';
        const parts = { mappingIds, rules: [], groupName, nowMs: NOW_MS };
        const text = await inTurns(writeDocument(index, parts), systemClock);
        await assertSame(index, standing, readDocument(text, index), mappingIds);
      }),
      { numRuns: RUNS },
    );
  });

  it('is written in steps that let others have their turn, however long it is', async () => {
    const id = (at: number): string => `01900005-0000-7000-8000-${String(at).padStart(12, '0')}`;
    const many = Array.from({ length: 20_000 }, (_, at): GrantRow => ({
      grantId: id(at),
      subjectType: 'group',
      subjectId: id(at),
      roleKey: 'viewer',
      projectId: uuid(3, 0),
      environmentId: null,
      effect: 'allow',
      validFromMs: null,
      validUntilMs: null,
    }));
    const index = compile(many, []);
    const parts = { mappingIds: new Set<string>(), rules: [], groupName: () => undefined, nowMs: NOW_MS };
    const standing = standingOf();
    for (const written of [() => writeDocument(index, parts), () => exportPolicy(index, standing)]) {
      const longestMs = await longestTurnMs(async () => await inTurns<unknown>(written(), systemClock), 200);
      assert.ok(longestMs < 300, String(longestMs));
    }
  });

  it('says and decides the same after it was written for Casbin and read (property)', async () => {
    const standing = standingOf();
    await fc.assert(
      fc.asyncProperty(policies, async (grants) => {
        const index = compile(grants, [HOUSE]);
        const { policy, model } = await inTurns(exportPolicy(index, standing), systemClock);
        await assertSame(index, standing, readCasbin({ model, policy }, index, populationOf(standing, ORG)), new Set());
      }),
      { numRuns: RUNS },
    );
  });

  it('is in a thread what it is here (property)', async () => {
    const files = createFileReader({ clock: systemClock, logger: silentLogger() });
    const parts = { mappingIds: new Set<string>(), rules: [], groupName: () => 'A: "b" #', nowMs: NOW_MS };
    const standing = standingOf();
    const run = async (grants: readonly GrantRow[]): Promise<void> => {
      const index = compile(grants, [HOUSE]);
      const text = await inTurns(writeDocument(index, parts), systemClock);
      assert.deepEqual(await files.readDocument(ORG, text), parseDocument(text));
      const { policy, model } = await inTurns(exportPolicy(index, standing), systemClock);
      assert.deepEqual(await files.readCasbin(ORG, { model, policy }), parseCasbin({ model, policy }, ORG));
    };
    try {
      await fc.assert(fc.asyncProperty(policies, run), { numRuns: RUNS / 4 });
    } finally {
      await files.close();
    }
  });

  it('has no other model than ours, and no line of another organisation', async () => {
    const index = compile([], []);
    const population = populationOf(standingOf(), ORG);
    const weaker = MODEL_TEXT.replace(' && !some(where (p.eft == deny))', '');
    assert.notEqual(weaker, MODEL_TEXT);
    assert.throws(() => readCasbin({ model: weaker, policy: '' }, index, population), { code: 'INVALID_VALUE' });
    const { policy, model } = await inTurns(exportPolicy(index, standingOf()), systemClock);
    const lines = policy.trimEnd().split('\n');
    const bad: readonly (readonly [text: string, code: string])[] = [
      ['p, org:x, user:y, role:viewer, org:x, any, any, -, ~, always, allow', 'NOT_A_GRANT'],
      [`p, org:${ORG}, user:${uuid(5, 0)}, role:viewer, project:nowhere, any, any, -, ~, always, allow`, 'NOT_A_GRANT'],
      [
        `p, org:${ORG}, user:${uuid(5, 0)}, role:viewer, org:${ORG}, any, any, -, ~, condition:_007b, allow`,
        'NOT_A_GRANT',
      ],
      ['g3, permission:flag_003atoggle, role:viewer, place:production', 'BUILT_IN_ROLE'],
      ['g3, permission:flag_003afly, role:own, place:production', 'NOT_A_PERMISSION'],
      [`g2, project:${uuid(3, 0)}, project:${uuid(3, 1)}, org:${ORG}`, 'UNKNOWN_PLACE'],
      ['p, a, b', 'NOT_A_LINE'],
      ['__proto__, a, b, c', 'NOT_A_LINE'],
    ];
    for (const [text, code] of bad)
      assert.throws(
        () => readCasbin({ model, policy: [...lines, text].join('\n') }, index, population),
        (error: { fields?: readonly { code: string; detail: string }[] }) => {
          const isHere = error.fields?.[0]?.detail.startsWith(`line ${String(lines.length + 1)}:`) === true;
          assert.equal(error.fields?.[0]?.code, code, text);
          return isHere || code === 'BUILT_IN_ROLE';
        },
      );
  });

  it('has no entries below a key with nothing below it', () => {
    const index = compile([], []);
    const { grants, roles, rules } = readDocument('version: 1\nroles:\nseparationRules:\nmappings:\ngrants:\n', index);
    assert.deepEqual([grants, roles, rules], [[], [], []]);
  });

  it('is refused with the line of what is wrong in it', () => {
    const index = compile([], []);
    const bombs = ['a: &a [x, x]', 'b: &b [*a, *a]', 'version: 1'].join('\n');
    const bad: readonly (readonly [text: string, line: number, code?: string])[] = [
      ['', 1],
      ['version: 2', 1],
      ['version: 1\nsurprise: true', 1],
      ['version: 1\norganization: other', 2, 'OTHER_ORGANIZATION'],
      ['version: 1\ngrants:\n  - subject: user:nobody\n    role: viewer', 3],
      [`version: 1\ngrants:\n  - subject: user:${uuid(5, 0)}\n    role: viewer\n    surprise: 1`, 3],
      [
        `version: 1\ngrants:\n  - subject: user:${uuid(5, 0)}\n    role: viewer\n    project: nowhere`,
        3,
        'UNKNOWN_PLACE',
      ],
      [
        `version: 1\ngrants:\n  - subject: user:${uuid(5, 0)}\n    role: viewer\n    environment: live`,
        3,
        'UNKNOWN_PLACE',
      ],
      [`version: 1\ngrants:\n  - subject: user:${uuid(5, 0)}\n    role: viewer\n    condition:\n      property: x`, 6],
      ['version: 1\nversion: 1', 2, 'DUPLICATE_KEY'],
      [bombs, 1, 'ANCHOR'],
      ['version: 1\ngrants: !!set {}', 2, 'TAG'],
      ['version: 1\ngrants: !js/function "x"', 2],
      ['version: 1\n---\nversion: 1', 1, 'DOCUMENTS'],
      [`version: 1\ngrants: ${'['.repeat(100_000)}`, 1, 'TOO_DEEP'],
      [`version: 1\ngrants: ${'['.repeat(40)}${']'.repeat(40)}`, 2, 'TOO_DEEP'],
      [`version: 1\n${'#'.repeat(1024 * 1024)}`, 1, 'TOO_LARGE'],
      ['version: 1\n<<: {grants: []}', 2],
      ['version: 1\n__proto__: {grants: []}', 2],
      [
        'version: 1\nroles:\n  - key: owner2\n    name: X\n    levels: [organization]\n    permissions: {production: [flag:fly]}',
        6,
      ],
    ];
    for (const [text, line, code] of bad)
      assert.throws(
        () => readDocument(text, index),
        (error: { code?: string; metadata?: { line?: string }; fields?: readonly { code: string }[] }) => {
          assert.equal(error.code, 'INVALID_REQUEST', text.slice(0, 80));
          assert.equal(error.fields?.[0]?.code, code ?? error.fields?.[0]?.code, text.slice(0, 80));
          assert.ok(Number(error.metadata?.line) <= line + 1 && Number(error.metadata?.line) >= 1);
          return true;
        },
        text.slice(0, 80),
      );
  });

  it('takes time in proportion to its size, whatever is wrong with it', () => {
    const index = compile([], []);
    const many = 40_000;
    const keys = Array.from({ length: many }, (_, at) => `k${String(at)}: 1`).join('\n');
    const bad = [keys, `[${'@a, '.repeat(many)}]`, `[${'!a x, '.repeat(many)}]`];
    for (const text of bad) {
      const tookMs = computingMs(() => {
        assert.throws(() => readDocument(text, index), { code: 'INVALID_REQUEST' });
      });
      assert.ok(tookMs < 6_000, `${text.slice(0, 10)} took ${String(tookMs)} ms`);
    }
  });

  it('never ends otherwise than in a policy or a refusal (property)', () => {
    const index = compile([], []);
    const piece = fc.constantFrom(
      'version: 1\n',
      'grants:\n',
      '  - ',
      '&a ',
      '*a',
      '!!x ',
      '? ',
      ': ',
      '{',
      '[',
      '|\n',
      '"',
      '\t',
      '%YAML 1.1\n',
      '---\n',
      '...\n',
      '<<: ',
      'role: viewer\n',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 20 }).map((all) => all.join('')),
        ),
        (text) => {
          try {
            readDocument(text, index);
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'INVALID_REQUEST', String(error));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
