/** `sallyport policy`: the installed command, in a process of its own, on a running company. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { newEnforcer } from 'casbin';

import { expectStatus } from '@sallyport/dev-env/actors';
import { employ, type Company, type Employee } from '../src/company.ts';
import { createProject, type Project } from '../src/project.ts';
import { Terminal, type Finished } from '../support/command-line.ts';
import { BOOT_TIMEOUT_MS, sharedCompany } from '../support/shared-company.ts';
import { ownerToken } from '../support/workshop.ts';

describe('sallyport policy', function () {
  this.timeout(180_000);
  let company: Company;
  let project: Project;
  let dev: Employee;
  let terminal: Terminal;

  before(async function () {
    this.timeout(BOOT_TIMEOUT_MS);
    company = await sharedCompany();
    project = await createProject(company, ['standing']);
    dev = await employ(company, ['developers']);
    terminal = new Terminal();
    const { origin } = company.constellation;
    const login = ['login', '--origin', origin, '--token', await ownerToken(company)];
    assert.equal((await terminal.sallyport(login)).code, 0);
  });
  after(() => {
    terminal.close();
  });

  const run = async (...args: readonly string[]): Promise<Finished> => await terminal.sallyport(['policy', ...args]);
  const expect = async (code: number, ...args: readonly string[]): Promise<Finished> => {
    const finished = await run(...args);
    assert.equal(finished.code, code, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    return finished;
  };
  const write = (name: string, text: string): string => {
    const path = terminal.file(name);
    writeFileSync(path, text);
    return path;
  };
  const exported = async (): Promise<string> => {
    const folder = terminal.file('yaml');
    await expect(0, 'export', '--format', 'yaml', '--out', folder);
    return readFileSync(join(folder, 'policy.yaml'), 'utf8');
  };

  it('exports what any Casbin loads, and what it plans nothing of', async () => {
    const folder = terminal.file('casbin');
    const { stdout } = await expect(0, 'export', '--out', folder);
    assert.match(stdout, /^Wrote model\.conf, policy\.csv and met\.mjs of revision \d+/);
    const enforcer = await newEnforcer(join(folder, 'model.conf'), join(folder, 'policy.csv'));
    const { met } = (await import(pathToFileURL(join(folder, 'met.mjs')).href)) as {
      met: (...args: string[]) => boolean;
    };
    await enforcer.addFunction('met', met);
    assert.ok((await enforcer.getPolicy()).length > 0);
    const described = JSON.parse((await expect(0, 'export', '--out', folder, '--json')).stdout) as { folder: string };
    assert.equal(described.folder, folder);
    assert.match((await expect(0, 'plan', folder)).stdout, /as the file says/);
    assert.equal((await run('export', '--format', 'xml')).code, 2);
  });

  it('plans, applies what was planned, and then plans nothing', async () => {
    const before = await exported();
    assert.match((await expect(0, 'plan', write('same.yaml', before))).stdout, /as the file says/);
    const grant = `  - subject: user:${dev.subjectId}\n    role: viewer\n    project: ${project.key}\n`;
    const file = write('more.yaml', `${before}${grant}`);
    const planned = await expect(0, 'plan', file);
    assert.match(planned.stdout, new RegExp(`^\\+ grant user:${dev.subjectId} viewer in ${project.key}$`, 'm'));
    const [, hash = ''] = /^Plan (\S+)$/m.exec(planned.stdout) ?? [];
    assert.match((await run('apply', file, '--plan', 'x')).stderr, /plan again/);
    assert.equal((await run('apply', file, '--plan', 'x')).code, 6);
    assert.match((await expect(0, 'apply', file, '--plan', hash)).stdout, /^Applied 1 changes\.$/m);
    assert.match((await expect(0, 'plan', file)).stdout, /as the file says/);
    const back = await expect(0, 'apply', write('same.yaml', before));
    assert.match(back.stdout, /^- grant /m);
    assert.equal(await exported(), before);
  });

  it('ends with 6 when rules refuse, and names the line of what is wrong', async () => {
    const before = await exported();
    const { subjectId } = await expectStatus(company.owner, 200, 'GET', '/api/identity/v1/me');
    const own = `  - subject: user:${String(subjectId)}\n    role: owner\n`;
    assert.ok(before.includes(own));
    const without = write('without.yaml', before.replace(own, ''));
    const refused = await expect(6, 'plan', without);
    assert.match(refused.stderr, /refused: .*OWN_GRANT/);
    assert.equal((await run('apply', without)).code, 4);
    assert.equal(await exported(), before);
    const wrong = await expect(1, 'plan', write('wrong.yaml', 'version: 1\nsurprise: true\n'));
    assert.match(wrong.stderr, /line \d+: .*surprise/);
    assert.equal((await run('plan', terminal.file('nothing.yaml'))).code, 2);
  });

  it('runs policy tests: a table and exit code 1 for what fails', async () => {
    const test = (expected: string): string =>
      [
        'cases:',
        '  - name: developers do not delete in production',
        `    subject: user:${dev.subjectId}`,
        '    action: grant:manage',
        `    project: ${project.key}`,
        `    expect: ${expected}`,
        '',
      ].join('\n');
    assert.match((await expect(0, 'test', write('tests.yaml', test('deny')))).stdout, /^1 passed, 0 failed\.$/m);
    const failed = await expect(1, 'test', write('tests.yaml', test('allow')));
    assert.match(failed.stdout, /^line +case +expected +decided +why\n2 +developers do not delete/m);
    assert.match(failed.stdout, /^0 passed, 1 failed\.$/m);
    const policy = `${await exported()}  - subject: user:${dev.subjectId}\n    role: project_admin\n    project: ${project.key}\n`;
    const args = ['test', write('tests.yaml', test('allow')), '--policy', write('wanted.yaml', policy)];
    assert.match((await expect(0, ...args)).stdout, /^1 passed/m);
  });
});
