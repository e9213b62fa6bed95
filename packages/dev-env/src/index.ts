export { DevEnvironmentError, type DevEnvironmentErrorCode } from './errors.ts';
export { freePort, freePorts, isPortFree } from './ports.ts';
export { startPostgres, type Postgres, type PostgresOptions } from './postgres/start.ts';
export { waitFor, type WaitOptions } from './wait-for.ts';
export {
  createDevCa,
  createSelfSigned,
  issueDevCertificate,
  type CertificateRequest,
  type DevCa,
  type DevCertificate,
} from './certificates.ts';
export { SERVICE_NAMES, serviceMigrations, type ServiceName } from './services.ts';
export { databaseUrl, serviceUrl, testDatabase, testPostgres, type TestDatabase } from './test-database.ts';
export { bootstrapFile, bootstrapSchema, readBootstrap, type Bootstrap } from './constellation/bootstrap.ts';
export {
  startConstellation,
  type Constellation,
  type ConstellationOptions,
  type ServiceHandle,
} from './constellation/constellation.ts';
export type { ConstellationEvent } from './constellation/events.ts';
export { startOrigin, type Origin, type OriginOptions } from './origin/origin.ts';
export { superviseChild, type Child, type ChildEvent, type ChildSpec, type RestartPolicy } from './supervise/child.ts';
export { killGuarded } from './guard.ts';
export { NODE_FLAGS, REPOSITORY } from './services.ts';
