import { DemoIdpError } from './errors.ts';

/** Whose request and message shapes are imitated. */
export type Flavor = 'okta' | 'entra';

/** What the process was started with; everything else is set at run time through the control API. */
export interface Settings {
  /** TCP port; 0 = any free one. */
  readonly port: number;
  readonly host: string;
  /** Public origin without a trailing slash; null = `http://localhost:<port>`. */
  readonly origin: string | null;
  /** Folder of the state file; null = nothing outlives the process. */
  readonly stateDir: string | null;
  readonly flavor: Flavor;
}

const KNOWN = ['DEMO_IDP_FLAVOR', 'DEMO_IDP_HOST', 'DEMO_IDP_ORIGIN', 'DEMO_IDP_PORT', 'DEMO_IDP_STATE_DIR'];

/** The environment of this process: nothing else in the program reads it. */
export function readEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/** True for the two flavours this program can play. */
export function isFlavor(value: unknown): value is Flavor {
  return value === 'okta' || value === 'entra';
}

/**
 * Reads the settings, or says everything that is wrong with them at once.
 * An unknown `DEMO_IDP_*` variable is refused: a typo must not silently mean a default.
 * @throws CONFIG_INVALID listing each problem as a sentence.
 */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const problems = unknownSettings(environment);

  const portText = environment['DEMO_IDP_PORT'] ?? '8090';
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65_535)) problems.push('DEMO_IDP_PORT must be a port number from 0 to 65535.');

  const origin = environment['DEMO_IDP_ORIGIN'] ?? null;
  if (origin !== null && !isOrigin(origin)) {
    problems.push('DEMO_IDP_ORIGIN must be an http or https origin without a path, such as http://localhost:8090.');
  }

  const flavor = readFlavor(environment['DEMO_IDP_FLAVOR'], problems);
  if (problems.length > 0) throw new DemoIdpError('CONFIG_INVALID', problems.join('\n'));
  return Object.freeze({
    port,
    host: environment['DEMO_IDP_HOST'] ?? '127.0.0.1',
    origin,
    stateDir: environment['DEMO_IDP_STATE_DIR'] ?? null,
    flavor,
  });
}

function readFlavor(value: string | undefined, problems: string[]): Flavor {
  if (value === undefined || isFlavor(value)) return value ?? 'okta';
  problems.push('DEMO_IDP_FLAVOR must be okta or entra.');
  return 'okta';
}

function unknownSettings(environment: NodeJS.ProcessEnv): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('DEMO_IDP_') && !KNOWN.includes(name))
    .map((name) => `${name} is not a setting (known: ${KNOWN.join(', ')}).`);
}

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === value;
}
