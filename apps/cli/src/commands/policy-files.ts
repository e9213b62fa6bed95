import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Json } from '../client.ts';
import { CliError, EXIT } from '../exit-codes.ts';

/** The text of a file; `-` is standard input. */
export const readText = (path: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new CliError(
      EXIT.usage,
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
};

const isFolder = (path: string): boolean =>
  path !== '-' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** What names a policy: a YAML file, or a folder with model.conf and policy.csv. */
export const POLICY_SOURCE = 'a YAML file (- for standard input), or a folder with model.conf and policy.csv';

/** A policy as the API takes it. */
export const readPolicy = (path: string): Json =>
  isFolder(path)
    ? { format: 'casbin', document: readText(join(path, 'policy.csv')), model: readText(join(path, 'model.conf')) }
    : { format: 'yaml', document: readText(path) };
