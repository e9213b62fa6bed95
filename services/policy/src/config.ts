import { ConfigError, defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';
import { commonSettings } from '@sallyport/service';

const SECOND_MS = 1_000;

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  ...commonSettings('policy'),
  identityGrpc: setting.hostPort('SALLYPORT_IDENTITY_GRPC', { doc: 'host:port of the identity service.' }),
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
