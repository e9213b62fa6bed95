import { fileURLToPath } from 'node:url';
import type { Migration } from '@sallyport/storage';
import { DevEnvironmentError } from './errors.ts';

/** The services of the constellation, each owner of the PostgreSQL schema of its name. */
export const SERVICE_NAMES = ['identity', 'policy', 'flags'] as const;

/** One of {@link SERVICE_NAMES}. */
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** Absolute path of the repository this package is part of. */
export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Where Node keeps compiled code from start to start; belongs to the installation, like node_modules itself. */
export const COMPILE_CACHE = `${REPOSITORY}node_modules/.cache/sallyport-node`;

/**
 * What Node is started with for a service, as in `deploy/images/Dockerfile`. A request leaves little behind: with room for
 * more of them before anything is collected, collecting costs half.
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=64'];

/** The program of a service or of an app, run as a process of its own. */
export const programOf = (name: ServiceName | 'demo-idp'): string =>
  `${REPOSITORY}${name === 'demo-idp' ? 'apps' : 'services'}/${name}/src/main.ts`;

/**
 * The migrations a service exports from `src/migrations/index.ts`, in order. Loaded by path: this
 * package sets services up from outside and links none of their code.
 *
 * @throws STATE_DAMAGED when the file exports no list of migrations.
 */
export async function serviceMigrations(service: ServiceName): Promise<readonly Migration[]> {
  const module: unknown = await import(
    new URL(`../../../services/${service}/src/migrations/index.ts`, import.meta.url).href
  );
  if (typeof module === 'object' && module !== null && 'migrations' in module && Array.isArray(module.migrations)) {
    return module.migrations as readonly Migration[];
  }
  throw new DevEnvironmentError(
    'STATE_DAMAGED',
    `services/${service}/src/migrations/index.ts exports no list "migrations".`,
  );
}
