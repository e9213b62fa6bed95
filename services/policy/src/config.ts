import { defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';
import { commonSettings, followerSettings, requireSafeRenewal } from '@sallyport/service';

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  ...commonSettings('policy'),
  ...followerSettings,
  indexMemoryMib: setting.integer('SALLYPORT_INDEX_MEMORY_MIB', {
    default: 512,
    min: 16,
    max: 65_536,
    doc: 'Memory all decision indexes together may take, in MiB; those unused for longest are read again when needed.',
  }),
  shadowEvery: setting.integer('SALLYPORT_SHADOW_EVERY', {
    default: 1_000,
    min: 0,
    max: 1_000_000,
    doc: 'One decision in so many is compared with Casbin, off the path of requests; 0 compares none.',
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
  requireSafeRenewal(config);
  return config;
};
