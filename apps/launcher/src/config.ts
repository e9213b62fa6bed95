import { defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';

/** Every setting of `npm start`; `docs/reference/config.md` is generated from it. */
export const definition = defineConfig({
  port: setting.port('PORT', { default: 8080, doc: 'Port of the one HTTP origin; 0 takes a free one.' }),
  databaseUrl: setting.secretUrl('DATABASE_URL', {
    protocols: ['postgres:', 'postgresql:'],
    optional: true,
    doc: 'Admin URL of a PostgreSQL of yours, which gets roles and schemas; absent: the embedded one.',
  }),
  stateDir: setting.path('SALLYPORT_STATE_DIR', {
    optional: true,
    doc: 'Where data, keys, logs and bootstrap.json are kept; absent: `.sallyport` in the checkout.',
  }),
  logLevel: setting.oneOf('SALLYPORT_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
    default: 'info',
    doc: 'Least severe level the services write to their logs.',
  }),
});

/** The settings of one start. */
export type LauncherConfig = Config<typeof definition>;

/** @throws ConfigError that lists every problem at once */
export const readLauncherConfig = (env: Environment = process.env): LauncherConfig => readConfig(definition, env);
