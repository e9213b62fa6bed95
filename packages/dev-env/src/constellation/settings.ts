import { join } from 'node:path';
import type { DevCertificate } from '../certificates.ts';
import { COMPILE_CACHE, type ServiceName } from '../services.ts';
import type { Ports } from './addresses.ts';
import type { ConstellationDatabase } from './database.ts';
import type { Secrets } from './secrets.ts';

/** What the settings of the services are made from. */
export interface SettingsInput {
  readonly publicOrigin: string;
  readonly deployment: string;
  readonly stateDir: string;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly certificates: Readonly<Record<ServiceName, DevCertificate>>;
  readonly database: ConstellationDatabase;
  /** Added to the service's environment: log level, lease times and the like. */
  readonly overrides: Readonly<Record<string, string>>;
}

type Environment = Readonly<Record<string, string>>;

/** `host:port` of a service's HTTP server. */
export const httpAddress = (ports: Ports, service: ServiceName): string => `127.0.0.1:${ports[`${service}Http`]}`;

/** `host:port` of a service's gRPC server. */
export const grpcAddress = (ports: Ports, service: ServiceName): string => `127.0.0.1:${ports[`${service}Grpc`]}`;

/** The whole environment of one service: what Node needs, and its own settings; nothing else of ours. */
export function serviceEnvironment(service: ServiceName, input: SettingsInput): Environment {
  const { ports, certificates, secrets } = input;
  const certificate = certificates[service];
  return {
    ...inherited(),
    SALLYPORT_DATABASE_URL: input.database.urlOf(service),
    SALLYPORT_HTTP_HOST: '127.0.0.1',
    SALLYPORT_HTTP_PORT: String(ports[`${service}Http`]),
    SALLYPORT_GRPC_HOST: '127.0.0.1',
    SALLYPORT_GRPC_PORT: String(ports[`${service}Grpc`]),
    SALLYPORT_PUBLIC_ORIGIN: input.publicOrigin,
    SALLYPORT_DEPLOYMENT: input.deployment,
    SALLYPORT_TLS_CA_FILE: certificate.caFile,
    SALLYPORT_TLS_CERT_FILE: certificate.certFile,
    SALLYPORT_TLS_KEY_FILE: certificate.keyFile,
    SALLYPORT_MASTER_KEY_FILE: secrets.masterKeyFile,
    ...peers(service, ports),
    ...(service === 'identity' ? identityOnly(secrets, input.stateDir) : {}),
    ...input.overrides,
  };
}

/** The whole environment of the demo identity provider. */
export function demoIdpEnvironment(stateDir: string, ports: Ports): Environment {
  return {
    ...inherited(),
    DEMO_IDP_PORT: String(ports.idp),
    DEMO_IDP_ORIGIN: demoIdpOrigin(ports),
    DEMO_IDP_STATE_DIR: join(stateDir, 'demo-idp'),
  };
}

/** Where browsers and identity reach the demo identity provider. */
export const demoIdpOrigin = (ports: Ports): string => `http://localhost:${ports.idp}`;

function peers(service: ServiceName, ports: Ports): Environment {
  const identity = { SALLYPORT_IDENTITY_GRPC: grpcAddress(ports, 'identity') };
  const policy = { SALLYPORT_POLICY_GRPC: grpcAddress(ports, 'policy') };
  if (service === 'identity') return policy;
  return service === 'policy' ? identity : { ...identity, ...policy };
}

function identityOnly(secrets: Secrets, stateDir: string): Environment {
  return {
    SALLYPORT_COOKIE_KEYS_FILE: secrets.cookieKeysFile,
    SALLYPORT_PROVIDER_KEYS_FILE: secrets.providerKeysFile,
    SALLYPORT_SAML_KEY_FILE: secrets.samlKeyFile,
    SALLYPORT_SAML_CERT_FILE: secrets.samlCertFile,
    SALLYPORT_SAML_ENCRYPTION_KEY_FILE: secrets.samlEncryptionKeyFile,
    SALLYPORT_SAML_ENCRYPTION_CERT_FILE: secrets.samlEncryptionCertFile,
    // Mail is not sent: it can be read there.
    SALLYPORT_MAILBOX_DIR: join(stateDir, 'mailbox'),
    // The demo identity provider is on this machine, over plain HTTP.
    SALLYPORT_ALLOW_INSECURE_PRIVATE_FETCH: 'true',
    // Suites and demonstrations send as fast as they can.
    SALLYPORT_SCIM_RATE: '10000',
    SALLYPORT_SCIM_BURST: '20000',
    SALLYPORT_SCIM_QUEUE: '10000',
  };
}

/** What a Node process needs of its surroundings. Nothing else is passed on: settings come from here alone. */
function inherited(): Environment {
  const names = ['PATH', 'HOME', 'TMPDIR', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'];
  const passed = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  // Compiled code from the last start: halves the work of the next one.
  return { ...(Object.fromEntries(passed) as Environment), NODE_COMPILE_CACHE: COMPILE_CACHE };
}
