import { setting, type Config } from '@sallyport/config';

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

export type CommonConfig = Config<ReturnType<typeof commonSettings>>;
