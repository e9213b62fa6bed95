import { PUBLIC, route, type Route } from '@sallyport/http';
import { z } from 'zod';

/** Where each API of the binding is served (§10.1). */
export const PATHS = {
  evaluation: '/access/v1/evaluation',
  evaluations: '/access/v1/evaluations',
  searchSubject: '/access/v1/search/subject',
  searchResource: '/access/v1/search/resource',
  searchAction: '/access/v1/search/action',
} as const;

/** Long enough to spare us the question, short enough for a move. */
const CACHED_S = 300;

/** `capabilities` is left out: no URN is registered for anything served here, and what has no value MUST be omitted. */
const metadataShape = z.object({
  policy_decision_point: z.string(),
  access_evaluation_endpoint: z.string(),
  access_evaluations_endpoint: z.string(),
  search_subject_endpoint: z.string(),
  search_resource_endpoint: z.string(),
  search_action_endpoint: z.string(),
});

/**
 * Metadata of this decision point (§9), from configuration alone: a forged Host header cannot send anybody elsewhere.
 *
 * Not signed: the service has no key whose public half enforcement points could know.
 */
export const metadataRoute = (publicOrigin: string): Route => {
  const body: z.input<typeof metadataShape> = {
    policy_decision_point: publicOrigin,
    access_evaluation_endpoint: publicOrigin + PATHS.evaluation,
    access_evaluations_endpoint: publicOrigin + PATHS.evaluations,
    search_subject_endpoint: publicOrigin + PATHS.searchSubject,
    search_resource_endpoint: publicOrigin + PATHS.searchResource,
    search_action_endpoint: publicOrigin + PATHS.searchAction,
  };
  const headers = { 'content-type': 'application/json', 'cache-control': `public, max-age=${String(CACHED_S)}` };
  return route({
    method: 'GET',
    path: '/.well-known/authzen-configuration',
    permission: PUBLIC,
    surface: 'authzen',
    summary: 'AuthZEN 1.0 metadata of this decision point.',
    responses: { 200: metadataShape },
    handler: () => Promise.resolve({ status: 200, body, headers }),
  });
};
