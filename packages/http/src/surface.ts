import { owns, type Mount } from './mount.ts';
import type { Route, Surface } from './route.ts';

const literalPrefix = (path: string): readonly string[] => {
  const segments = path.split('/').filter((segment) => segment !== '');
  const firstParam = segments.findIndex((segment) => /[:*{]/.test(segment));
  return (firstParam === -1 ? segments : segments.slice(0, firstParam)).slice(0, 2);
};

/**
 * Tells which surface a path no route answers belongs to, so that a 404 under `/scim/v2` is a SCIM error: the surface
 * of a route with the same first two, else the same first, segment; `api` when there is none.
 */
export const surfaceFinder = (routes: readonly Route[], mounts: readonly Mount[]): ((path: string) => Surface) => {
  const byPrefix = new Map<string, Surface>();
  for (const { path, surface } of routes) {
    const segments = literalPrefix(path);
    for (let length = segments.length; length > 0; length--) {
      const prefix = segments.slice(0, length).join('/');
      if (!byPrefix.has(prefix)) byPrefix.set(prefix, surface);
    }
  }
  return (path) => {
    const mounted = mounts.find(({ prefix }) => owns(prefix, path));
    if (mounted !== undefined) return mounted.surface ?? 'oauth';
    const [, first = '', second = ''] = path.split('/', 3);
    return byPrefix.get(`${first}/${second}`) ?? byPrefix.get(first) ?? 'api';
  };
};
