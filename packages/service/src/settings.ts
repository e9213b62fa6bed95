import { ConfigError, setting, type Config } from '@sallyport/config';

const file = { mustExist: 'file' } as const;

/** The settings every service has; a service's own `config.ts` spreads them and adds what is its own. */
export const commonSettings = (service: string) =>
  ({
    databaseUrl: setting.secretUrl('SALLYPORT_DATABASE_URL', {
      protocols: ['postgres:', 'postgresql:'],
      doc: `PostgreSQL connection of the role sallyport_${service}.`,
    }),
    httpHost: setting.string('SALLYPORT_HTTP_HOST', { default: '127.0.0.1', doc: 'Address the HTTP server binds to.' }),
    httpPort: setting.port('SALLYPORT_HTTP_PORT', { default: 0, doc: 'Port of the HTTP server; 0 takes a free one.' }),
    grpcHost: setting.string('SALLYPORT_GRPC_HOST', { default: '127.0.0.1', doc: 'Address the gRPC server binds to.' }),
    grpcPort: setting.port('SALLYPORT_GRPC_PORT', { default: 0, doc: 'Port of the gRPC server; 0 takes a free one.' }),
    publicOrigin: setting.origin('SALLYPORT_PUBLIC_ORIGIN', {
      default: 'http://localhost:8080',
      doc: 'The one origin under which browsers, IdPs and applications reach every service.',
    }),
    deployment: setting.string('SALLYPORT_DEPLOYMENT', {
      default: 'localhost',
      doc: 'Name of the deployment: in service identities and in the origin of every audit log.',
    }),
    tlsCaFile: setting.path('SALLYPORT_TLS_CA_FILE', {
      ...file,
      doc: 'PEM of the authority that signs service certificates.',
    }),
    tlsCertFile: setting.path('SALLYPORT_TLS_CERT_FILE', { ...file, doc: 'PEM certificate of this service.' }),
    tlsKeyFile: setting.path('SALLYPORT_TLS_KEY_FILE', { ...file, doc: 'PEM private key of this service.' }),
    masterKeyFile: setting.path('SALLYPORT_MASTER_KEY_FILE', {
      ...file,
      doc: '32 bytes in hex: wraps every sealing key, so keep it as long as the database.',
    }),
    logLevel: setting.oneOf('SALLYPORT_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
      default: 'info',
      doc: 'Least severe level that is logged.',
    }),
    trustedProxies: setting.list('SALLYPORT_TRUSTED_PROXIES', {
      default: ['127.0.0.1', '::1'],
      doc: 'Addresses and networks of the proxies whose X-Forwarded-For tells where a request comes from.',
    }),
    otlpUrl: setting.url('SALLYPORT_OTLP_URL', { optional: true, doc: 'Where traces go; absent: nowhere.' }),
  }) as const;

const SECOND_MS = 1_000;

/** The settings of a service that follows identity's subject log. */
export const followerSettings = {
  identityGrpc: setting.hostPort('SALLYPORT_IDENTITY_GRPC', { doc: 'host:port of the identity service.' }),
  leaseTtlMs: setting.durationMs('SALLYPORT_LEASE_TTL', {
    default: SECOND_MS,
    min: 300,
    max: 5 * SECOND_MS,
    doc: 'How long what is known of people may be acted upon after it was last asked for.',
  }),
  leaseRenewalMs: setting.durationMs('SALLYPORT_LEASE_RENEWAL', {
    default: SECOND_MS / 5,
    min: 50,
    max: (5 * SECOND_MS) / 4,
    doc: 'How often it is asked for anew; at most a quarter of SALLYPORT_LEASE_TTL.',
  }),
} as const;

/** @throws ConfigError when a lost renewal or two would end the lease */
export const requireSafeRenewal = (config: Config<typeof followerSettings>): void => {
  if (config.leaseRenewalMs > config.leaseTtlMs / 4)
    throw new ConfigError(['SALLYPORT_LEASE_RENEWAL must be at most a quarter of SALLYPORT_LEASE_TTL.']);
};

export type CommonConfig = Config<ReturnType<typeof commonSettings>>;
