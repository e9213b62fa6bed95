#!/usr/bin/env node
// What the operator of a deployment does by hand: secrets, migrations, organisations.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import process from 'node:process';

import {
  createDevCa,
  createOperator,
  issueDevCertificate,
  prepareSecrets,
  SERVICE_NAMES,
  serviceMigrations,
} from '@sallyport/dev-env/operator';
import { migrate } from '@sallyport/storage';
import { Command } from 'commander';

import { readDeployment, readMigrateConfig, readOperatorConfig } from './config.ts';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const makeSecrets = async (directory: string): Promise<void> => {
  const deployment = readDeployment();
  await prepareSecrets(directory);
  const ca = await createDevCa(directory);
  for (const service of [...SERVICE_NAMES, 'operator']) await issueDevCertificate(ca, { service, deployment });
  say(
    `Secrets and certificates of the deployment "${deployment}" are in ${directory}. What was there already was kept.`,
  );
};

const migrateAll = async (): Promise<void> => {
  const config = readMigrateConfig();
  const passwords = {
    identity: config.identityPassword,
    policy: config.policyPassword,
    flags: config.flagsPassword,
  };
  for (const schema of SERVICE_NAMES) {
    const migrations = await serviceMigrations(schema);
    const options = { adminUrl: config.adminDatabaseUrl, schema, servicePassword: passwords[schema], migrations };
    const { applied } = await migrate(options);
    say(`${schema}: ${applied.length === 0 ? 'already current' : `applied ${applied.join(', ')}`}`);
  }
};

interface NewOrganizationOptions {
  readonly slug: string;
  readonly name: string;
  readonly owner: string;
}

const createOrganization = async ({ slug, name, owner }: NewOrganizationOptions): Promise<void> => {
  const config = readOperatorConfig();
  const [ca, cert, key] = await Promise.all([
    readFile(config.tlsCaFile),
    readFile(config.tlsCertFile),
    readFile(config.tlsKeyFile),
  ]);
  const addresses = { identity: config.identityGrpc, policy: config.policyGrpc, flags: config.flagsGrpc };
  const operator = createOperator({
    addressOf: (service) => addresses[service],
    tls: { ca, cert, key },
    deployment: config.deployment,
  });
  const ownerPassword = randomBytes(18).toString('base64url');
  try {
    const { orgId, created } = await operator.createOrganization({
      slug,
      displayName: name,
      ownerEmail: owner,
      ownerPassword,
    });
    say(created ? `Organisation ${slug} (${orgId}) is created.` : `Organisation ${slug} (${orgId}) was there already.`);
    if (created) say(`Its break-glass Owner is ${owner}, password (shown once): ${ownerPassword}`);
  } finally {
    operator.close();
  }
};

const program = new Command('sallyport-operator')
  .description('Sets up a deployment. Settings come from the environment; see docs/reference/config.md.')
  .showHelpAfterError();
program
  .command('secrets')
  .description('makes the private authority, one certificate per service and all keys, as files')
  .argument('<directory>', 'where to keep them; what is there is kept')
  .action(makeSecrets);
program
  .command('migrate')
  .description('brings the schemas of all services to their newest migration')
  .action(migrateAll);
program
  .command('create-organization')
  .description('creates an organisation with its break-glass Owner; safe to repeat')
  .requiredOption('--slug <slug>', 'short name, used at sign-in')
  .requiredOption('--name <name>', 'display name')
  .requiredOption('--owner <email>', 'e-mail address of the Owner')
  .action(createOrganization);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`sallyport-operator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
