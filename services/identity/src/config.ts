import { defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';

const SECOND_MS = 1_000;

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  databaseUrl: setting.secretUrl('SALLYPORT_DATABASE_URL', {
    doc: 'PostgreSQL connection of the role sallyport_identity.',
  }),
  httpHost: setting.string('SALLYPORT_HTTP_HOST', { default: '127.0.0.1', doc: 'Address the HTTP server binds to.' }),
  httpPort: setting.port('SALLYPORT_HTTP_PORT', { default: 0, doc: 'Port of the HTTP server; 0 takes a free one.' }),
  grpcHost: setting.string('SALLYPORT_GRPC_HOST', { default: '127.0.0.1', doc: 'Address the gRPC server binds to.' }),
  grpcPort: setting.port('SALLYPORT_GRPC_PORT', { default: 0, doc: 'Port of the gRPC server; 0 takes a free one.' }),
  publicOrigin: setting.origin('SALLYPORT_PUBLIC_ORIGIN', {
    default: 'http://localhost:8080',
    doc: 'The one origin under which browsers and IdPs reach every service.',
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
  policyGrpc: setting.hostPort('SALLYPORT_POLICY_GRPC', { doc: 'host:port of the policy service.' }),
  logLevel: setting.oneOf('SALLYPORT_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
    default: 'info',
    doc: 'Least severe level that is logged.',
  }),
  otlpUrl: setting.url('SALLYPORT_OTLP_URL', { optional: true, doc: 'Where traces go; absent = nowhere.' }),
  trustedProxies: setting.list('SALLYPORT_TRUSTED_PROXIES', {
    default: ['127.0.0.1', '::1'],
    doc: 'Addresses and networks of the proxies whose X-Forwarded-For tells where a request comes from.',
  }),
  leaseTtlMs: setting.durationMs('SALLYPORT_LEASE_TTL', {
    default: SECOND_MS,
    min: 300,
    max: 5 * SECOND_MS,
    doc: 'How long a replica may decide from memory after it asked for a lease.',
  }),
  cookieKeysFile: setting.path('SALLYPORT_COOKIE_KEYS_FILE', {
    mustExist: 'file',
    doc: 'Keys that sign cookies, newest first, one a line.',
  }),
  providerKeysFile: setting.path('SALLYPORT_PROVIDER_KEYS_FILE', {
    mustExist: 'file',
    doc: 'JWKS with the signing keys of the OpenID Provider.',
  }),
  samlKeyFile: setting.path('SALLYPORT_SAML_KEY_FILE', {
    mustExist: 'file',
    doc: 'PEM private key of the SAML service provider.',
  }),
  samlCertFile: setting.path('SALLYPORT_SAML_CERT_FILE', {
    mustExist: 'file',
    doc: 'PEM certificate of the SAML service provider.',
  }),
  allowInsecurePrivateFetch: setting.boolean('SALLYPORT_ALLOW_INSECURE_PRIVATE_FETCH', {
    default: false,
    doc: 'Development only: lets outbound requests reach private addresses over plain HTTP (the demo IdP).',
  }),
});

export type IdentityConfig = Config<typeof definition>;

/** @throws ConfigError that lists every problem at once. */
export const readIdentityConfig = (env: Environment = process.env): IdentityConfig => readConfig(definition, env);
