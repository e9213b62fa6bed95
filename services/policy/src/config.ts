import { defineConfig, readConfig, setting, type Config, type Environment } from '@sallyport/config';
import { commonSettings, followerSettings, requireSafeRenewal } from '@sallyport/service';

const DAY_MS = 24 * 60 * 60 * 1_000;

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
  historyDays: setting.integer('SALLYPORT_HISTORY_DAYS', {
    default: 400,
    min: 1,
    max: 36_500,
    doc: 'Days for which "could they do it then" is answered; what was over before is forgotten.',
  }),
  shadowEvery: setting.integer('SALLYPORT_SHADOW_EVERY', {
    default: 1_000,
    min: 0,
    max: 1_000_000,
    doc: 'One decision in so many is compared with Casbin, off the path of requests; 0 compares none.',
  }),
  decisionLogReadsEvery: setting.integer('SALLYPORT_DECISION_LOG_READS_EVERY', {
    default: 100,
    min: 0,
    max: 1_000_000,
    doc: 'One of so many allowed decisions is recorded, besides denials and production writes, which all are; 0: none.',
  }),
  decisionLogQueue: setting.integer('SALLYPORT_DECISION_LOG_QUEUE', {
    default: 50_000,
    min: 100,
    max: 1_000_000,
    doc: 'Decisions that may wait to be recorded, about 500 bytes each; what finds no room is counted in a gap record.',
  }),
  decisionLogRetentionMs: setting.durationMs('SALLYPORT_DECISION_LOG_RETENTION', {
    default: 90 * DAY_MS,
    min: 2 * DAY_MS,
    max: 3_650 * DAY_MS,
    doc: 'How long recorded decisions are kept.',
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
