import assert from 'node:assert/strict';

import fc from 'fast-check';

import { compileOrganization } from '../model/compile.ts';
import { BUILT_IN_ROLES } from '../model/roles.ts';
import type { GrantRow, OrganizationRows } from '../model/rows.ts';
import type { SubjectStanding } from '@sallyport/subject-feed';
import { DecisionPoint, type DecisionKnowledge } from './check.ts';
import { REASONS, type Decision, type DecisionRequest, type Reason } from './decision.ts';

const NOW = 1_000_000;

const grant = (fields: Partial<GrantRow>): GrantRow => ({
  grantId: 'grant',
  subjectType: 'user',
  subjectId: 'alice',
  roleKey: 'developer',
  projectId: null,
  environmentId: null,
  effect: 'allow',
  validFromMs: null,
  validUntilMs: null,
  ...fields,
});

const rows = (grants: readonly GrantRow[]): OrganizationRows => ({
  orgId: 'org',
  slug: 'acme',
  revision: 41n,
  grants,
  projects: [
    { projectId: 'shop', key: 'shop' },
    { projectId: 'blog', key: 'blog' },
  ],
  environments: [
    { environmentId: 'staging', projectId: 'shop', key: 'staging', tier: 'non-production' },
    { environmentId: 'live', projectId: 'shop', key: 'live', tier: 'production' },
  ],
});

interface World {
  standingForMs: number;
  grantsForMs: number;
  alice: SubjectStanding | undefined;
  grants: readonly GrantRow[];
}

const ALICE: SubjectStanding = { type: 'user', active: true, epoch: 3n, groupIds: ['qa'] };

const world = (changes: Partial<World> = {}): World => ({
  standingForMs: 700.5,
  grantsForMs: 800,
  alice: ALICE,
  grants: [grant({})],
  ...changes,
});

const pointOf = (state: World): DecisionPoint => {
  const compiled = compileOrganization(rows(state.grants), BUILT_IN_ROLES);
  assert.ok(compiled.ok);
  const knowledge: DecisionKnowledge = {
    look: (orgId) => ({
      index: orgId === 'org' ? compiled.index : undefined,
      standing: {
        position: 9n,
        subjects: new Map(orgId === 'org' && state.alice !== undefined ? [['alice', state.alice]] : []),
      },
      standingMs: state.standingForMs,
      grantsMs: state.grantsForMs,
    }),
  };
  return new DecisionPoint({ knowledge, clock: { now: () => new Date(NOW), monotonicMs: () => 0 } });
};

const request = (changes: Partial<DecisionRequest> = {}): DecisionRequest => ({
  orgId: 'org',
  subject: { type: 'user', id: 'alice', epoch: 3n },
  action: 'flag:toggle',
  projectId: 'shop',
  environmentId: 'staging',
  ...changes,
});

const decide = (state: World, question: DecisionRequest = request()): Decision => pointOf(state).decide(question);

const reasonOf = (state: Partial<World>, question: Partial<DecisionRequest> = {}): Reason =>
  decide(world(state), request(question)).reason;

describe('decision', () => {
  it('names grant, role, revision and validity when it allows', () => {
    assert.deepEqual(decide(world()), {
      allowed: true,
      reason: 'GRANTED',
      explanation: 'Developer permits flag:toggle in a non-production environment.',
      matchedGrant: 'grant',
      matchedRole: 'developer',
      standingPosition: 9n,
      grantsRevision: 41n,
      policyRevision: 'org@s9.g41',
      validForMs: 700,
    });
  });

  it('says why it denies, in production as the role table has it', () => {
    const { allowed, reason, explanation, validForMs } = decide(world(), request({ environmentId: 'live' }));
    assert.deepEqual([allowed, reason, validForMs], [false, 'NO_GRANT', 0]);
    assert.equal(explanation, 'No role you hold here permits flag:toggle in a production environment.');
  });

  it('checks in order: inputs, freshness, standing, scope, denials, allowances', () => {
    const broken: Partial<World> = { standingForMs: 0, grantsForMs: 0, alice: undefined };
    assert.equal(reasonOf(broken, { action: '' }), 'INVALID_REQUEST');
    assert.equal(reasonOf(broken, { action: 'flag:togle' }), 'UNKNOWN_ACTION');
    assert.equal(reasonOf(broken), 'STANDING_STALE');
    assert.equal(reasonOf({ ...broken, standingForMs: 5 }), 'GRANTS_STALE');
    assert.equal(reasonOf({ alice: undefined }, { orgId: 'other' }), 'UNKNOWN_ORGANIZATION');
    assert.equal(reasonOf({ alice: undefined }, { environmentId: 'nowhere' }), 'SUBJECT_UNKNOWN');
    assert.equal(reasonOf({ alice: { ...ALICE, active: false } }, { environmentId: 'nowhere' }), 'SUBJECT_REVOKED');
    assert.equal(reasonOf({}, { environmentId: 'nowhere' }), 'UNKNOWN_ENVIRONMENT');
    const denied = [grant({}), grant({ grantId: 'deny', effect: 'deny' })];
    assert.equal(reasonOf({ grants: denied }), 'EXPLICIT_DENY');
    assert.equal(reasonOf({ grants: [] }), 'NO_GRANT');
  });

  it('denies when less than a millisecond of lease is left', () => {
    assert.equal(reasonOf({ standingForMs: 0.9 }), 'STANDING_STALE');
    assert.equal(reasonOf({ grantsForMs: 0.9 }), 'GRANTS_STALE');
    assert.equal(decide(world({ grantsForMs: 1 })).validForMs, 1);
  });

  it('refuses a credential of an older epoch, and waits for the log when the credential is newer', () => {
    assert.equal(reasonOf({}, { subject: { type: 'user', id: 'alice', epoch: 2n } }), 'SUBJECT_REVOKED');
    assert.equal(reasonOf({}, { subject: { type: 'user', id: 'alice', epoch: 4n } }), 'STANDING_STALE');
    assert.equal(reasonOf({}, { subject: { type: 'user', id: 'alice', epoch: 0n } }), 'GRANTED');
  });

  it('knows a subject only as the type it is', () => {
    assert.equal(reasonOf({}, { subject: { type: 'service_account', id: 'alice', epoch: 0n } }), 'SUBJECT_UNKNOWN');
    assert.equal(reasonOf({}, { subject: { type: 'group', id: 'qa', epoch: 0n } }), 'INVALID_REQUEST');
  });

  it('takes the tier from the registry and refuses an environment of another project', () => {
    assert.equal(reasonOf({}, { projectId: '' }), 'GRANTED');
    assert.equal(reasonOf({}, { projectId: 'blog' }), 'UNKNOWN_ENVIRONMENT');
    assert.equal(reasonOf({}, { projectId: 'nowhere', environmentId: '' }), 'UNKNOWN_PROJECT');
    // Keys, cases, paths and look-alikes are not ids.
    for (const environmentId of ['Staging', 'staging ', 'staging/../live', 'stag*', 'ｓtaging'])
      assert.equal(reasonOf({}, { environmentId }), 'UNKNOWN_ENVIRONMENT');
  });

  it('reaches subjects through groups, and a denial of the group binds them too', () => {
    const viaGroup = grant({ subjectType: 'group', subjectId: 'qa' });
    assert.equal(reasonOf({ grants: [viaGroup] }), 'GRANTED');
    assert.equal(reasonOf({ grants: [grant({}), { ...viaGroup, effect: 'deny' }] }), 'EXPLICIT_DENY');
    assert.equal(reasonOf({ grants: [{ ...viaGroup, subjectId: 'alice' }] }), 'NO_GRANT');
  });

  it('keeps grants inside their scope', () => {
    const at = (fields: Partial<GrantRow>, question: Partial<DecisionRequest> = {}): Reason =>
      reasonOf({ grants: [grant(fields)] }, question);
    assert.equal(at({ projectId: 'shop' }), 'GRANTED');
    assert.equal(at({ projectId: 'blog' }), 'NO_GRANT');
    assert.equal(at({ projectId: 'shop', environmentId: 'staging' }), 'GRANTED');
    assert.equal(at({ projectId: 'shop', environmentId: 'live' }), 'NO_GRANT');
    const project = { action: 'project:read', environmentId: '' };
    assert.equal(at({ projectId: 'shop', environmentId: 'staging' }, project), 'NO_GRANT');
    assert.equal(at({ projectId: 'shop' }, project), 'GRANTED');
    assert.equal(at({ projectId: 'shop' }, { ...project, projectId: '' }), 'NO_GRANT');
  });

  it('honours beginning (inclusive) and end (exclusive), and never outlives them', () => {
    const timed = (validFromMs: number | null, validUntilMs: number | null): Decision =>
      decide(world({ grants: [grant({ validFromMs, validUntilMs })] }));
    assert.equal(timed(NOW, null).reason, 'GRANTED');
    assert.equal(timed(NOW + 1, null).reason, 'GRANT_NOT_YET_VALID');
    assert.equal(timed(null, NOW).reason, 'GRANT_EXPIRED');
    assert.equal(timed(null, NOW + 5).validForMs, 5);
    const soonDenied = [grant({}), grant({ grantId: 'deny', effect: 'deny', validFromMs: NOW + 7 })];
    assert.equal(decide(world({ grants: soonDenied })).validForMs, 7);
    const overDenied = [grant({}), grant({ grantId: 'deny', effect: 'deny', validUntilMs: NOW })];
    assert.equal(decide(world({ grants: overDenied })).validForMs, 700);
  });
});

describe('a sitting', () => {
  it('judges each question by itself, as one asked alone', () => {
    const point = pointOf(world());
    const questions = [
      request(),
      request({ environmentId: 'live' }),
      request({ action: '' }),
      request({ subject: { type: 'user', id: 'bob', epoch: 0n } }),
      request({ subject: { type: 'user', id: 'alice', epoch: 2n } }),
      request(),
    ];
    const decideNow = point.sitting();
    assert.deepEqual(
      questions.map(decideNow),
      questions.map((question) => point.decide(question)),
    );
  });

  it('keeps organisations apart, and has no answer where something is to be prepared first', () => {
    const decideNow = pointOf(world()).sitting();
    const orgIds = ['org', 'other', 'org', 'org', 'other'];
    const reasons = orgIds.map((orgId) => decideNow(request({ orgId }))?.reason ?? null);
    assert.deepEqual(reasons, ['GRANTED', null, 'GRANTED', 'GRANTED', null]);
  });

  it('knows what is known when it begins', () => {
    const state = world();
    const point = pointOf(state);
    assert.equal(point.sitting()(request())?.reason, 'GRANTED');
    state.standingForMs = 0;
    assert.equal(point.sitting()(request())?.reason, 'STANDING_STALE');
  });
});

describe('decision on hostile input', () => {
  it('answers every request with a known reason and never throws; only exact strings are ever allowed', () => {
    const point = pointOf(world());
    const odd = fc.oneof(
      fc.constantFrom<unknown>('__proto__', 'constructor', '', 'x'.repeat(1025), null, undefined, 3, ['alice'], {}),
      fc.constantFrom<unknown>({ toString: () => 'alice' }, 'alice', 'org', 'user', 'flag:toggle', 'shop', 'staging'),
      fc.anything(),
    );
    const epoch = fc.oneof(fc.constantFrom<unknown>(0n, 3n, 4n, -1n, 3, '3', null), odd);
    fc.assert(
      fc.property(
        odd,
        odd,
        odd,
        epoch,
        odd,
        odd,
        odd,
        (orgId, type, id, issuedIn, action, projectId, environmentId) => {
          const question = { orgId, subject: { type, id, epoch: issuedIn }, action, projectId, environmentId };
          const decision = point.decide(question as DecisionRequest);
          assert.ok(Object.hasOwn(REASONS, decision.reason));
          assert.equal(decision.allowed, decision.reason === 'GRANTED');
          if (decision.allowed) assert.deepEqual([orgId, type, id], ['org', 'user', 'alice']);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
