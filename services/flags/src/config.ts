import { type Config, defineConfig, type Environment, readConfig, setting } from '@sallyport/config';
import { commonSettings } from '@sallyport/service';

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  ...commonSettings('flags'),
  identityGrpc: setting.hostPort('SALLYPORT_IDENTITY_GRPC', { doc: 'host:port of the identity service.' }),
  policyGrpc: setting.hostPort('SALLYPORT_POLICY_GRPC', { doc: 'host:port of the policy service.' }),
});

export type FlagsConfig = Config<typeof definition>;

/** @throws ConfigError that lists every problem at once */
export const readFlagsConfig = (env: Environment = process.env): FlagsConfig => readConfig(definition, env);
