import { type Config, defineConfig, type Environment, readConfig, setting } from '@sallyport/config';
import { commonSettings, followerSettings, requireSafeRenewal } from '@sallyport/service';

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  ...commonSettings('flags'),
  ...followerSettings,
  policyGrpc: setting.hostPort('SALLYPORT_POLICY_GRPC', { doc: 'host:port of the policy service.' }),
});

export type FlagsConfig = Config<typeof definition>;

/** @throws ConfigError that lists every problem at once; also when a lost renewal or two would end the lease */
export const readFlagsConfig = (env: Environment = process.env): FlagsConfig => {
  const config = readConfig(definition, env);
  requireSafeRenewal(config);
  return config;
};
