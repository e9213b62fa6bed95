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
