import { SERVICE_NAMES, type ServiceName } from '@sallyport/dev-env';
import { GUARDED, PUBLIC, type Route } from '@sallyport/http';

/** A row of a service's route table. */
export interface Row {
  readonly service: ServiceName;
  /** `PATCH /api/flags/v1/projects/:project` */
  readonly name: string;
  readonly method: Route['method'];
  readonly path: string;
  readonly surface: Route['surface'];
  readonly access: 'public' | 'guarded' | 'principal';
  readonly hasBody: boolean;
}

// Rows are made before any request is served, so that nothing of their context is used: this stands for all of it.
const untouched: unknown = new Proxy(() => undefined, {
  get: (_target, name) => (name === Symbol.toPrimitive ? () => '' : untouched),
  apply: () => untouched,
});

const hasTable = (module: unknown): module is { routes: (context: unknown) => readonly Route[] } =>
  typeof module === 'object' && module !== null && 'routes' in module && typeof module.routes === 'function';

const tableOf = async (service: ServiceName): Promise<Row[]> => {
  // By path: services export none of their code.
  const module: unknown = await import(new URL(`../../services/${service}/src/server.ts`, import.meta.url).href);
  if (!hasTable(module)) throw new TypeError(`services/${service}/src/server.ts exports no route table.`);
  return module.routes(untouched).map(({ method, path, surface, permission, body }) => ({
    service,
    name: `${method} ${path}`,
    method,
    path,
    surface,
    access: permission === PUBLIC ? 'public' : permission === GUARDED ? 'guarded' : 'principal',
    hasBody: body !== undefined,
  }));
};

/** Every route of every service, as the services declare them: a new one is in the tests that go through all of them. */
export const routeTables = async (): Promise<readonly Row[]> => (await Promise.all(SERVICE_NAMES.map(tableOf))).flat();

/** A path with something in place of each parameter. */
export const filled = (path: string, value: (name: string) => string): string =>
  path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(value(name)));
