import { expectStatus, type Caller, type Person } from '@sallyport/dev-env/actors';

import { employ } from '../src/company.ts';
import { inAnHour } from '../src/time.ts';
import { of, type Prepared, type RouteCase } from './route-case.ts';
import { sessionHeaders } from './senders.ts';
import type { Workshop } from './workshop.ts';

const P = '/api/policy/v1';

interface Agreeable {
  readonly id: string;
  readonly hash: string;
}

const wish = (): object => ({ role: 'viewer', validUntil: inAnHour().toISOString(), reason: 'To look at the flags.' });

const asked = async (caller: Caller): Promise<Agreeable> => {
  const { id, hash } = await expectStatus(caller, 201, 'POST', `${P}/access-requests`, wish());
  return { id: String(id), hash: String(hash) };
};

/** The author asks, the Owner answers. */
const answered = async (workshop: Workshop): Promise<Prepared> => {
  const { id, hash } = await asked(workshop.author);
  return { params: { requestId: id }, body: { hash } };
};

const ownRequest = async (workshop: Workshop): Promise<string> => (await asked(workshop.company.owner)).id;

interface Owner {
  readonly person: Person;
  readonly subjectId: string;
}

const promote = async ({ company }: Workshop): Promise<Owner> => {
  const { person, subjectId } = await employ(company, []);
  const grant = { subject: { type: 'user', id: subjectId }, role: 'owner' };
  await expectStatus(company.owner, 201, 'POST', `${P}/grants`, grant);
  return { person, subjectId };
};

/** One more Owner of each workshop's company. */
const oneMore = (): ((workshop: Workshop) => Promise<Owner>) => {
  const owners = new WeakMap<Workshop, Promise<Owner>>();
  return async (workshop) => {
    const known = owners.get(workshop) ?? promote(workshop);
    owners.set(workshop, known);
    return await known;
  };
};

/** Somebody besides the Owner who may propose and agree. */
const secondOwner = oneMore();
/** Somebody who may take grants back, and gave none of them. */
const neutralOwner = oneMore();

const proposal = async (workshop: Workshop): Promise<object> => {
  const grant = { subject: { type: 'user', id: await workshop.knownUser() }, role: 'viewer' };
  return { change: { kind: 'grant.create', grant }, reason: 'To look at the flags.' };
};

const proposed = async (workshop: Workshop, caller: Caller): Promise<Prepared> => {
  const { id, hash } = await expectStatus(caller, 201, 'POST', `${P}/proposals`, await proposal(workshop));
  return { params: { proposalId: String(id) }, body: { hash: String(hash) } };
};

const ofAnother = async (workshop: Workshop): Promise<Prepared> =>
  await proposed(workshop, (await secondOwner(workshop)).person);

const ownProposal = async (workshop: Workshop): Promise<Prepared> => {
  const { params = {} } = await proposed(workshop, workshop.company.owner);
  return { params };
};

/** Of everybody who looks on; the Owner gave most of it. */
const review = async (workshop: Workshop): Promise<object> => {
  const { subjectId } = await neutralOwner(workshop);
  return { title: 'Who looks on', role: 'viewer', reviewers: [subjectId], deadline: inAnHour().toISOString() };
};

const startedReview = async (workshop: Workshop): Promise<string> => {
  const body = await review(workshop);
  return String((await expectStatus(workshop.company.owner, 201, 'POST', `${P}/reviews`, body))['id']);
};

/** By the reviewer, about a new grant. */
const judgement = async (workshop: Workshop): Promise<Prepared> => {
  const { person } = await neutralOwner(workshop);
  const grantId = await workshop.grant();
  const params = { reviewId: await startedReview(workshop), grantId };
  return { params, body: { reason: 'Looked at it.' }, headers: sessionHeaders(person) };
};

const reviewCase = (status: number, entries: readonly string[] = []): RouteCase => ({
  status,
  prepare: of('reviewId', async (workshop) => {
    await workshop.grant();
    return await startedReview(workshop);
  }),
  entries,
});

/** Asking for access, reviews and four eyes on roles. */
export const GOVERNANCE_ROUTE_CASES: Readonly<Record<string, RouteCase>> = {
  [`POST ${P}/access-requests`]: {
    status: 201,
    prepare: async () => await Promise.resolve({ body: wish() }),
    entries: ['access-request.created'],
  },
  [`GET ${P}/access-requests/:requestId`]: { status: 200, prepare: of('requestId', ownRequest) },
  [`POST ${P}/access-requests/:requestId/approve`]: {
    status: 200,
    prepare: answered,
    entries: ['access-request.approved', 'grant.created'],
  },
  [`POST ${P}/access-requests/:requestId/deny`]: {
    status: 200,
    prepare: answered,
    entries: ['access-request.denied'],
  },
  [`POST ${P}/access-requests/:requestId/cancel`]: {
    status: 200,
    prepare: of('requestId', ownRequest),
    entries: ['access-request.cancelled'],
  },
  [`POST ${P}/proposals`]: {
    status: 201,
    prepare: async (workshop) => ({ body: await proposal(workshop) }),
    entries: ['proposal.created'],
  },
  [`GET ${P}/proposals/:proposalId`]: { status: 200, prepare: ownProposal },
  [`PUT ${P}/proposals/:proposalId`]: {
    status: 200,
    prepare: async (workshop) => ({ ...(await ownProposal(workshop)), body: await proposal(workshop) }),
    entries: ['proposal.revised'],
  },
  [`POST ${P}/proposals/:proposalId/approve`]: { status: 200, prepare: ofAnother, entries: ['proposal.approved'] },
  [`POST ${P}/proposals/:proposalId/reject`]: { status: 200, prepare: ofAnother, entries: ['proposal.rejected'] },
  [`POST ${P}/proposals/:proposalId/apply`]: {
    status: 200,
    prepare: async (workshop) => {
      const prepared = await ofAnother(workshop);
      const path = `${P}/proposals/${prepared.params?.['proposalId'] ?? ''}/approve`;
      await expectStatus(workshop.company.owner, 200, 'POST', path, prepared.body);
      return prepared;
    },
    entries: ['proposal.applied', 'grant.created'],
  },
  [`POST ${P}/proposals/:proposalId/cancel`]: {
    status: 200,
    prepare: ownProposal,
    entries: ['proposal.cancelled'],
  },
  [`POST ${P}/reviews`]: {
    status: 201,
    prepare: async (workshop) => {
      await workshop.grant();
      return { body: await review(workshop) };
    },
    entries: ['review.started'],
  },
  [`GET ${P}/reviews/:reviewId`]: reviewCase(200),
  [`GET ${P}/reviews/:reviewId/items`]: reviewCase(200),
  [`GET ${P}/reviews/:reviewId/evidence`]: reviewCase(200),
  [`POST ${P}/reviews/:reviewId/cancel`]: reviewCase(200, ['review.cancelled']),
  [`POST ${P}/reviews/:reviewId/items/:grantId/keep`]: {
    status: 204,
    prepare: judgement,
    entries: ['review-item.kept'],
  },
  [`POST ${P}/reviews/:reviewId/items/:grantId/revoke`]: {
    status: 204,
    prepare: judgement,
    entries: ['review-item.revoked', 'grant.deleted'],
  },
};
