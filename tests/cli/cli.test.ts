/** The command line as a person and as a script uses it: the installed command, in a process of its own. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';

import { SERVICE_NAMES } from '@sallyport/dev-env';
import { expectStatus, issueApiToken } from '@sallyport/dev-env/actors';

import { employ, type Company, type Employee } from '../src/company.ts';
import { createProject, type Project } from '../src/project.ts';
import { inAnHour } from '../src/time.ts';
import { jsonLines, Terminal, type Finished } from '../support/command-line.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken } from '../support/workshop.ts';

describe('sallyport, the command', function () {
  this.timeout(180_000);
  let company: Company;
  let project: Project;
  let dev: Employee;
  let token: string;
  let terminal: Terminal;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    project = await createProject(company, ['standing']);
    dev = await employ(company, ['developers']);
    token = await ownerToken(company);
    terminal = new Terminal();
    const { code, stderr } = await terminal.sallyport([
      'login',
      '--origin',
      company.constellation.origin,
      '--token',
      token,
    ]);
    assert.equal(code, 0, stderr);
  });
  after(() => {
    terminal.close();
  });

  const run = async (...args: readonly string[]): Promise<Finished> => await terminal.sallyport(args);

  /** Insists on an exit code; answers what was printed. */
  const expect = async (code: number, ...args: readonly string[]): Promise<Finished> => {
    const finished = await run(...args);
    assert.equal(finished.code, code, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    assert.doesNotMatch(finished.stderr, /\n\s+at .*:\d+/, 'a stack trace');
    return finished;
  };

  const json = async <T = Record<string, unknown>>(...args: readonly string[]): Promise<T> => {
    const { stdout } = await expect(0, ...args, '--json');
    return JSON.parse(stdout) as T;
  };

  const errorOf = (finished: Finished): Record<string, unknown> => {
    const [line, ...others] = jsonLines(finished.stdout);
    assert.deepEqual(others, []);
    return line?.['error'] as Record<string, unknown>;
  };

  describe('login', () => {
    it('checks the token, keeps it where only its owner reads it, and says who it is', async () => {
      assert.equal(statSync(terminal.credentials).mode & 0o777, 0o600);
      assert.deepEqual(JSON.parse(readFileSync(terminal.credentials, 'utf8')), {
        origin: company.constellation.origin,
        token,
      });
      const { stdout } = await expect(0, 'whoami');
      assert.match(stdout, /owner/i);
      assert.equal((await json('whoami'))['orgSlug'], 'acme');
    });

    it('reads the token from standard input', async () => {
      const other = new Terminal();
      try {
        const { origin } = company.constellation;
        const loggedIn = await other.sallyport(['login', '--origin', origin, '--token', '-'], { stdin: `${token}\n` });
        assert.equal(loggedIn.code, 0, loggedIn.stderr);
        assert.ok(!`${loggedIn.stdout}${loggedIn.stderr}`.includes(token));
        assert.equal((await other.sallyport(['whoami'])).code, 0);
        assert.equal((await other.sallyport(['logout'])).code, 0);
        assert.ok(!existsSync(other.credentials));
        const without = await other.sallyport(['whoami', '--json']);
        assert.equal(without.code, 3);
        assert.match(String(errorOf(without)['hint']), /sallyport login/);
      } finally {
        other.close();
      }
    });

    it('keeps nothing of a token that is not valid', async () => {
      const other = new Terminal();
      try {
        const args = ['login', '--origin', company.constellation.origin, '--token', 'sp_pat_wrong', '--json'];
        const refused = await other.sallyport(args);
        assert.equal(refused.code, 3);
        assert.equal(errorOf(refused)['code'], 'UNAUTHENTICATED');
        assert.ok(!existsSync(other.credentials));
        assert.equal((await other.sallyport(['login', '--token', '-'], { stdin: '' })).code, 2);
      } finally {
        other.close();
      }
    });

    it('believes the environment first, and sends no token to where it is not from', async () => {
      const env = { SALLYPORT_ORIGIN: company.constellation.origin, SALLYPORT_TOKEN: token };
      const other = new Terminal();
      try {
        assert.equal((await other.sallyport(['whoami'], { env })).code, 0);
      } finally {
        other.close();
      }
      const elsewhere = await run('whoami', '--origin', 'http://localhost:1');
      assert.equal(elsewhere.code, 3);
      assert.match(elsewhere.stderr, /stored token is for/);
      const nobody = await terminal.sallyport(['whoami'], { env: { ...env, SALLYPORT_ORIGIN: 'http://localhost:1' } });
      assert.equal(nobody.code, 7);
      assert.match(nobody.stderr, /cannot be reached/);
      const nonsense = await terminal.sallyport(['whoami'], { env: { ...env, SALLYPORT_ORIGIN: 'nonsense' } });
      assert.equal(nonsense.code, 2);
    });
  });

  it('lists roles, projects, accounts and groups, as a table and as JSON', async () => {
    assert.match(
      (await expect(0, 'roles', 'list')).stdout,
      /^role +name +made by +description\n(.*\n)*release_manager /,
    );
    assert.ok((await json<unknown[]>('roles', 'list')).length >= 6);
    assert.match((await expect(0, 'roles', 'show', 'developer')).stdout, /^non-production +flag:toggle$/m);
    assert.equal((await json<{ key: string }>('roles', 'show', 'viewer')).key, 'viewer');
    await expect(5, 'roles', 'show', 'nobody');
    assert.deepEqual(await json<unknown[]>('roles', 'violations'), []);
    const table = (await expect(0, 'projects', 'list')).stdout;
    assert.match(table, new RegExp(`^${project.key} +live +production +${project.liveId}$`, 'm'));
    const projects = await json<{ key: string; id: string }[]>('projects', 'list');
    assert.equal(projects.find(({ key }) => key === project.key)?.id, project.projectId);
    const accounts = await json<{ userName: string; id: string }[]>('accounts', 'list', '--kind', 'user');
    assert.equal(accounts.find(({ userName }) => userName === dev.userName)?.id, dev.subjectId);
    assert.match((await expect(0, 'groups', 'list')).stdout, /^Developers +[0-9a-f-]{36}$/m);
    assert.equal((await expect(2, 'accounts', 'list', '--kind', 'robot')).stdout, '');
  });

  it('gives a role where it is told to, shows it and takes it back', async () => {
    const subject = `user:${dev.userName.toUpperCase()}`;
    const where = ['--project', project.key, '--environment', 'live'];
    const until = inAnHour().toISOString();
    const args = ['--subject', subject, '--role', 'release_manager', ...where, '--until', until];
    const [grant] = await json<Record<string, unknown>[]>('grants', 'assign', ...args);
    assert.deepEqual(grant?.['subject'], { type: 'user', id: dev.subjectId });
    assert.deepEqual(grant['scope'], { projectId: project.projectId, environmentId: project.liveId });
    assert.equal(grant['validUntil'], until);
    const id = String(grant['id']);
    assert.match((await expect(0, 'grants', 'list', '--subject', subject)).stdout, new RegExp(id));
    const row = `^${id} +user:${dev.userName} +release_manager +${project.key}/live +until ${until}$`;
    assert.match((await expect(0, 'grants', 'list', ...where)).stdout, new RegExp(row, 'm'));
    assert.doesNotMatch((await expect(0, 'grants', 'list', '--role', 'viewer')).stdout, new RegExp(id));
    await expect(0, 'check', '--subject', subject, '--action', 'flag:toggle', ...where);
    assert.match((await expect(0, 'grants', 'revoke', id)).stdout, /revoked/);
    await expect(4, 'check', '--subject', subject, '--action', 'flag:toggle', ...where);
    const again = await expect(5, 'grants', 'revoke', id, '--json');
    assert.equal(errorOf(again)['code'], 'NOT_FOUND');
  });

  it('asks for a decision: 0 for allow, 4 for deny, the reason either way', async () => {
    const ask = ['check', '--subject', `user:${dev.userName}`, '--action', 'flag:toggle', '--project', project.key];
    const allowed = await expect(0, ...ask, '--environment', 'staging');
    assert.match(
      allowed.stdout,
      /^ALLOW {2}GRANTED: .+\n {2}by the grant [0-9a-f-]{36} of the role developer\n {2}policy revision /,
    );
    const denied = await expect(4, ...ask, '--environment', 'live');
    assert.match(denied.stdout, /^DENY {2}[A-Z_]+: .*production/);
    const decision = JSON.parse((await expect(4, ...ask, '--environment', project.liveId, '--json')).stdout) as object;
    assert.deepEqual(Object.keys(decision).sort(), [
      'decision',
      'explanation',
      'matchedGrant',
      'matchedRole',
      'policyRevision',
      'reason',
      'validForMs',
    ]);
    const stranger = 'user:0190a000-0000-7000-8000-000000000001';
    assert.match((await expect(4, 'check', '--subject', stranger, '--action', 'flag:read')).stdout, /SUBJECT_UNKNOWN/);
  });

  it('says why, what is missing, and who else may', async () => {
    const place = ['--project', project.key, '--environment', 'live'];
    const asked = ['explain', '--action', 'flag:toggle', ...place];
    assert.match((await expect(0, ...asked)).stdout, /^ALLOW {2}GRANTED: .+\n {2}policy revision /);
    const denied = await expect(4, ...asked, '--subject', `user:${dev.userName}`);
    assert.match(denied.stdout, /^DENY {2}WRONG_TIER: Grant [0-9a-f-]{36} gives developer .*Would do: release_manager/);
    const told = await expect(4, ...asked, '--subject', `user:${dev.userName}`, '--json');
    assert.equal((JSON.parse(told.stdout) as { cause: string }).cause, 'WRONG_TIER');
    const inLive = await json<{ id: string }[]>('who-can', 'flag:toggle', ...place);
    const inStaging = await expect(0, 'who-can', 'flag:toggle', '--project', project.key, '--environment', 'staging');
    assert.ok(inLive.length > 0 && inLive.every(({ id }) => id !== dev.subjectId));
    assert.match(inStaging.stdout, new RegExp(`^user:${dev.userName} +${dev.subjectId}$`, 'm'));
  });

  describe('audit', () => {
    it('shows the newest entries, and goes on with new ones', async () => {
      const tail = await expect(0, 'audit', 'tail', '--service', 'flags', '--lines', '5');
      assert.equal(tail.stdout.trimEnd().split('\n').length, 5);
      const lines = jsonLines(
        (await expect(0, 'audit', 'tail', '--service', 'flags', '--lines', '3', '--json')).stdout,
      );
      const indexes = lines.map(({ index }) => Number(index));
      assert.deepEqual(
        indexes,
        indexes.toSorted((left, right) => left - right),
      );
      assert.equal(indexes.length, 3);

      const description = 'Seen by whoever follows';
      let wrote: Promise<unknown> | undefined;
      const followed = await terminal.sallyport(
        ['audit', 'tail', '--service', 'flags', '--lines', '1', '--follow', '--json'],
        {
          until: (stdout) => {
            // It is following once the first line is there; ended when the new one is.
            wrote ??= stdout.includes('\n')
              ? expectStatus(company.owner, 200, 'PATCH', project.path, { description })
              : undefined;
            return stdout.includes(description);
          },
        },
      );
      await wrote;
      assert.match(followed.stdout, new RegExp(description));
    });

    it('exports and verifies every log, and finds what was tampered with', async () => {
      for (const service of SERVICE_NAMES) {
        const file = terminal.file(`${service}.jsonl`);
        await expect(0, 'audit', 'export', '--service', service, '--out', file);
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.match((await expect(0, 'audit', 'verify', file)).stdout, /^VERIFIED {2}\d+ entries of /);
      }
      const lines = readFileSync(terminal.file('flags.jsonl'), 'utf8').trimEnd().split('\n');
      const tampered: readonly (readonly [what: string, text: readonly string[], divergence: string])[] = [
        ['an edited word', lines.with(2, (lines[2] ?? '').replace('created', 'deleted')), 'edited'],
        ['a missing entry', lines.toSpliced(3, 1), 'missing'],
        ['a missing beginning', lines.slice(1), 'missing'],
        ['no log at all', ['hello'], 'unreadable'],
      ];
      for (const [what, text, divergence] of tampered) {
        const file = terminal.file('tampered.jsonl');
        writeFileSync(file, `${text.join('\n')}\n`);
        const finished = await expect(1, 'audit', 'verify', file, '--json');
        const [{ finding } = { finding: {} }] = jsonLines(finished.stdout);
        assert.equal((finding as Record<string, unknown>)['divergence'], divergence, what);
        assert.match((await expect(1, 'audit', 'verify', file)).stdout, /^TAMPERED {2}at index \d+: /);
      }
      writeFileSync(terminal.file('empty.jsonl'), '');
      assert.match((await expect(1, 'audit', 'verify', terminal.file('empty.jsonl'))).stdout, /nothing is verified/);
      assert.match((await expect(1, 'audit', 'verify', terminal.file('nowhere'))).stderr, /cannot be read/);
    });

    it('prints the export itself when no file is named, and leaves no half of one behind', async () => {
      const { stdout } = await expect(0, 'audit', 'export', '--service', 'policy');
      const lines = jsonLines(stdout);
      assert.ok(lines.length > 0 && lines.every(({ leafHash }) => typeof leafHash === 'string'));
      const file = terminal.file('no-such-folder/x.jsonl');
      assert.match(
        (await expect(1, 'audit', 'export', '--service', 'policy', '--out', file)).stderr,
        /was not written/,
      );
    });
  });

  it('compares a read-back of the identity provider with what is held here', async () => {
    await expectStatus(company.owner, 201, 'POST', '/api/identity/v1/connections', { name: 'Branch', scim: {} });
    const file = terminal.file('read-back.jsonl');
    writeFileSync(file, '');
    assert.deepEqual(await json<unknown[]>('drift', 'Branch', file), []);
    writeFileSync(file, `${JSON.stringify({ user: { userName: 'ann@branch.example' } })}\n`);
    assert.match(
      (await expect(1, 'drift', 'Branch', file, '--values')).stdout,
      /user\.missing-here +ann@branch\.example/,
    );
    const { stdout } = await expect(1, 'drift', 'Branch', file, '--users-only', '--json');
    const [found] = JSON.parse(stdout) as Record<string, unknown>[];
    assert.deepEqual([found?.['kind'], found?.['name']], ['user.missing-here', 'ann@branch.example']);
    assert.match((await expect(2, 'drift', 'Branch', terminal.file('nowhere'))).stderr, /no such file/);
    assert.match((await expect(5, 'drift', 'Nowhere', file)).stderr, /no connection "Nowhere"/);
  });

  describe('says what went wrong, what to do about it, and which of seven ways it was:', () => {
    it('refused', async () => {
      const developer = await issueApiToken(dev.person, 'Terminal', inAnHour());
      const env = { SALLYPORT_ORIGIN: company.constellation.origin, SALLYPORT_TOKEN: developer };
      const refused = await terminal.sallyport(['audit', 'export', '--service', 'flags', '--json'], { env });
      assert.equal(refused.code, 4);
      assert.equal(errorOf(refused)['code'], 'PERMISSION_DENIED');
    });

    /** USER stands for somebody who is there. */
    const cases: readonly (readonly [code: number, line: string, said: RegExp])[] = [
      [2, 'grants assign --role viewer', /--subject/],
      [2, 'grants assign --subject dana --role viewer', /not a subject.*\n.*user:/],
      [2, 'check --subject USER --action flag:read --environment live', /--project/],
      [2, 'dance', /unknown command/],
      [2, 'audit tail --service mail', /identity, policy, flags/],
      [2, 'audit tail --service flags --lines many', /number of lines/],
      [5, 'check --subject user:nobody@acme.example --action flag:read', /no user "nobody@acme.example"/],
      [5, 'check --subject USER --action flag:read --project attic', /There are: .*storefront/],
      [1, 'grants assign --subject USER --role king', /no such role/],
      [6, 'grants assign --subject group:Auditors --role developer', /exclu|Auditor/i],
    ];
    for (const [code, line, said] of cases) {
      it(line, async () => {
        const args = line.split(' ').map((word) => (word === 'USER' ? `user:${dev.userName}` : word));
        const [finished, asJson] = await Promise.all([expect(code, ...args), expect(code, ...args, '--json')]);
        assert.match(finished.stderr, said);
        assert.equal(finished.stdout, '');
        const error = errorOf(asJson);
        assert.ok(typeof error['message'] === 'string' && error['message'] !== '');
      });
    }
  });

  it('runs through npx, and helps', async () => {
    const { code, stdout, stderr } = await terminal.npx(['sallyport', '--help']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Exit codes: 0 done, 1 failed/);
    for (const command of ['login', 'grants', 'check', 'audit'])
      assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
  });
});
