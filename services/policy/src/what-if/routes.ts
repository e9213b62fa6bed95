import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor, route, type Route, type Scope } from '@sallyport/http';
import { z } from 'zod';

import { currentIndex, whatIf, type WhatIfDependencies } from './answer.ts';
import { findGrantIn, type ProposedChange } from './hypothetical.ts';
import { answerShape, orderShape, toAnswer, toChanges } from './wire.ts';

const startShape = z.strictObject({
  revision: z.string().max(64),
  digest: z.string().max(32),
  from: z.int().min(0),
  nowMs: z.int(),
});

/** The project all of it lies in; the organisation when there is none. */
const scopeOf = (changes: readonly ProposedChange[], find: (grantId: string) => string | null): Scope => {
  const projects = new Set(
    changes.map((change) => {
      if (change.kind === 'add') return change.row.projectId;
      return change.kind === 'remove' ? find(change.grantId) : null;
    }),
  );
  const [projectId] = projects;
  return projects.size === 1 && projectId !== null && projectId !== undefined ? { projectId } : {};
};

/** What a change of grants, mappings or roles would come to, before it is made. */
export const whatIfRoutes = (dependencies: WhatIfDependencies): Route[] => [
  route({
    method: 'POST',
    path: '/api/policy/v1/what-if',
    permission: 'grant:read',
    scope: 'deferred',
    surface: 'api',
    summary: 'Who would gain and lose what, and what the rules would refuse, if these changes were made.',
    body: orderShape,
    responses: { 200: answerShape, 409: null },
    handler: async ({ body, context }) => {
      const { principal } = context;
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const index = currentIndex(dependencies, principal.orgId);
      const find = (grantId: string): string | null => findGrantIn(index, grantId)?.row.projectId ?? null;
      const changes = toChanges(index, body.changes);
      await context.require('grant:read', scopeOf(changes, find));
      const start = body.cursor === undefined ? null : decodeCursor(startShape, body.cursor);
      const found = await whatIf(dependencies, principal, { changes, limit: body.limit, start });
      return { status: 200, body: toAnswer(found, found.next === null ? null : encodeCursor(found.next)) };
    },
  }),
];
