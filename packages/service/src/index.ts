/**
 * What every service process is made of.
 *
 * Owns: the settings all services share, opening what they stand on (telemetry, certificates, keys, database, audit log),
 * serving both surfaces, and the life of the process. Does not own: anything a service is about.
 */
export { openFoundation, type Foundation, type FoundationOptions, type FoundationOverrides } from './foundation.ts';
export { startRounds, type Rounds } from './rounds.ts';
export { runService, type RunnableService } from './run.ts';
export { serve, type RunningServer, type Surfaces } from './serve.ts';
export { commonSettings, followerSettings, requireSafeRenewal, type CommonConfig } from './settings.ts';
