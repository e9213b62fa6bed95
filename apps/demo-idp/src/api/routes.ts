import type { Router } from '@koa/router';
import type { Context } from 'koa';
import {
  type ActionResult,
  addPerson,
  changePerson,
  firstFailure,
  removePerson,
  setMember,
  setPersonActive,
  setPersonAssigned,
} from '../actions.ts';
import type { DemoIdpContext } from '../context.ts';
import type { PersonChanges } from '../directory/directory.ts';
import type { Person } from '../directory/people.ts';
import { readJsonBody } from '../edge/body.ts';
import { openFields } from '../edge/fields.ts';
import { queryParameter } from '../edge/query.ts';
import { DemoIdpError } from '../errors.ts';
import { machineResponse } from './saml-response.ts';
import { applyTargets } from './targets.ts';
import { groupView, personView, targetsView } from './views.ts';

/** Mounts the control API; the caller has put the same-origin guard in front of `/api`. README.md documents it. */
export function mountApi(router: Router, context: DemoIdpContext): void {
  mountTargets(router, context);
  mountPeople(router, context);
  mountGroups(router, context);

  router.post('/api/provision', async (ctx) => {
    const full = openFields(await readJsonBody(ctx), ['full']).boolean('full') ?? false;
    const report = await context.provisioner.provisionAll({ full });
    if (report === null) throw new DemoIdpError('TARGET_MISSING', 'No SCIM target is configured.');
    ctx.status = report.failed === 0 ? 200 : 502;
    ctx.body = report;
  });

  router.post('/api/saml/response', async (ctx) => {
    ctx.body = machineResponse(context, await readJsonBody(ctx));
  });

  router.get('/api/log', (ctx) => {
    const after = Number(queryParameter(ctx, 'after') ?? '0');
    if (!Number.isSafeInteger(after)) throw new DemoIdpError('REQUEST_MALFORMED', 'after must be a whole number.');
    ctx.body = { items: context.log.after(after) };
  });
}

function mountTargets(router: Router, context: DemoIdpContext): void {
  router.get('/api/targets', (ctx) => {
    ctx.body = targetsView(context);
  });
  router.put('/api/targets', async (ctx) => {
    applyTargets(context.store.state, await readJsonBody(ctx));
    context.store.save();
    ctx.body = targetsView(context);
  });
}

function mountPeople(router: Router, context: DemoIdpContext): void {
  const { directory } = context;

  router.get('/api/people', (ctx) => {
    ctx.body = { items: directory.people().map((person) => personView(context, person)) };
  });
  router.post('/api/people', async (ctx) => {
    const fields = openFields(await readJsonBody(ctx), ['givenName', 'familyName', 'userName']);
    const details = {
      givenName: fields.requiredString('givenName'),
      familyName: fields.requiredString('familyName'),
      userName: fields.requiredString('userName'),
    };
    const { person, ...result } = await addPerson(context, details);
    answerPerson(ctx, context, person, result);
    if (ctx.status === 200) ctx.status = 201;
  });
  router.get('/api/people/:id', (ctx) => {
    ctx.body = personView(context, named(ctx));
  });
  router.patch('/api/people/:id', async (ctx) => {
    const changes = readChanges(await readJsonBody(ctx));
    const person = named(ctx);
    answerPerson(ctx, context, person, await changePerson(context, person, changes));
  });
  router.delete('/api/people/:id', async (ctx) => {
    const person = named(ctx);
    answerPerson(ctx, context, person, await removePerson(context, person));
  });
  router.post('/api/people/:id/:action', async (ctx) => {
    const person = named(ctx);
    answerPerson(ctx, context, person, await personAction(context, person, parameter(ctx, 'action')));
  });

  function named(ctx: Context): Person {
    return directory.getPerson(parameter(ctx, 'id'));
  }
}

function mountGroups(router: Router, context: DemoIdpContext): void {
  const { directory } = context;

  router.get('/api/groups', (ctx) => {
    ctx.body = { items: directory.groups().map((group) => groupView(context, group)) };
  });
  for (const [method, isMember] of [
    ['put', true],
    ['delete', false],
  ] as const) {
    router[method]('/api/groups/:id/members/:personId', async (ctx) => {
      const group = directory.getGroup(parameter(ctx, 'id'));
      const person = directory.getPerson(parameter(ctx, 'personId'));
      const result = await setMember(context, group, person, isMember);
      ctx.status = firstFailure(result) === null ? 200 : 502;
      ctx.body = { group: groupView(context, group), ...result };
    });
  }
}

/** Does what the last segment of `/people/:id/:action` names. @throws REQUEST_MALFORMED for any other word. */
export async function personAction(context: DemoIdpContext, person: Person, action: string): Promise<ActionResult> {
  switch (action) {
    case 'activate':
    case 'deactivate':
      return await setPersonActive(context, person, action === 'activate');
    case 'assign':
    case 'unassign':
      return await setPersonAssigned(context, person, action === 'assign');
    default:
      throw new DemoIdpError('REQUEST_MALFORMED', 'A person can be activated, deactivated, assigned or unassigned.');
  }
}

/** 502 when the target did not take the change: the directory has it, the target does not, and nobody is told otherwise. */
function answerPerson(ctx: Context, context: DemoIdpContext, person: Person, result: ActionResult): void {
  ctx.status = firstFailure(result) === null ? 200 : 502;
  ctx.body = { person: personView(context, person), ...result };
}

function readChanges(body: unknown): PersonChanges {
  const names = ['givenName', 'familyName', 'displayName', 'userName', 'email'] as const;
  const fields = openFields(body, names);
  const given = names.filter((name) => fields.has(name)).map((name) => [name, fields.requiredString(name)] as const);
  if (given.length === 0) throw new DemoIdpError('REQUEST_MALFORMED', 'Nothing to change was given.');
  return Object.fromEntries(given);
}

function parameter(ctx: Context, name: string): string {
  const params: unknown = ctx['params'];
  if (typeof params !== 'object' || params === null) return '';
  const value: unknown = Reflect.get(params, name);
  return typeof value === 'string' ? value : '';
}
