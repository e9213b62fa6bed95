import type { Context } from 'koa';

/** The first value of a query parameter; null = absent. */
export function queryParameter(ctx: Context, name: string): string | null {
  const value = ctx.query[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
}
