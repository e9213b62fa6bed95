import { AppError } from '@sallyport/errors';
import {
  decodeCursor,
  encodeCursor,
  listOf,
  listQuery,
  route,
  SELF,
  type RequestContext,
  type Route,
} from '@sallyport/http';
import { z } from 'zod';

import { callerOf } from '../approvals/index.ts';
import { id, knownScope, toScope, type Administrator } from '../grants/index.ts';
import { applyProposal } from './apply-proposal.ts';
import { loadProposal } from './load-proposal.ts';
import {
  asItIs,
  changeShape,
  PROPOSAL_STATES,
  type Proposal,
  type ProposalDependencies,
  type ProposalState,
} from './proposal.ts';
import { propose, revise } from './propose.ts';
import { approveProposal, cancelProposal, rejectProposal } from './review-proposal.ts';
import { listProposals } from './store.ts';

const PATH = '/api/policy/v1/proposals';

const words = z.string().trim().min(1).max(2_000);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const newProposalShape = z.object({ change: changeShape, reason: words });
const applicationShape = z.object({ hash });
const verdictShape = applicationShape.extend({ comment: words.optional() });

const listedShape = z.object({
  id: z.string(),
  state: z.enum(PROPOSAL_STATES),
  revision: z.number(),
  change: z.record(z.string(), z.unknown()),
  scope: z.object({ projectId: z.string().nullable(), environmentId: z.string().nullable() }),
  hash: z.string(),
  reason: z.string(),
  proposer: z.object({ type: z.enum(['user', 'service_account']), id: z.string() }),
  approvals: z.array(z.object({ approver: z.string(), comment: z.string().nullable(), createdAt: z.string() })),
  createdAt: z.string(),
  updatedAt: z.string(),
  expiresAt: z.string(),
  closedAt: z.string().nullable(),
  closedBy: z.string().nullable(),
  resultId: z.string().nullable(),
});
const proposalShape = listedShape.extend({ requiredApprovals: z.number().nullable() });

const toListed = (proposal: Proposal): z.input<typeof listedShape> => ({
  id: proposal.proposalId,
  state: proposal.state,
  revision: proposal.revision,
  change: JSON.parse(JSON.stringify(proposal.change)) as Record<string, unknown>,
  scope: { projectId: proposal.scope.projectId, environmentId: proposal.scope.environmentId },
  hash: proposal.hash,
  reason: proposal.reason,
  proposer: { type: proposal.proposer.type, id: proposal.proposer.id },
  approvals: proposal.approvals.map(({ approver, comment, createdAt }) => ({
    approver: approver.id,
    comment,
    createdAt: createdAt.toISOString(),
  })),
  createdAt: proposal.createdAt.toISOString(),
  updatedAt: proposal.updatedAt.toISOString(),
  expiresAt: proposal.expiresAt.toISOString(),
  closedAt: proposal.closedAt?.toISOString() ?? null,
  closedBy: proposal.closedBy,
  resultId: proposal.resultId,
});

const administratorOf = (context: RequestContext): Administrator => ({ principal: callerOf(context), context });

const params = z.object({ proposalId: z.string() });
const known = (text: string): string => {
  const parsed = id.safeParse(text);
  if (!parsed.success) throw new AppError('NOT_FOUND', 'There is no such proposal.');
  return parsed.data;
};

const cursorShape = z.strictObject({ after: id });

const createRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'POST',
    path: PATH,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Proposes a change of grants, group mappings or protections to others.',
    body: newProposalShape,
    responses: { 201: proposalShape },
    handler: async ({ body, context }) => {
      const { proposalId } = await propose(dependencies, administratorOf(context), body);
      const headers = { location: `${PATH}/${proposalId}` };
      return { status: 201, body: await shown(dependencies, context, proposalId), headers };
    },
  });

const listQueryShape = listQuery.extend({
  state: z.enum(PROPOSAL_STATES).optional(),
  /** `own` (default), or everybody's within the scope: for who may see the grants there. */
  of: z.enum(['own', 'everybody']).default('own'),
  projectId: id.optional(),
  environmentId: id.optional(),
});

/** Nobody may have written that down yet. */
const ENDS_BY_ITSELF: readonly ProposalState[] = ['cancelled', 'expired'];

/** What is stored of proposals that may be in this state now. */
const storedAs = (state: ProposalState | undefined): readonly ProposalState[] | null => {
  if (state === undefined) return null;
  return ENDS_BY_ITSELF.includes(state) ? [state, 'in_review'] : [state];
};

const listRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'GET',
    path: PATH,
    permission: SELF,
    surface: 'api',
    summary: 'Proposals: one’s own, or everybody’s within a scope whose grants one may see.',
    query: listQueryShape,
    responses: { 200: listOf(listedShape) },
    handler: async ({ query, context }) => {
      const { orgId, subjectId } = callerOf(context);
      const { state, limit, cursor } = query;
      const scope = knownScope(dependencies.knowledge.organization(orgId), {
        projectId: query.projectId ?? null,
        environmentId: query.environmentId ?? null,
      });
      if (query.of === 'everybody') await context.require('grant:read', toScope(scope));
      const found = await dependencies.db.read(
        orgId,
        async (tx) =>
          await listProposals(tx, orgId, {
            ...(cursor === undefined ? {} : decodeCursor(cursorShape, cursor)),
            limit: limit + 1,
            proposerId: query.of === 'own' ? subjectId : null,
            states: storedAs(state),
            scope,
          }),
      );
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      const items = page
        .map((proposal) => asItIs(proposal, orgId, dependencies))
        .filter((proposal) => state === undefined || proposal.state === state)
        .map(toListed);
      const nextCursor = last === undefined ? null : encodeCursor({ after: last.proposalId });
      return { status: 200, body: { items, nextCursor } };
    },
  });

const shown = async (
  dependencies: ProposalDependencies,
  context: RequestContext,
  proposalId: string,
): Promise<z.input<typeof proposalShape>> => {
  const { orgId, subjectId } = callerOf(context);
  const { proposal, requiredApprovals } = await loadProposal(dependencies, orgId, proposalId);
  if (!hasPartIn(proposal, subjectId)) await context.require('grant:read', toScope(proposal.scope));
  return { ...toListed(proposal), requiredApprovals };
};

const hasPartIn = ({ proposer, approvals, closedBy }: Proposal, subjectId: string): boolean =>
  proposer.id === subjectId || closedBy === subjectId || approvals.some(({ approver }) => approver.id === subjectId);

const getRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'GET',
    path: `${PATH}/:proposalId`,
    permission: SELF,
    surface: 'api',
    summary: 'A proposal: one’s own, one that one has answered, or of a scope whose grants one may see.',
    params,
    responses: { 200: proposalShape },
    handler: async ({ params: { proposalId }, context }) => ({
      status: 200,
      body: await shown(dependencies, context, known(proposalId)),
    }),
  });

const reviseRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'PUT',
    path: `${PATH}/:proposalId`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Proposes something else instead; every approval is void.',
    params,
    body: newProposalShape,
    responses: { 200: proposalShape, 409: null },
    handler: async ({ params: { proposalId }, body, context }) => {
      const input = { ...body, proposalId: known(proposalId) };
      await revise(dependencies, administratorOf(context), input);
      return { status: 200, body: await shown(dependencies, context, input.proposalId) };
    },
  });

const VERBS = {
  approve: { summary: 'Agrees to a proposal, as its hash says.', act: approveProposal },
  reject: { summary: 'Ends a proposal.', act: rejectProposal },
} as const;

const verdictRoute = (dependencies: ProposalDependencies, verb: keyof typeof VERBS): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:proposalId/${verb}`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: VERBS[verb].summary,
    params,
    body: verdictShape,
    responses: { 200: proposalShape, 409: null },
    handler: async ({ params: { proposalId: text }, body, context }) => {
      const proposalId = known(text);
      const verdict = { proposalId, hash: body.hash, comment: body.comment ?? null };
      await VERBS[verb].act(dependencies, administratorOf(context), verdict);
      return { status: 200, body: await shown(dependencies, context, proposalId) };
    },
  });

const applyRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:proposalId/apply`,
    permission: 'grant:manage',
    scope: 'deferred',
    surface: 'api',
    summary: 'Applies a proposal others have agreed to.',
    params,
    body: applicationShape,
    responses: { 200: proposalShape, 409: null },
    handler: async ({ params: { proposalId: text }, body, context }) => {
      const proposalId = known(text);
      await applyProposal(dependencies, administratorOf(context), { proposalId, hash: body.hash });
      return { status: 200, body: await shown(dependencies, context, proposalId) };
    },
  });

const cancelRoute = (dependencies: ProposalDependencies): Route =>
  route({
    method: 'POST',
    path: `${PATH}/:proposalId/cancel`,
    permission: SELF,
    surface: 'api',
    summary: 'Takes one’s own proposal back.',
    params,
    responses: { 200: proposalShape, 409: null },
    handler: async ({ params: { proposalId: text }, context }) => {
      const proposalId = known(text);
      await cancelProposal(dependencies, administratorOf(context), proposalId);
      return { status: 200, body: await shown(dependencies, context, proposalId) };
    },
  });

/** Proposals over HTTP. */
export const proposalRoutes = (dependencies: ProposalDependencies): Route[] => [
  createRoute(dependencies),
  listRoute(dependencies),
  getRoute(dependencies),
  reviseRoute(dependencies),
  verdictRoute(dependencies, 'approve'),
  verdictRoute(dependencies, 'reject'),
  applyRoute(dependencies),
  cancelRoute(dependencies),
];
