import { AppError } from '@sallyport/errors';
import { route, type Route } from '@sallyport/http';
import type { Clock, Database } from '@sallyport/storage';
import { z } from 'zod';

import { replay, type PolicyRevision, type Replay } from './replay.ts';

export interface HistoryDependencies {
  readonly db: Database;
  readonly clock: Clock;
}

const name = z.string().min(1).max(256);
const properties = z
  .record(z.string().max(64), z.unknown())
  .refine((given) => Object.keys(given).length <= 64, 'at most 64 properties');

const orderShape = z.strictObject({
  subject: z.strictObject({ type: z.enum(['user', 'service_account']), id: name, properties: properties.optional() }),
  action: name,
  projectId: name.optional(),
  environmentId: name.optional(),
  at: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
  /** The `policyRevision` of a decision: that decision is replayed. */
  policyRevision: z.string().max(128).optional(),
  /** For conditions only: project and environment say where. */
  resource: z
    .strictObject({
      type: z.string().max(256).default(''),
      id: z.string().max(256).default(''),
      properties: properties.optional(),
    })
    .optional(),
  context: properties.optional(),
});

const moment = z.string().nullable();

const answerShape = z.object({
  decision: z.enum(['allow', 'deny']),
  reason: z.string(),
  explanation: z.string(),
  matchedGrant: z.string().nullable(),
  matchedRole: z.string().nullable(),
  policyRevision: z.string(),
  path: z
    .object({
      grantId: z.string(),
      role: z.string(),
      effect: z.enum(['allow', 'deny']),
      scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
      throughGroup: z.string().nullable(),
      source: z.enum(['direct', 'mapping']).nullable(),
      createdAt: moment,
      createdBy: z.string().nullable(),
    })
    .nullable(),
  since: z.string(),
  until: moment,
  exact: z.boolean(),
  engine: z.enum(['index', 'casbin']),
});

const invalid = (pointer: string, code: string, detail: string): AppError =>
  new AppError('INVALID_REQUEST', detail, { fields: [{ pointer, code, detail }] });

const readRevision = (text: string | undefined, orgId: string): PolicyRevision | null => {
  if (text === undefined) return null;
  const [, org, standing, grants] = /^([^@]*)@s(\d{1,18})\.g(\d{1,18})$/.exec(text) ?? [];
  if (org !== orgId || standing === undefined || grants === undefined)
    throw invalid('/policyRevision', 'NOT_A_REVISION', 'This is no revision of a decision of this organisation.');
  return { standingPosition: BigInt(standing), grantsRevision: BigInt(grants) };
};

const toAnswer = ({ decision, path, since, until, isExact, engine }: Replay): z.input<typeof answerShape> => ({
  decision: decision.allowed ? 'allow' : 'deny',
  reason: decision.reason,
  explanation: decision.explanation,
  matchedGrant: decision.matchedGrant,
  matchedRole: decision.matchedRole,
  policyRevision: decision.policyRevision,
  path:
    path === null
      ? null
      : {
          grantId: path.grantId,
          role: path.roleKey,
          effect: path.effect,
          scope: { projectId: path.projectId, environmentId: path.environmentId },
          throughGroup: path.throughGroupId,
          source: path.origin?.source ?? null,
          createdAt: path.origin?.createdAt.toISOString() ?? null,
          createdBy: path.origin?.createdBy ?? null,
        },
  since: since.toISOString(),
  until: until?.toISOString() ?? null,
  exact: isExact,
  engine,
});

/** Time travel over HTTP. */
export const historyRoutes = ({ db, clock }: HistoryDependencies): Route[] => [
  route({
    method: 'POST',
    path: '/api/policy/v1/history/check',
    permission: 'audit:read',
    surface: 'api',
    summary: 'Could this subject do this then, and why: decided again on what was so at the time.',
    body: orderShape,
    responses: { 200: answerShape, 410: null },
    handler: async ({ body, context: { principal } }) => {
      if (principal === null) throw new AppError('UNAUTHENTICATED', 'Authentication is required.');
      const { orgId } = principal;
      if (body.at > clock.now()) throw invalid('/at', 'IN_THE_FUTURE', 'What will be decided is not known.');
      const { subject, resource } = body;
      const request = {
        orgId,
        // Nobody shows a credential of the subject here.
        subject: { type: subject.type, id: subject.id, epoch: 0n },
        action: body.action,
        projectId: body.projectId ?? '',
        environmentId: body.environmentId ?? '',
        ...(resource === undefined ? {} : { resource: { type: resource.type, id: resource.id } }),
        given: { subject: subject.properties, resource: resource?.properties, context: body.context },
      };
      const revision = readRevision(body.policyRevision, orgId);
      const found = await db.read(orgId, async (tx) => await replay(tx, { request, at: body.at, revision }));
      return { status: 200, body: toAnswer(found) };
    },
  }),
];
