import type { Router } from '@koa/router';
import { AppError } from '@sallyport/errors';
import type Koa from 'koa';

/** What no route took: 405 with `Allow` where the path is known, an answer to OPTIONS, else 404. */
export const refuseUnmatched =
  (router: Router): Koa.Middleware =>
  (ctx) => {
    const layers = router.match(ctx.path, ctx.method).path;
    if (layers.length === 0) throw new AppError('NOT_FOUND', 'There is nothing at this address.');
    const methods = new Set(layers.flatMap((layer) => layer.methods));
    methods.add('OPTIONS');
    ctx.set('allow', [...methods].toSorted().join(', '));
    if (ctx.method !== 'OPTIONS') throw new AppError('METHOD_NOT_ALLOWED', `${ctx.method} is not available here.`);
    ctx.status = 204;
  };
