import type { ServiceName } from '../services.ts';

/** Which service answers below which path of the public origin; identity answers everything else. */
const PREFIXES: readonly (readonly [prefix: string, service: ServiceName])[] = [
  ['/access/v1', 'policy'],
  ['/.well-known/authzen-configuration', 'policy'],
  ['/api/policy/v1', 'policy'],
  ['/ofrep/v1', 'flags'],
  ['/api/flags/v1', 'flags'],
];

/** For operators on a service's own port, not for the world. */
const INTERNAL = ['/healthz', '/readyz', '/metrics'];

/** The service that answers a request path (with or without a query); `null`: nobody outside may ask for it. */
export function serviceOfPath(url: string): ServiceName | null {
  const [path = '/'] = url.split('?', 1);
  if (INTERNAL.some((prefix) => isBelow(path, prefix))) return null;
  return PREFIXES.find(([prefix]) => isBelow(path, prefix))?.[1] ?? 'identity';
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}
