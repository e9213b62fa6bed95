import { defineConfig, readConfig, type Config, type Environment } from '@sallyport/config';
import { commonSettings, followerSettings, requireSafeRenewal } from '@sallyport/service';

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({ ...commonSettings('policy'), ...followerSettings });

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
