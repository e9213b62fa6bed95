import { defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';
import { commonSettings } from '@sallyport/service';

import { mailSettings } from './mail/settings.ts';
import { pageSettings } from './pages/settings.ts';
import { domainSettings } from './domains/settings.ts';
import { samlSettings } from './saml/settings.ts';
import { scimSettings } from './scim/settings.ts';

const SECOND_MS = 1_000;

/** Every setting of the service; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  ...commonSettings('identity'),
  policyGrpc: setting.hostPort('SALLYPORT_POLICY_GRPC', { doc: 'host:port of the policy service.' }),
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
  ...domainSettings,
  ...samlSettings,
  ...scimSettings,
  ...mailSettings,
  ...pageSettings,
  allowInsecurePrivateFetch: setting.boolean('SALLYPORT_ALLOW_INSECURE_PRIVATE_FETCH', {
    default: false,
    doc: 'Development only: lets outbound requests reach private addresses over plain HTTP (the demo IdP).',
  }),
});

export type IdentityConfig = Config<typeof definition>;

/** @throws ConfigError that lists every problem at once. */
export const readIdentityConfig = (env: Environment = process.env): IdentityConfig => readConfig(definition, env);
