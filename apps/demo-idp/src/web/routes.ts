import { readFileSync } from 'node:fs';
import type { Router } from '@koa/router';
import { setMember } from '../actions.ts';
import { personAction } from '../api/routes.ts';
import { applyTargets } from '../api/targets.ts';
import { personView, targetsView } from '../api/views.ts';
import type { DemoIdpContext } from '../context.ts';
import { readFormBody } from '../edge/body.ts';
import { queryParameter } from '../edge/query.ts';
import { companyPage } from './company-page.ts';
import { logItems } from './log-page.ts';

const SHOWN_ENTRIES = 100;

const ASSETS = [
  ['page.css', 'text/css; charset=utf-8'],
  ['company.css', 'text/css; charset=utf-8'],
  ['page.js', 'text/javascript; charset=utf-8'],
  ['continue.js', 'text/javascript; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
] as const;

/** Mounts the page, its assets and its forms; the caller has put the same-origin guard in front of `/` and `/ui`. */
export function mountPage(router: Router, context: DemoIdpContext): void {
  const { directory } = context;
  for (const [name, type] of ASSETS) {
    const content = readFileSync(new URL(`../../assets/${name}`, import.meta.url));
    router.get(`/assets/${name}`, (ctx) => {
      ctx.set('Content-Type', type);
      ctx.body = content;
    });
  }

  router.get('/', (ctx) => {
    ctx.type = 'html';
    ctx.body = companyPage({
      people: directory.people().map((person) => personView(context, person)),
      groups: directory.groups(),
      targets: targetsView(context),
      log: context.log.after(0).slice(-SHOWN_ENTRIES),
    });
  });

  router.get('/ui/log', (ctx) => {
    const after = Number(queryParameter(ctx, 'after') ?? '0');
    ctx.type = 'html';
    ctx.body = logItems(context.log.after(Number.isSafeInteger(after) ? after : 0).slice(-SHOWN_ENTRIES))
      .map((item) => item.markup)
      .join('');
  });

  router.post('/ui/people/:id/:action', async (ctx) => {
    const person = directory.getPerson(ctx.params['id'] ?? '');
    await personAction(context, person, ctx.params['action'] ?? '');
    seeOther(ctx, `/#person-${person.key}`);
  });

  router.post('/ui/members', async (ctx) => {
    const form = await readFormBody(ctx);
    const person = directory.getPerson(form.get('person') ?? '');
    await setMember(context, directory.getGroup(form.get('group') ?? ''), person, form.get('member') === 'true');
    seeOther(ctx, `/#person-${person.key}`);
  });

  router.post('/ui/provision', async (ctx) => {
    const form = await readFormBody(ctx);
    await context.provisioner.provisionAll({ full: form.get('full') === 'true' });
    seeOther(ctx, '/');
  });

  router.post('/ui/flavor', async (ctx) => {
    const form = await readFormBody(ctx);
    applyTargets(context.store.state, { flavor: form.get('flavor') ?? '' });
    context.store.save();
    seeOther(ctx, '/');
  });
}

function seeOther(ctx: { status: number; redirect(url: string): void }, url: string): void {
  ctx.redirect(url);
  ctx.status = 303;
}
