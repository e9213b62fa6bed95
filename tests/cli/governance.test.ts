/** Asking for access, reviews and four eyes at the command line: the installed command, in a process of its own. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';

import { expectStatus, issueApiToken } from '@sallyport/dev-env/actors';
import { employ, type Company, type Employee } from '../src/company.ts';
import { createProject, type Project } from '../src/project.ts';
import { inAnHour } from '../src/time.ts';
import { Terminal } from '../support/command-line.ts';
import { operatorAt, type Operator } from '../support/operator.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken } from '../support/workshop.ts';

const P = '/api/policy/v1';
const HOUR_MS = 60 * 60 * 1_000;
const NOBODY = '0190a000-0000-7000-8000-000000000001';

type Body = Record<string, unknown>;

describe('sallyport requests, reviews, proposals', function () {
  this.timeout(180_000);
  let company: Company;
  let terminal: Terminal;
  let owner: Operator;

  const at = (token: string): Operator => operatorAt(terminal, company, token);
  const seat = async ({ person }: Employee): Promise<Operator> =>
    at(await issueApiToken(person, 'Terminal', inAnHour()));
  const grant = async ({ subjectId }: Employee, role: string, projectId?: string): Promise<string> => {
    const scope = projectId === undefined ? {} : { projectId };
    const body = { subject: { type: 'user', id: subjectId }, role, scope };
    return String((await expectStatus(company.owner, 201, 'POST', `${P}/grants`, body))['id']);
  };
  const idsOf = (items: readonly Body[]): readonly string[] => items.map(({ id }) => String(id));

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    terminal = new Terminal();
    owner = at(await ownerToken(company));
  });
  after(() => {
    terminal.close();
  });

  describe('requests', () => {
    let project: Project;
    let dev: Employee;
    let asker: Operator;

    before(async () => {
      project = await createProject(company, ['standing']);
      dev = await employ(company, ['developers']);
      asker = await seat(dev);
    });

    const ask = (reason: string): readonly string[] => {
      const where = ['--project', project.key, '--environment', 'live'];
      return ['requests', 'ask', '--role', 'release_manager', ...where, '--for', '4h', '--reason', reason];
    };
    const asked = async (reason: string): Promise<string> => String((await asker.json(...ask(reason)))['id']);

    it('asks, is approved by somebody else who sees what they approve, and holds the role', async () => {
      const toggle = ['check', '--subject', `user:${dev.subjectId}`, '--action', 'flag:toggle'];
      const inLive = [...toggle, '--project', project.key, '--environment', 'live'];
      await owner.expect(4, ...inLive);
      const startedMs = Date.now();
      const made = await asker.expect(0, ...ask('The checkout is down.'));
      assert.match(made.stdout, new RegExp(`^requester +user:${dev.subjectId} \\(you\\)$`, 'm'));
      const [, until = ''] = /^until +(\S+)$/m.exec(made.stdout) ?? [];
      const lengthMs = Date.parse(until) - startedMs;
      assert.ok(lengthMs >= 4 * HOUR_MS && lengthMs < 4 * HOUR_MS + 60_000, until);
      const [, id = ''] = /^request +(\S+)$/m.exec(made.stdout) ?? [];

      const waiting = ['requests', 'list', '--all', '--state', 'pending', '--project', project.key];
      const listed = await owner.expect(0, ...waiting);
      const row = `^${id} +pending +user:${dev.userName} +release_manager +${project.key}/live +`;
      assert.match(listed.stdout, new RegExp(row, 'm'));
      assert.ok(!idsOf(await owner.json<Body[]>('requests', 'list')).includes(id));
      assert.deepEqual(idsOf(await asker.json<Body[]>('requests', 'list', '--project', project.key)), [id]);
      await asker.expect(4, 'requests', 'list', '--all');
      await asker.expect(4, 'requests', 'approve', id);

      const approved = await owner.expect(0, 'requests', 'approve', id, '--reason', 'Until tonight.');
      assert.match(approved.stdout, new RegExp(`^requester +user:${dev.userName} \\(${dev.subjectId}\\)$`, 'm'));
      assert.match(approved.stdout, new RegExp(`^where +${project.key}/live$`, 'm'));
      assert.match(approved.stdout, /^reason +The checkout is down\.$/m);
      const [, grantId = ''] = /is approved: grant (\S+) until /.exec(approved.stdout) ?? [];
      await owner.expect(0, ...inLive);
      const shown = await asker.json('requests', 'show', id);
      assert.deepEqual([shown['state'], shown['answer']], ['approved', 'Until tonight.']);
      assert.deepEqual(shown['grant'], { id: grantId, validUntil: until });
      assert.match((await owner.expect(6, 'requests', 'approve', id)).stderr, /is approved/);
      await owner.expect(0, 'grants', 'revoke', grantId);
    });

    it('is denied, or taken back by who asked', async () => {
      const first = await asked('To see whether it works.');
      const denied = await owner.json('requests', 'deny', first, '--reason', 'It does.');
      assert.deepEqual([denied['state'], denied['answer'], denied['grant']], ['denied', 'It does.', null]);
      assert.match((await asker.expect(0, 'requests', 'show', first)).stdout, /^answer +It does\.$/m);
      const second = await asked('To see it again.');
      await owner.expect(5, 'requests', 'cancel', second);
      assert.match((await asker.expect(0, 'requests', 'cancel', second)).stdout, /is cancelled\.$/m);
      await asker.expect(6, 'requests', 'cancel', second);
    });

    it('shows what somebody wrote without doing what it says', async () => {
      const id = await asked('Harmless.\nstate  approved\u001b[2J\u202e');
      const { stdout } = await owner.expect(0, 'requests', 'show', id);
      assert.match(stdout, /^reason +Harmless\.\\nstate {2}approved\\u\{1b\}\[2J\\u\{202e\}$/m);
      assert.ok((await owner.expect(0, 'requests', 'list', '--all')).stdout.includes('Harmless.\\nstate'));
      await asker.expect(0, 'requests', 'cancel', id);
    });
  });

  describe('reviews', () => {
    let project: Project;
    let reviewer: Employee;
    let judge: Operator;
    let kept: string;
    let revoked: string;
    let gone: Employee;

    before(async () => {
      project = await createProject(company, ['standing']);
      reviewer = await employ(company, []);
      gone = await employ(company, []);
      await grant(reviewer, 'project_admin', project.projectId);
      kept = await grant(await employ(company, []), 'viewer', project.projectId);
      revoked = await grant(gone, 'viewer', project.projectId);
      judge = await seat(reviewer);
    });

    const start = (title: string): readonly string[] => {
      const what = ['--title', title, '--project', project.key, '--role', 'viewer'];
      const who = ['--reviewer', `user:${reviewer.userName}`, '--deadline', inAnHour().toISOString()];
      return ['reviews', 'start', ...what, ...who];
    };

    it('is started, answered grant by grant, and leaves evidence', async () => {
      const { stdout } = await owner.expect(0, ...start('Who looks on'));
      assert.match(stdout, new RegExp(`^reviewers +${reviewer.userName}$`, 'm'));
      assert.match(stdout, /^grants +2 open$/m);
      const [, id = ''] = /^review +(\S+)$/m.exec(stdout) ?? [];
      assert.deepEqual(idsOf(await judge.json<Body[]>('reviews', 'list')), [id]);
      assert.ok(!idsOf(await owner.json<Body[]>('reviews', 'list')).includes(id));
      const all = await owner.expect(0, 'reviews', 'list', '--all');
      assert.match(all.stdout, new RegExp(`^${id} +open +Who looks on +${project.key} +viewer +\\S+ +2 open$`, 'm'));

      await owner.expect(5, 'reviews', 'keep', id, kept, '--reason', 'I am no reviewer.');
      const keep = await judge.expect(0, 'reviews', 'keep', id, kept, '--reason', 'Still looks on.');
      assert.match(keep.stdout, new RegExp(`^Grant ${kept} is kept\\.$`, 'm'));
      await judge.expect(6, 'reviews', 'keep', id, kept, '--reason', 'Once more.');
      const half = await judge.expect(0, 'reviews', 'show', id);
      // Whoever judges somebody sees who it is, without being one who sees accounts.
      await judge.expect(4, 'accounts', 'list');
      assert.match(
        half.stdout,
        new RegExp(`^${revoked} +open +user:${gone.userName} +viewer +${project.key} +– `, 'm'),
      );
      assert.match(half.stdout, new RegExp(`^${kept} +kept .*Still looks on\\.$`, 'm'));
      const taken = await judge.json('reviews', 'revoke', id, revoked, '--reason', 'Has left.');
      assert.deepEqual(taken, { review: id, revoked });
      await owner.expect(5, 'grants', 'revoke', revoked);
      const ended = await owner.json<{ state: string; items: Body[] }>('reviews', 'show', id);
      assert.equal(ended.state, 'closed');
      const states = new Map(ended.items.map(({ grantId, state }) => [grantId, state]));
      assert.deepEqual([states.get(kept), states.get(revoked), states.size], ['kept', 'revoked', 2]);

      const file = terminal.file('evidence.json');
      await owner.expect(0, 'reviews', 'evidence', id, '--out', file);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const written = JSON.parse(readFileSync(file, 'utf8')) as { review: Body; items: Body[]; hash: string };
      assert.deepEqual(JSON.parse((await owner.expect(0, 'reviews', 'evidence', id)).stdout), written);
      assert.equal(written.review['id'], id);
      const csv = await judge.expect(0, 'reviews', 'evidence', id, '--format', 'csv');
      assert.match(csv.stdout, new RegExp(`^${revoked},user,${gone.subjectId},.*,revoked,.*,Has left\\.,`, 'm'));
      assert.ok(csv.stdout.trimEnd().endsWith(written.hash));
    });

    it('is cancelled without taking anything back', async () => {
      const { id } = await owner.json<{ id: string }>(...start('Never mind'));
      await judge.expect(0, 'reviews', 'show', id);
      assert.match((await owner.expect(0, 'reviews', 'cancel', id)).stdout, /is cancelled\.$/m);
      await owner.expect(6, 'reviews', 'cancel', id);
      const grants = await owner.json<Body[]>('grants', 'list', '--project', project.key, '--role', 'viewer');
      assert.ok(idsOf(grants).includes(kept));
    });
  });

  describe('proposals', () => {
    let project: Project;
    let member: Employee;
    let other: Operator;
    let otherGrant: string | undefined;
    let protectionId: string;
    /** Roles nobody is given, so that they are in nobody's way, and a rule of one. */
    let own: { readonly held: string; readonly spare: string; readonly ruleId: string };
    const looking = { levels: ['project'], permissions: { production: ['flag:read'] } };
    const onlooker = (key: string): object => ({ key, name: key, ...looking });

    before(async () => {
      project = await createProject(company, ['standing']);
      member = await employ(company, []);
      const ownRole = async (): Promise<string> => {
        const key = company.nextName('role');
        await expectStatus(company.owner, 201, 'POST', `${P}/roles`, onlooker(key));
        return key;
      };
      const [held, spare] = [await ownRole(), await ownRole()];
      const rule = { name: held, roles: [held, await ownRole()] };
      const made = await expectStatus(company.owner, 201, 'POST', `${P}/separation-rules`, rule);
      own = { held, spare, ruleId: String(made['id']) };
      const second = await employ(company, []);
      otherGrant = await grant(second, 'owner');
      other = await seat(second);
      const body = { scope: { projectId: project.projectId }, requiredApprovals: 1 };
      protectionId = String((await expectStatus(company.owner, 201, 'POST', `${P}/protections`, body))['id']);
    });
    // A protection left behind would refuse others every role at the organisation: it goes, however the tests ended.
    after(async () => {
      await company.database.query(
        'UPDATE policy.scope_protection SET required_approvals = 0 WHERE project_id = $1 AND required_approvals > 0',
        [project.projectId],
      );
      if (otherGrant !== undefined) await expectStatus(company.owner, 204, 'DELETE', `${P}/grants/${otherGrant}`);
    });

    const write = (change: object): string => {
      const file = terminal.file('change.json');
      writeFileSync(file, JSON.stringify(change));
      return file;
    };
    const viewer = (): object => ({
      kind: 'grant.create',
      grant: {
        subject: { type: 'user', id: member.subjectId },
        role: 'viewer',
        scope: { projectId: project.projectId },
        tier: 'production',
      },
    });
    const proposed = async (change: object): Promise<{ id: string; hash: string }> =>
      await owner.json('proposals', 'create', write(change), '--reason', 'To look on.');

    it('is created, agreed to by another Owner who sees it in words, and applied', async () => {
      const assign = ['grants', 'assign', '--subject', `user:${member.subjectId}`, '--role', 'viewer'];
      await owner.expect(6, ...assign, '--project', project.key);
      const created = await owner.expect(0, 'proposals', 'create', write(viewer()), '--reason', 'To look on.');
      const [, id = ''] = /^proposal +(\S+)$/m.exec(created.stdout) ?? [];
      const [, hash = ''] = /^hash +(\S+)$/m.exec(created.stdout) ?? [];
      const whom = `user:${member.userName} \\(${member.subjectId}\\)`;
      const words = `^change +give to ${whom}: viewer \\(${project.key}\\), only production$`;
      assert.match(created.stdout, new RegExp(words, 'm'));
      assert.match(created.stdout, /^approvals +none$\nneeded +1$/m);
      assert.ok(idsOf(await owner.json<Body[]>('proposals', 'list')).includes(id));
      assert.deepEqual(await other.json<Body[]>('proposals', 'list'), []);
      assert.match((await other.expect(0, 'proposals', 'list', '--all')).stdout, new RegExp(`^${id} +in_review `, 'm'));

      const alone = await owner.expect(6, 'proposals', 'apply', id);
      assert.match(alone.stderr, /others have agreed/);
      assert.notEqual((await owner.run('proposals', 'approve', id)).code, 0);
      await other.expect(6, 'proposals', 'approve', id, '--hash', '0'.repeat(64));
      const agreed = await other.expect(0, 'proposals', 'approve', id, '--hash', hash, '--reason', 'Fine.');
      assert.match(agreed.stdout, new RegExp(words, 'm'));
      assert.match(agreed.stdout, /in review; agreed to by 1\.$/m);
      assert.match(
        (await owner.expect(0, 'proposals', 'show', id)).stdout,
        /^approvals +user:\S+@\S+ at \S+: Fine\.$/m,
      );
      assert.match((await owner.expect(0, 'proposals', 'apply', id)).stdout, /is applied\.$/m);
      const read = ['check', '--subject', `user:${member.subjectId}`, '--action', 'flag:read'];
      await owner.expect(0, ...read, '--project', project.key, '--environment', 'live');
      await owner.expect(4, ...read, '--project', project.key, '--environment', 'staging');
    });

    it('says what would be taken away, and ends by one who objects or by who proposed it', async () => {
      const list = ['grants', 'list', '--project', project.key, '--subject', `user:${member.subjectId}`];
      const [held] = await owner.json<Body[]>(...list);
      const deletion = await proposed({ kind: 'grant.delete', grantId: held?.['id'] });
      const rejected = await other.expect(0, 'proposals', 'reject', deletion.id, '--reason', 'Not yet.');
      const whom = `user:${member.userName} \\(${member.subjectId}\\)`;
      const words = `^change +take away from ${whom}: viewer \\(${project.key}\\), only production$`;
      assert.match(rejected.stdout, new RegExp(words, 'm'));
      assert.match(rejected.stdout, /is rejected\.$/m);
      assert.match((await owner.expect(6, 'proposals', 'apply', deletion.id)).stderr, /is rejected/);
      const { id } = await proposed(viewer());
      await other.expect(5, 'proposals', 'cancel', id);
      assert.match((await owner.expect(0, 'proposals', 'cancel', id)).stdout, /is cancelled\.$/m);
      const broken = terminal.file('broken.json');
      writeFileSync(broken, '{');
      assert.match((await owner.expect(2, 'proposals', 'create', broken, '--reason', 'x')).stderr, /is not JSON/);
      assert.match(
        (await owner.expect(1, 'proposals', 'create', write({ kind: 'dance' }), '--reason', 'x')).stderr,
        /change/,
      );
    });

    it('says every kind of change in words', async () => {
      const [group] = await owner.json<{ id: string; displayName: string }[]>('groups', 'list');
      const { items } = await expectStatus(company.owner, 200, 'GET', `${P}/group-mappings`);
      const asker = await seat(member);
      const asks = (where: string): readonly string[] =>
        `requests ask --role developer --project ${where} --for 1h --reason Why.`.split(' ');
      const stranger = await seat(await employ(company, []));
      // Who may not see the project yet has been told its id.
      assert.match((await stranger.expect(5, ...asks(project.key))).stderr, /An id is taken as it is/);
      const request = await asker.json<{ id: string; validUntil: string }>(...asks(project.projectId));
      const scope = { projectId: project.projectId, environmentId: project.liveId };
      const { held, spare, ruleId } = own;
      const review = { title: 'All', scope, reviewers: [member.subjectId], deadline: request.validUntil };
      const where = `${project.key}/live`;
      const cases: readonly (readonly [change: object, words: string])[] = [
        [
          { kind: 'mapping.create', mapping: { groupId: group?.id, role: 'viewer', scope } },
          `map group:${group?.displayName ?? ''} (${group?.id ?? ''}): viewer (${where})`,
        ],
        [{ kind: 'mapping.delete', mappingId: (items as Body[])[0]?.['id'] }, `no longer map group:`],
        [{ kind: 'role.create', role: onlooker('onlooker') }, 'make the role onlooker: production flag:read'],
        [
          { kind: 'role.update', key: held, role: { name: held, ...looking } },
          `change the role ${held}: production flag:read`,
        ],
        [{ kind: 'role.delete', key: spare }, `delete the role ${spare}`],
        [{ kind: 'separation-rule.delete', ruleId }, `end the separation rule ${ruleId}`],
        [
          { kind: 'review.start', review },
          `start the review "All" (${where}) by user:${member.userName}, unanswered taken back at `,
        ],
        [
          { kind: 'access-request.approve', requestId: request.id },
          `approve what user:${member.userName} (${member.subjectId}) asked for: developer (${project.key}), until ${request.validUntil}, because: Why.`,
        ],
      ];
      for (const [change, words] of cases) {
        const made = await owner.expect(0, 'proposals', 'create', write(change), '--reason', 'To see the words.');
        const [, said = ''] = /^change +(.*)$/m.exec(made.stdout) ?? [];
        assert.ok(said.startsWith(words), said);
        const [, id = ''] = /^proposal +(\S+)$/m.exec(made.stdout) ?? [];
        await owner.expect(0, 'proposals', 'cancel', id);
      }
      assert.match((await owner.expect(6, 'requests', 'approve', request.id)).stderr, /Propose the change/);
      await asker.expect(0, 'requests', 'cancel', request.id);
    });

    it('lifts the protection, which is listed until then', async () => {
      const listed = await owner.expect(0, 'protections', 'list');
      assert.match(listed.stdout, new RegExp(`^${protectionId} +${project.key} +1 `, 'm'));
      const { id, hash } = await proposed({ kind: 'protection.change', protectionId, requiredApprovals: 0 });
      const shown = await other.expect(0, 'proposals', 'show', id);
      assert.match(shown.stdout, new RegExp(`^change +lift the protection of ${project.key}$`, 'm'));
      assert.match(shown.stdout, new RegExp(`^hash +${hash}$`, 'm'));
      await other.expect(0, 'proposals', 'approve', id);
      assert.equal((await other.json('proposals', 'apply', id))['state'], 'applied');
      assert.ok(!idsOf(await owner.json<Body[]>('protections', 'list')).includes(protectionId));
    });
  });

  describe('says what went wrong:', () => {
    const cases: readonly (readonly [code: number, line: string, said: RegExp])[] = [
      [2, 'requests ask --role viewer --reason x', /for how long.*\n.*--for 4h/],
      [2, 'requests ask --role viewer --for 4h --until 2030-01-01T00:00:00Z --reason x', /cannot be used/],
      [2, 'requests ask --role viewer --for soon --reason x', /30m, 4h, 2d/],
      [2, 'requests ask --role viewer --for 4h', /--reason/],
      [1, 'requests ask --role viewer --for 99d --reason x', /30 days/],
      [2, 'requests ask --role viewer --environment live --for 4h --reason x', /--project/],
      [2, 'requests list --state waiting', /pending, approved/],
      [5, 'requests list --project attic', /no project "attic"/],
      [5, `requests approve ${NOBODY}`, /no such access request/],
      [2, 'reviews start --title x --deadline 2030-01-01T00:00:00Z', /--reviewer/],
      [2, 'reviews start --title x --deadline x --reviewer group:Developers', /no person.*\n.*user:/],
      [5, `reviews show ${NOBODY}`, /no such review/],
      [2, `reviews keep ${NOBODY} --reason x`, /grant/],
      [2, `reviews revoke ${NOBODY} ${NOBODY}`, /--reason/],
      [2, `reviews evidence ${NOBODY} --format pdf`, /json, csv/],
      [2, 'proposals create /nowhere/change.json --reason x', /cannot be read/],
      [5, `proposals approve ${NOBODY}`, /no such proposal/],
      [2, `proposals apply ${NOBODY} --reason x`, /unknown option/],
    ];
    for (const [code, line, said] of cases)
      it(line, async () => {
        const { stdout, stderr } = await owner.expect(code, ...line.split(' '));
        assert.match(stderr, said);
        assert.equal(stdout, '');
      });
  });
});
