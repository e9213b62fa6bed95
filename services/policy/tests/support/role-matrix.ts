import { readFileSync } from 'node:fs';

import { parse } from 'yaml';

import { PLACES, type Place } from '../../src/model/permissions.ts';

interface MatrixFile {
  readonly letters: Readonly<Record<string, string>>;
  readonly matrix: Readonly<Record<string, Partial<Record<Place, string>>>>;
}

const file = parse(readFileSync(new URL('../semantics/role-matrix.yaml', import.meta.url), 'utf8')) as MatrixFile;

export interface MatrixCase {
  readonly role: string;
  readonly permission: string;
  readonly place: Place;
  readonly allowed: boolean;
}

export const MATRIX_ROLES: readonly string[] = Object.values(file.letters);
export const MATRIX_PERMISSIONS: readonly string[] = Object.keys(file.matrix);

/** Every role × permission × place with what the table says. */
export const MATRIX: readonly MatrixCase[] = Object.entries(file.matrix).flatMap(([permission, row]) =>
  PLACES.flatMap((place) =>
    Object.entries(file.letters).map(([letter, role]) => ({
      role,
      permission,
      place,
      allowed: row[place]?.includes(letter) === true,
    })),
  ),
);
