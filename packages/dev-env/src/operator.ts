/** What setting up a deployment by hand shares with `npm start`: secrets, certificates, migrations, organisations. */
export { createDevCa, issueDevCertificate, type DevCa, type DevCertificate } from './certificates.ts';
export { prepareSecrets, type Secrets } from './constellation/secrets.ts';
export { createOperator, type NewOrganization, type Operator } from './seed/operator.ts';
export { SERVICE_NAMES, serviceMigrations, type ServiceName } from './services.ts';
