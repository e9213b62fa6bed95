import type Koa from 'koa';

import type { Surface } from './route.ts';

/** Foreign middleware that owns everything under a prefix. It keeps its own authentication and origin rules. */
export interface Mount {
  /** `/oidc` owns `/oidc` and `/oidc/…`. */
  readonly prefix: string;
  readonly middleware: Koa.Middleware;
  /** Whether the middleware sees paths without the prefix; default true. */
  readonly strip?: boolean;
  /** Shape of errors it lets through, and defaults of its headers; default oauth. */
  readonly surface?: Surface;
}

/** Whether a path lies under a prefix, whole segments counted: `/oidc` does not own `/oidcx`. */
export const owns = (prefix: string, path: string): boolean => path === prefix || path.startsWith(`${prefix}/`);

/** Hands requests under the prefix over; while inside, `ctx.path` is relative and `ctx.mountPath` the prefix. */
export const mount =
  ({ prefix, middleware, strip = true }: Mount): Koa.Middleware =>
  async (ctx, next) => {
    const { path } = ctx;
    if (!owns(prefix, path)) await next();
    else if (strip) await inside(ctx, prefix, next, middleware);
    else await middleware(ctx, next);
  };

const inside = async (
  ctx: Koa.ParameterizedContext,
  prefix: string,
  next: Koa.Next,
  middleware: Koa.Middleware,
): Promise<void> => {
  const { path } = ctx;
  const outer: unknown = ctx['mountPath'];
  const enter = (): void => {
    ctx['mountPath'] = prefix;
    ctx.path = path === prefix ? '/' : path.slice(prefix.length);
  };
  const leave = (): void => {
    ctx['mountPath'] = outer;
    ctx.path = path;
  };
  enter();
  try {
    await middleware(ctx, async () => {
      leave();
      await next();
      enter();
    });
  } finally {
    leave();
  }
};
