import assert from 'node:assert/strict';

import { codeOf, deskForEachTest, type Person } from './support/grant-desk.ts';
import type { Answer } from './support/world.ts';

const PATH = '/api/policy/v1/policy';
const ROLES = '/api/policy/v1/roles';
const RULES = '/api/policy/v1/separation-rules';

describe('a file that changes what others rest on', () => {
  const desk = deskForEachTest();

  const ask = async (what: string, body: unknown): Promise<Answer> =>
    await desk().world.call('POST', `${PATH}/${what}`, { token: desk().org.ownerToken, body });
  const read = async (path: string): Promise<Record<string, string>> =>
    (await desk().world.call('GET', path, { token: desk().org.ownerToken })).body as Record<string, string>;
  const made = async (path: string, body: object): Promise<void> => {
    assert.equal((await desk().post(desk().org.ownerToken, body, path)).status, 201);
  };
  const role = (key: string, name: string) => ({
    key,
    name,
    levels: ['project'],
    permissions: { 'non-production': ['flag:toggle'] },
  });
  const yaml = (lists: object): object => {
    const owner = { subject: `user:${desk().org.ownerId}`, role: 'owner' };
    const { grants = [], ...others } = lists as { grants?: readonly object[] };
    return { format: 'yaml', document: JSON.stringify({ version: 1, ...others, grants: [owner, ...grants] }) };
  };
  const applied = async (policy: object): Promise<Answer> => {
    const plan = await ask('plan', policy);
    assert.equal(plan.status, 200, plan.text);
    return await ask('apply', { policy, hash: (plan.body as { hash: string }).hash });
  };

  it('puts a role in the place of another of its name, whoever held that one', async () => {
    const scope = { projectId: desk().org.projectId };
    await made(ROLES, role('toggler', 'Toggler'));
    const person = await desk().holding('toggler', scope);
    const grants = [{ subject: `user:${person.id}`, role: 'switcher', project: 'shop' }];
    const answer = await applied(yaml({ roles: [role('switcher', 'Toggler')], grants }));
    assert.equal(answer.status, 200, answer.text);
    const { items } = await desk().listed(`?subjectId=${person.id}`);
    assert.deepEqual(
      items.map((each) => each.role),
      ['switcher'],
    );
  });

  it('is refused typed, and as a whole, when two roles would only change their names round', async () => {
    await made(ROLES, role('one', 'First'));
    await made(ROLES, role('other', 'Second'));
    const answer = await applied(yaml({ roles: [role('one', 'Second'), role('other', 'First')] }));
    assert.deepEqual([answer.status, codeOf(answer)], [409, 'ALREADY_EXISTS']);
    assert.equal((await read(`${ROLES}/one`))['name'], 'First');
  });

  it('takes no role away that a separation rule names, whether or not the file can say rules', async () => {
    await made(ROLES, role('toggler', 'Toggler'));
    await made(RULES, { name: 'No both', roles: ['toggler', 'release_manager'] });
    const separationRules = [{ name: 'No both', roles: ['toggler', 'release_manager'] }];
    const named = await ask('plan', yaml({ separationRules }));
    assert.match(named.text, /No both: at least two roles that are there/);
    const { model, policy = '' } = await read('/api/policy/v1/export');
    const document = policy
      .split('\n')
      .filter((line) => !line.includes('toggler'))
      .join('\n');
    const unsaid = await ask('plan', { format: 'casbin', document, model });
    assert.deepEqual([unsaid.status, codeOf(unsaid)], [400, 'INVALID_REQUEST']);
    assert.match(unsaid.text, /the separation rule No both names a role that would go/);
    const both = await applied(yaml({}));
    assert.equal(both.status, 200, both.text);
  });

  it('names every role of a rule once, and every permission of a role however often', async () => {
    const twice = { name: 'Twice', roles: ['developer', 'developer', 'viewer'] };
    const refused = await ask('plan', yaml({ separationRules: [twice] }));
    assert.deepEqual([refused.status, codeOf(refused)], [400, 'INVALID_REQUEST'], refused.text);
    const permissions = { 'non-production': ['flag:toggle', 'flag:toggle'] };
    const answer = await applied(yaml({ roles: [{ ...role('toggler', 'Toggler'), permissions }] }));
    assert.equal(answer.status, 200, answer.text);
  });

  it('says every moment a grant can have: none beyond the years of four digits', async () => {
    const person = await desk().newUser();
    const beyond = { validUntil: '9999-12-31T23:59:59-23:59' };
    const grant = { subject: { type: 'user', id: person.id }, role: 'viewer' };
    assert.equal((await desk().post(desk().org.ownerToken, { ...grant, ...beyond })).status, 400);
    const file = yaml({ grants: [{ subject: `user:${person.id}`, role: 'viewer', ...beyond }] });
    assert.equal((await ask('plan', file)).status, 400);
    const last = { validFrom: '0000-01-01T00:00:00Z', validUntil: '9999-12-31T23:59:59.999Z' };
    assert.equal((await desk().post(desk().org.ownerToken, { ...grant, ...last })).status, 201);
    const { document } = await read(PATH);
    const plan = await ask('plan', { format: 'yaml', document });
    assert.deepEqual((plan.body as { operations?: unknown }).operations, [], plan.text);
  });

  it('is proposed with such moments too: what was proposed can be read again, and the others with it', async () => {
    const proposals = '/api/policy/v1/proposals';
    const { ownerToken, ownerId } = desk().org;
    const deadline = '9999-12-31T23:59:59-23:59';
    const review = { title: 'Late', scope: {}, reviewers: [ownerId], deadline };
    const grant = { subject: { type: 'user', id: ownerId }, role: 'viewer', validUntil: deadline };
    for (const change of [
      { kind: 'review.start', review },
      { kind: 'grant.create', grant },
    ])
      assert.equal((await desk().post(ownerToken, { change, reason: 'Later.' }, proposals)).status, 400);
    assert.equal((await desk().world.call('GET', proposals, { token: ownerToken })).status, 200);
  });

  it('gives nothing to who was removed: as anybody else cannot', async () => {
    const person: Person = await desk().newUser();
    const { world, org } = desk();
    const removed = { subjectId: person.id, active: false, deleted: true, epoch: 2n, removedEpoch: 2n };
    await world.applied(org.orgId, world.identity.commit(org.orgId, [removed]));
    const grant = { subject: { type: 'user', id: person.id }, role: 'viewer' };
    assert.equal(codeOf(await desk().post(org.ownerToken, grant)), 'NOT_FOUND');
    const answer = await ask('plan', yaml({ grants: [{ subject: `user:${person.id}`, role: 'viewer' }] }));
    assert.match(answer.text, /there is no such subject/);
  });
});
