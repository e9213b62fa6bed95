import process from 'node:process';

import { defineConfig, readConfig, setting, type Config } from '@sallyport/config';

/** Settings of `migrate`. */
export const migrateSettings = defineConfig({
  adminDatabaseUrl: setting.secretUrl('SALLYPORT_ADMIN_DATABASE_URL', {
    doc: 'PostgreSQL connection of a role that may create roles and schemas.',
  }),
  identityPassword: setting.secret('SALLYPORT_IDENTITY_DATABASE_PASSWORD', {
    doc: 'Password the role sallyport_identity gets.',
  }),
  policyPassword: setting.secret('SALLYPORT_POLICY_DATABASE_PASSWORD', {
    doc: 'Password the role sallyport_policy gets.',
  }),
  flagsPassword: setting.secret('SALLYPORT_FLAGS_DATABASE_PASSWORD', {
    doc: 'Password the role sallyport_flags gets.',
  }),
});

/** Settings of the commands that talk to the services. */
export const operatorSettings = defineConfig({
  deployment: setting.string('SALLYPORT_DEPLOYMENT', { doc: 'Name of the deployment, as in the services.' }),
  tlsCaFile: setting.path('SALLYPORT_TLS_CA_FILE', { doc: 'PEM of the authority that signs service certificates.' }),
  tlsCertFile: setting.path('SALLYPORT_TLS_CERT_FILE', { doc: 'PEM certificate of the service identity "operator".' }),
  tlsKeyFile: setting.path('SALLYPORT_TLS_KEY_FILE', { doc: 'PEM private key of the service identity "operator".' }),
  identityGrpc: setting.string('SALLYPORT_IDENTITY_GRPC', { doc: 'host:port of the identity service.' }),
  policyGrpc: setting.string('SALLYPORT_POLICY_GRPC', { doc: 'host:port of the policy service.' }),
  flagsGrpc: setting.string('SALLYPORT_FLAGS_GRPC', { doc: 'host:port of the flags service.' }),
});

/** @throws ConfigError that lists every problem at once */
export const readMigrateConfig = (): Config<typeof migrateSettings> => readConfig(migrateSettings, process.env);

/** @throws ConfigError that lists every problem at once */
export const readOperatorConfig = (): Config<typeof operatorSettings> => readConfig(operatorSettings, process.env);

/** The name only, for a command that makes certificates and needs nothing else. */
export const readDeployment = (): string => process.env['SALLYPORT_DEPLOYMENT'] ?? 'localhost';
