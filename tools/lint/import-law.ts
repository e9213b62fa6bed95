import { posix } from 'node:path';

/** Libraries that only their adapter may import. `proto` and `packages/grpc` are the adapter of gRPC, and so on. */
const ADAPTERS: readonly (readonly [library: RegExp, allowed: RegExp])[] = [
  [/^casbin$/, /^(services\/policy\/(src\/model\/enforcer\.ts|tests\/)|bench\/)/],
  [/^samlify$/, /^services\/identity\/(src\/saml|tests)\//],
  [/^xml-crypto$|^@xmldom\/xmldom$/, /^services\/identity\/(src\/saml|tests)\//],
  [/^scim-patch$|^scim2-parse-filter$/, /^services\/identity\/(src\/scim|tests)\//],
  [/^oidc-provider($|\/)/, /^(services\/identity\/(src\/provider|tests)|apps\/demo-idp|bench|tests)\//],
  [/^openid-client($|\/)/, /^(services\/identity\/(src\/oidc|tests)|apps\/demo-idp|tests)\//],
  [/^@grpc\/grpc-js$/, /^(proto|packages\/grpc|bench)\//],
  [
    /^typeorm$/,
    /^(packages\/(storage|audit)\/|services\/[^/]+\/src\/(.+\/)?(entity|store|[a-z-]+-(entity|store))\.ts$)/,
  ],
  [/^pg$/, /^(packages\/(storage|dev-env)|bench|tests|services\/[^/]+\/tests)\//],
  [/^@openfeature\/flagd-core$/, /^(services\/flags\/(src\/targeting|tests)|bench)\//],
];

const SERVICES = ['identity', 'policy', 'flags'];
const APPS = ['launcher', 'cli', 'demo-idp', 'console'];

const isTest = (path: string): boolean => path.endsWith('.test.ts') || /(^|\/)tests\//.test(path);

const workspaceOf = (path: string): string => {
  const [kind = '', name = ''] = path.split('/');
  // These folders are one workspace each; the others hold one in every folder.
  return ['proto', 'tests', 'bench', 'tools'].includes(kind) ? kind : `${kind}/${name}`;
};

const sliceOf = (path: string): string | undefined => /^services\/[^/]+\/src\/([^/]+)\//.exec(path)?.[1];

const roleOf = (path: string): 'edge' | 'store' | 'entity' | 'other' => {
  const name = posix.basename(path, '.ts');
  if (/(^|-)(routes|rpc)$/.test(name)) return 'edge';
  if (/(^|-)store$/.test(name)) return 'store';
  return /(^|-)entity$/.test(name) ? 'entity' : 'other';
};

const lawOfLibraries = (from: string, source: string): string | undefined => {
  if (isTest(from)) return undefined;
  const adapter = ADAPTERS.find(([library]) => library.test(source));
  if (adapter === undefined || adapter[1].test(from)) return undefined;
  return `"${source}" is imported only by its adapter (${adapter[1].source})`;
};

const lawOfWorkspaces = (from: string, source: string): string | undefined => {
  const name = /^@sallyport\/([^/]+)/.exec(source)?.[1];
  if (name === undefined) return undefined;
  const [kind = '', own] = from.split('/');
  if (kind === 'apps' && own === 'demo-idp') return "the demo IdP stands for somebody else's system and shares no code";
  if (!['packages', 'services', 'proto'].includes(kind)) return undefined;
  if (APPS.includes(name)) return `${kind} never import applications`;
  if (SERVICES.includes(name) && name !== own) return 'services meet only through @sallyport/proto';
  return lawOfHarness(from, name);
};

const lawOfHarness = (from: string, name: string): string | undefined => {
  const misused = name === 'dev-env' && from.startsWith('services/') && !isTest(from);
  return misused ? 'dev-env is for starting and testing, not for services' : undefined;
};

const lawOfSlices = (from: string, target: string): string | undefined => {
  const [fromSlice, toSlice] = [sliceOf(from), sliceOf(target)];
  if (fromSlice === undefined || toSlice === undefined || fromSlice === toSlice) return undefined;
  if (toSlice === 'migrations' || posix.basename(target) === 'index.ts') return undefined;
  return `slice "${toSlice}" is entered through its index.ts`;
};

const lawOfRoles = (from: string, target: string): string | undefined => {
  const [fromRole, toRole] = [roleOf(from), roleOf(target)];
  if (toRole === 'edge' && (fromRole === 'store' || fromRole === 'entity')) return 'a store never imports the edge';
  return fromRole === 'entity' && toRole === 'store' ? 'an entity never imports a store' : undefined;
};

const lawOfRelatives = (from: string, target: string): string | undefined => {
  if (workspaceOf(from) !== workspaceOf(target) && !from.startsWith('tools/')) {
    return 'another workspace is imported by its name';
  }
  return isTest(from) ? undefined : (lawOfSlices(from, target) ?? lawOfRoles(from, target));
};

/**
 * Why this import is against the import law; undefined when it is lawful.
 * Both paths are relative to the root of the repository, with forward slashes.
 */
export const importLaw = (from: string, source: string): string | undefined => {
  if (source.startsWith('.')) return lawOfRelatives(from, posix.join(posix.dirname(from), source));
  return lawOfLibraries(from, source) ?? lawOfWorkspaces(from, source);
};
