import { ConfigError, defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';

const SECOND_MS = 1_000;

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  databaseUrl: setting.secretUrl('SALLYPORT_DATABASE_URL', {
    doc: 'PostgreSQL connection of the role sallyport_policy.',
  }),
  httpHost: setting.string('SALLYPORT_HTTP_HOST', { default: '127.0.0.1', doc: 'Address the HTTP server binds to.' }),
  httpPort: setting.port('SALLYPORT_HTTP_PORT', { default: 0, doc: 'Port of the HTTP server; 0 takes a free one.' }),
  grpcHost: setting.string('SALLYPORT_GRPC_HOST', { default: '127.0.0.1', doc: 'Address the gRPC server binds to.' }),
  grpcPort: setting.port('SALLYPORT_GRPC_PORT', { default: 0, doc: 'Port of the gRPC server; 0 takes a free one.' }),
  publicOrigin: setting.origin('SALLYPORT_PUBLIC_ORIGIN', {
    default: 'http://localhost:8080',
    doc: 'The one origin under which browsers and enforcement points reach every service.',
  }),
  deployment: setting.string('SALLYPORT_DEPLOYMENT', {
    default: 'localhost',
    doc: 'Name of the deployment: in service identities and in the origin of every audit log.',
  }),
  tlsCaFile: setting.path('SALLYPORT_TLS_CA_FILE', {
    mustExist: 'file',
    doc: 'PEM of the authority that signs service certificates.',
  }),
  tlsCertFile: setting.path('SALLYPORT_TLS_CERT_FILE', { mustExist: 'file', doc: 'PEM certificate of this service.' }),
  tlsKeyFile: setting.path('SALLYPORT_TLS_KEY_FILE', { mustExist: 'file', doc: 'PEM private key of this service.' }),
  masterKeyFile: setting.path('SALLYPORT_MASTER_KEY_FILE', {
    mustExist: 'file',
    doc: '32 bytes in hex: wraps every sealing key.',
  }),
  identityGrpc: setting.hostPort('SALLYPORT_IDENTITY_GRPC', { doc: 'host:port of the identity service.' }),
  logLevel: setting.oneOf('SALLYPORT_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
    default: 'info',
    doc: 'Least severe level that is logged.',
  }),
  otlpUrl: setting.url('SALLYPORT_OTLP_URL', { optional: true, doc: 'Where traces go; absent = nowhere.' }),
  leaseTtlMs: setting.durationMs('SALLYPORT_LEASE_TTL', {
    default: SECOND_MS,
    min: 300,
    max: 5 * SECOND_MS,
    doc: 'How long decisions may be made from memory after knowledge was last asked for.',
  }),
  leaseRenewalMs: setting.durationMs('SALLYPORT_LEASE_RENEWAL', {
    default: SECOND_MS / 5,
    min: 50,
    max: (5 * SECOND_MS) / 4,
    doc: 'How often knowledge is asked for anew; at most a quarter of SALLYPORT_LEASE_TTL.',
  }),
});

export type PolicyConfig = Config<typeof definition>;

/**
 * Reads the environment.
 *
 * @throws ConfigError that lists every problem at once; also when a lost renewal or two would end the lease
 */
export const readPolicyConfig = (env: Environment = process.env): PolicyConfig => {
  const config = readConfig(definition, env);
  if (config.leaseRenewalMs > config.leaseTtlMs / 4)
    throw new ConfigError(['SALLYPORT_LEASE_RENEWAL must be at most a quarter of SALLYPORT_LEASE_TTL.']);
  return config;
};
