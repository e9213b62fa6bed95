/**
 * When identity and policy lose each other, by a silent network, a paused or a dead process, whoever decides from what
 * it knew stops deciding when its lease ends, whatever it cannot hear; and goes on by itself when it hears again.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { waitFor } from '@sallyport/dev-env';
import { expectStatus, type Answer, type Caller } from '@sallyport/dev-env/actors';
import { experiencedMs } from '@sallyport/testing';

import { employ, openCompany, type Company, type Employee } from '../src/company.ts';
import { allowedAfter, askOnce, lastValidMs, watchDecisions } from '../src/decisions.ts';
import { createProject, serveFlag, stateOf, type Project } from '../src/project.ts';
import { openRelay, type Cut, type Relay } from '../src/relay.ts';
import { setActive } from '../src/storm.ts';
import { LEASE, nowMs, SERVER_WAIT_MS } from '../src/time.ts';

/** A killed service stays away for longer than any lease. */
const AWAY_MS = 5_000;
/** What two busy cores may add to a promise about time. */
const SLACK_MS = 600;
const FLAG = 'toggled';

interface Scene {
  readonly project: Project;
  readonly leaver: Employee;
  readonly stayer: Employee;
}

const openScene = async (company: Company): Promise<Scene> => {
  const project = await createProject(company, [FLAG]);
  const [leaver, stayer] = [await employ(company, ['developers']), await employ(company, ['developers'])];
  await allowed(company, leaver, project);
  await allowed(company, stayer, project);
  return { project, leaver, stayer };
};

/** Waits until policy lets somebody toggle in staging. */
const allowed = async (company: Company, { subjectId }: Employee, project: Project): Promise<void> => {
  await waitFor(async () => (await askOnce(company, subjectId, project)).allowed, { message: 'policy to allow' });
};

const reasonIs = async (company: Company, { subjectId }: Employee, project: Project, reason: string): Promise<void> => {
  await waitFor(async () => (await askOnce(company, subjectId, project)).reason === reason, {
    message: `the reason ${reason}`,
  });
};

/** Flags has found its way to policy again, by itself. */
const toggles = async (caller: Caller, project: Project): Promise<void> => {
  const toggle = async (): Promise<number> =>
    (await caller.call('PATCH', project.flagPath(FLAG, 'staging'), { state: 'DISABLED' })).status;
  await waitFor(async () => (await toggle()) === 200, { message: 'flags to be changed again' });
};

/** Everything flags has written so far. */
const writtenByFlags = async ({ database }: Company): Promise<unknown> => {
  const { rows } = await database.query<Record<string, string>>(
    `SELECT (SELECT count(*) FROM flags.flag_environment_version) AS configurations,
            (SELECT count(*) FROM flags.change_request) AS changes,
            (SELECT sum(size) FROM flags.audit_head) AS entries`,
  );
  return rows[0];
};

describe('identity and policy cut off from each other', function () {
  this.timeout(180_000);
  let company: Company;
  let relay: Relay;

  before(async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'sallyport-'));
    // Ports are chosen when the constellation starts; nobody connects before.
    const identityPort = (): number =>
      (JSON.parse(readFileSync(join(stateDir, 'ports.json'), 'utf8')) as { identityGrpc: number }).identityGrpc;
    relay = await openRelay(identityPort);
    company = await openCompany({
      stateDir,
      keep: false,
      restart: { firstDelayMs: AWAY_MS, maxDelayMs: AWAY_MS, maxCrashes: 100 },
      settings: { policy: { SALLYPORT_IDENTITY_GRPC: relay.address } },
    });
  });

  after(async () => {
    await company?.close();
    await relay?.close();
  });

  const CUTS: readonly (readonly [Cut, string])[] = [
    ['both', 'neither hears the other'],
    ['to-client', 'policy hears nothing'],
    ['to-server', 'identity hears nothing'],
  ];
  for (const [cut, words] of CUTS) {
    it(`deny whom the directory deactivates meanwhile within the bound, when ${words}`, async () => {
      const { project, leaver, stayer } = await openScene(company);
      const watch = watchDecisions(company, leaver.subjectId, project);
      try {
        relay.cut(cut);
        const cutMs = nowMs();
        const tookMs = await experiencedMs(() => company.idp.act(leaver.key, 'deactivate'));
        const answeredMs = nowMs();
        assert.ok(tookMs <= SERVER_WAIT_MS + SLACK_MS, `answered after ${String(tookMs)} ms`);
        await waitFor(() => watch.samples.some(({ reason }) => reason === 'STANDING_STALE'));
        assert.ok(lastValidMs(watch.samples) <= cutMs + LEASE.ttlMs, 'a lease outlived its time');
        assert.ok(lastValidMs(watch.samples) <= answeredMs, 'an answer outlived the answer to the directory');
        relay.mend();
        await reasonIs(company, leaver, project, 'SUBJECT_REVOKED');
        await allowed(company, stayer, project);
        assert.deepEqual(allowedAfter(watch.samples, answeredMs), []);
      } finally {
        relay.mend();
        await watch.stop();
      }
    });
  }

  it('never deny everybody for good, and never allow a leaver, when the network comes and goes', async () => {
    const { project, leaver, stayer } = await openScene(company);
    const watch = watchDecisions(company, leaver.subjectId, project);
    const flapping = { over: false };
    const flap = async (): Promise<void> => {
      for (let round = 0; !flapping.over; round += 1) {
        const seen = watch.samples.length;
        if (round % 2 === 0) relay.cut('both');
        else relay.mend();
        // As many questions as fit into a part of a lease: the pace follows the machine.
        await waitFor(() => flapping.over || watch.samples.length > seen + 100);
      }
      relay.mend();
    };
    const flapped = flap();
    try {
      await waitFor(() => watch.samples.length > 250);
      await company.idp.act(leaver.key, 'deactivate');
      const answeredMs = nowMs();
      await waitFor(() => (watch.samples.at(-1)?.beganMs ?? 0) > answeredMs + LEASE.ttlMs);
      assert.deepEqual(allowedAfter(watch.samples, answeredMs), []);
    } finally {
      flapping.over = true;
      await flapped;
      await watch.stop();
    }
    await reasonIs(company, leaver, project, 'SUBJECT_REVOKED');
    await allowed(company, stayer, project);
  });

  const silences: readonly (readonly [string, () => Promise<void>, () => void])[] = [
    [
      'paused',
      async () => {
        company.constellation.services.identity.pause();
        await Promise.resolve();
      },
      () => {
        company.constellation.services.identity.resume();
      },
    ],
    [
      'dead',
      async () => {
        await company.constellation.services.identity.kill9();
      },
      () => undefined,
    ],
  ];
  for (const [words, silence, end] of silences) {
    it(`let nobody decide or change anything for longer than a lease while identity is ${words}`, async () => {
      const { owner, constellation } = company;
      const { project, stayer } = await openScene(company);
      const evaluate = await serveFlag(company, project, FLAG);
      await waitFor(async () => (await evaluate()).status === 200);
      const before = await writtenByFlags(company);
      const watch = watchDecisions(company, stayer.subjectId, project);
      try {
        const silentMs = nowMs();
        await silence();
        await waitFor(() => watch.samples.some(({ reason }) => reason === 'STANDING_STALE'), { intervalMs: 5 });
        assert.ok(
          watch.samples.some((sample) => sample.allowed && sample.beganMs > silentMs),
          'policy decides from memory while its lease lasts',
        );
        assert.ok(lastValidMs(watch.samples) <= silentMs + LEASE.ttlMs + SLACK_MS / 10);
        const refused = await owner.call('PATCH', project.flagPath(FLAG, 'staging'), { state: 'DISABLED' });
        assert.equal(refused.status, 503, JSON.stringify(refused.body));
        assert.deepEqual(await evaluate(), { status: 200, value: true });
        assert.deepEqual(await writtenByFlags(company), before);
      } finally {
        end();
        await watch.stop();
      }
      await constellation.services.identity.whenReady();
      await allowed(company, stayer, project);
      await toggles(owner, project);
      await expectStatus(stayer.person, 200, 'GET', '/api/identity/v1/me');
    });
  }

  it('answer the directory when the last lease has ended, and wake up denying, when policy is paused', async () => {
    const { policy } = company.constellation.services;
    const { project, leaver, stayer } = await openScene(company);
    const held = await askOnce(company, leaver.subjectId, project);
    assert.ok(held.allowed);
    policy.pause();
    let asked: Promise<unknown>[] = [];
    try {
      const answered = async (path: string, patch: object): Promise<number> => {
        await expectStatus(company.directory, 200, 'PATCH', path, patch);
        return nowMs();
      };
      const path = `/scim/v2/Users/${leaver.subjectId}`;
      // Whoever comes second finds the account closed, and is not told sooner for it.
      const moments: number[] = [];
      const tookMs = await experiencedMs(async () => {
        moments.push(...(await Promise.all([1, 2].map(async () => await answered(path, setActive(false))))));
      });
      const answeredMs = Math.max(...moments);
      assert.ok(Math.min(...moments) >= held.validUntilMs, 'a directory was told while somebody could still allow');
      assert.ok(tookMs <= SERVER_WAIT_MS + SLACK_MS, `after ${String(tookMs)} ms`);
      // They lie in front of policy before anything that could tell it better.
      asked = [
        ...[1, 2, 3].map(async () => (await askOnce(company, leaver.subjectId, project, 4_000)).allowed),
        ...[1, 2, 3].map(async () => await evaluated(company, leaver, project)),
      ];
      await waitFor(() => nowMs() > answeredMs + LEASE.renewalMs / 2);
    } finally {
      policy.resume();
    }
    assert.deepEqual(new Set(await Promise.all(asked)), new Set([false]));
    await reasonIs(company, leaver, project, 'SUBJECT_REVOKED');
    await allowed(company, stayer, project);
  });

  it('change no flag and serve every flag while policy is dead', async () => {
    const { owner, constellation } = company;
    const { policy } = constellation.services;
    const { project, leaver, stayer } = await openScene(company);
    const evaluate = await serveFlag(company, project, FLAG);
    await waitFor(async () => (await evaluate()).status === 200);
    const before = await writtenByFlags(company);
    await policy.kill9();
    for (const caller of [owner, stayer.person]) {
      const refused = await caller.call('PATCH', project.flagPath(FLAG, 'staging'), { state: 'DISABLED' });
      assert.deepEqual([refused.status, refused.body['title']], [503, 'No authorisation decision can be had']);
    }
    assert.deepEqual(await evaluate(), { status: 200, value: true });
    await expectStatus(stayer.person, 200, 'GET', '/api/identity/v1/me');
    const tookMs = await experiencedMs(() => company.idp.act(leaver.key, 'deactivate'));
    assert.ok(tookMs <= SERVER_WAIT_MS + SLACK_MS, 'nobody is left who could allow');
    assert.equal(policy.pid, undefined, 'policy was back too early for this test to mean anything');
    assert.deepEqual(await writtenByFlags(company), before);
    const watch = watchDecisions(company, leaver.subjectId, project);
    await policy.whenReady();
    await reasonIs(company, leaver, project, 'SUBJECT_REVOKED');
    await watch.stop();
    assert.deepEqual(
      watch.samples.filter((sample) => sample.allowed),
      [],
      'allowed by what policy had written down before',
    );
    await toggles(stayer.person, project);
  });

  // Whoever toggles now has been allowed to, and then has to wait for a row that somebody else has locked.
  const toggleHeldUp = async (
    project: Project,
    { person }: Employee,
    meanwhile: () => Promise<void>,
  ): Promise<Answer> => {
    const lock = await company.database.connect();
    try {
      await lock.query('BEGIN');
      await lock.query('SELECT FROM flags.environment WHERE environment_id = $1 FOR UPDATE', [project.stagingId]);
      const toggled = person.call('PATCH', project.flagPath(FLAG, 'staging'), { state: 'ENABLED' });
      await waitFor(async () => {
        const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'sallyport_flags'`;
        return (await company.database.query(waiting)).rowCount === 1;
      });
      await meanwhile();
      await lock.query('ROLLBACK');
      return await toggled;
    } finally {
      lock.release(true);
    }
  };

  it('commit no change of somebody who is out, though it was decided before and has waited since', async () => {
    const { project, leaver } = await openScene(company);
    const { status, body } = await toggleHeldUp(project, leaver, async () => {
      await company.idp.act(leaver.key, 'deactivate');
    });
    assert.deepEqual([status, body['code']], [409, 'DECISION_EXPIRED'], JSON.stringify(body));
    assert.equal(await stateOf(company.owner, project, FLAG, 'staging'), 'DISABLED');
  });

  it('commit no change whose decision has run out meanwhile', async () => {
    const { project, stayer } = await openScene(company);
    const { status, body } = await toggleHeldUp(project, stayer, async () => {
      const startedMs = nowMs();
      await waitFor(() => nowMs() > startedMs + LEASE.ttlMs);
    });
    assert.deepEqual([status, body['code']], [409, 'DECISION_EXPIRED'], JSON.stringify(body));
    assert.equal(await stateOf(company.owner, project, FLAG, 'staging'), 'DISABLED');
  });
});

/** What AuthZEN answers about toggling in staging. */
const evaluated = async ({ decisions }: Company, { subjectId }: Employee, project: Project): Promise<boolean> => {
  const { projectId, stagingId: environment } = project;
  const answer = await decisions.call('POST', '/access/v1/evaluation', {
    subject: { type: 'user', id: subjectId },
    action: { name: 'flag:toggle' },
    resource: { type: 'environment', id: environment, properties: { project: projectId, environment } },
  });
  assert.equal(answer.status, 200);
  return answer.body['decision'] === true;
};
