// The pages of docs/reference, each from the code that defines what it lists.
import { describeConfig, type ConfigDefinition } from '@sallyport/config';
import { ERROR_CODES, ERROR_REGISTRY } from '@sallyport/errors';

import { definition as launcherSettings } from '../apps/launcher/src/config.ts';
import { migrateSettings, operatorSettings } from '../apps/operator/src/config.ts';
import { definition as flagsSettings } from '../services/flags/src/config.ts';
import { definition as identitySettings } from '../services/identity/src/config.ts';
import { definition as policySettings } from '../services/policy/src/config.ts';
import { PERMISSION_NAMES, PERMISSIONS, PLACES } from '../services/policy/src/model/permissions.ts';
import { BUILT_IN_ROLES } from '../services/policy/src/model/roles.ts';

const errors = (): string => {
  const rows = ERROR_CODES.map((code) => {
    const { http, grpc, title, retryable } = ERROR_REGISTRY[code];
    return `| \`${code}\` | ${String(http)} | \`${grpc}\` | ${retryable ? 'yes' : 'no'} | ${title} |`;
  });
  return [
    '# Error codes',
    '',
    'Source: `packages/errors/src/codes.ts`. On HTTP the code is `code` in an `application/problem+json` body and the',
    'last part of `type`; on gRPC it is the `reason` of `google.rpc.ErrorInfo` in the domain `sallyport`.',
    '',
    '| code | HTTP | gRPC | retry | meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
};

const SETTINGS: readonly (readonly [title: string, definition: ConfigDefinition])[] = [
  ['npm start', launcherSettings],
  ['identity', identitySettings],
  ['policy', policySettings],
  ['flags', flagsSettings],
  ['operator migrate', migrateSettings],
  ['operator create-organization', operatorSettings],
];

const config = (): string => {
  const sections = SETTINGS.flatMap(([title, definition]) => [
    `## ${title}`,
    '',
    describeConfig(definition).trim(),
    '',
  ]);
  return [
    '# Settings',
    '',
    'Every setting is an environment variable. A value that is malformed and a `SALLYPORT_…` variable that is not in the',
    'table stop the start with a sentence; nothing is guessed. `npm start` sets what the services need by itself and reads',
    'only what its own table names.',
    '',
    ...sections,
  ].join('\n');
};

const PLACE_LETTERS = { organization: 'o', project: 'p', 'non-production': 'n', production: 'P' } as const;

const permissions = (): string => {
  const header = ['permission', 'what it allows', ...BUILT_IN_ROLES.map(({ name }) => name)];
  const rows = PERMISSION_NAMES.map((name) => {
    const held = BUILT_IN_ROLES.map((role) => {
      return PLACES.map((place) => (role.permissions[place].includes(name) ? PLACE_LETTERS[place] : '')).join('');
    });
    return `| \`${name}\` | ${PERMISSIONS[name].description} | ${held.join(' | ')} |`;
  });
  const roles = BUILT_IN_ROLES.map(({ key, name, description, levels }) => {
    return `| ${name} | \`${key}\` | ${description} | ${levels.join(', ')} |`;
  });
  return [
    '# Roles and permissions',
    '',
    'Source: `services/policy/src/model/roles.ts` and `permissions.ts`. A role is given by a grant at the organisation, a',
    'project or an environment; inside its scope it allows what its column says: **o** at the organisation, **p** at a project,',
    '**n** in non-production environments, **P** in production environments.',
    '',
    '| role | key | for | can be granted at |',
    '|---|---|---|---|',
    ...roles,
    '',
    `| ${header.join(' | ')} |`,
    `|${'---|'.repeat(header.length)}`,
    ...rows,
    '',
  ].join('\n');
};

/** File name below docs/reference and text of every page. */
export const documents = async (): Promise<Map<string, string>> => {
  await Promise.resolve();
  return new Map([
    ['config.md', config()],
    ['errors.md', errors()],
    ['permissions.md', permissions()],
  ]);
};
