import { expectStatus, type Caller } from '@sallyport/dev-env/actors';

import { inAnHour } from '../src/time.ts';
import { of, type Prepared, type RouteCase } from './route-case.ts';
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
};
