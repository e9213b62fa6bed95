/**
 * A policy somebody wants: what a file says once its names are resolved, and what tells one grant from another.
 */
import { AppError } from '@sallyport/errors';

import { canonicalText } from '../conditions/index.ts';
import type { GrantRow, RoleDefinition } from '../model/index.ts';

/** A grant without its id and without when it was given. */
export type WantedRow = Omit<GrantRow, 'grantId' | 'subjectEpoch'>;

export interface WantedGrant {
  readonly row: WantedRow;
  /** Null: the file cannot tell (Casbin has no such thing); either will do. */
  readonly source: 'direct' | 'mapping' | null;
  /** Of the file. */
  readonly line: number;
}

export interface WantedRule {
  readonly name: string;
  readonly description: string;
  readonly roleKeys: readonly string[];
  readonly line: number;
}

export interface WantedPolicy {
  readonly grants: readonly WantedGrant[];
  readonly roles: readonly { readonly role: RoleDefinition; readonly line: number }[];
  /** Null: the file says nothing about them, so they stay. */
  readonly rules: readonly WantedRule[] | null;
  /** False for what such a file never holds: it stays although the file has no line for it. */
  covers(row: GrantRow): boolean;
}

/** What makes two grants the same; one subject holds one of each kind. */
export const identityOf = (row: WantedRow): string =>
  JSON.stringify([
    row.subjectType,
    row.subjectId,
    row.roleKey,
    row.projectId,
    row.environmentId,
    row.effect,
    row.tier ?? null,
    row.resourceType ?? null,
    row.condition === undefined ? null : canonicalText(row.condition),
  ]);

/** What is wrong, and on which line of the file. */
export interface FileProblem {
  readonly line: number;
  readonly code: string;
  readonly detail: string;
}

const MAX_PROBLEMS = 20;

/** A file that cannot be taken as it is: names the lines. */
export const refuseFile = (
  problems: readonly FileProblem[],
  code: 'INVALID_REQUEST' | 'INVALID_VALUE' = 'INVALID_REQUEST',
): AppError =>
  new AppError(code, `The file is not valid: ${problems[0]?.detail ?? ''}`, {
    metadata: { line: String(problems[0]?.line ?? 0) },
    fields: problems.slice(0, MAX_PROBLEMS).map(({ line, code, detail }) => ({
      pointer: '/document',
      code,
      detail: `line ${String(line)}: ${detail}`,
    })),
  });
