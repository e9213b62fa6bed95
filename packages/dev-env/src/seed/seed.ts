import { systemClock } from '@sallyport/storage';
import { bearer, patient, Person, type Caller } from '../actors/index.ts';
import { DevEnvironmentError } from '../errors.ts';
import { waitFor } from '../wait-for.ts';
import { mustSucceed, textOf } from './api.ts';
import { CONNECTION, ORGANIZATION } from './company.ts';
import type { Operator } from './operator.ts';
import { openSeedProgress, type SeedRecord } from './record.ts';
import { connectDemoIdp, createProject, mapGroups, provision, type SeedStep } from './steps.ts';

const TOKENS = '/api/identity/v1/api-tokens';
const TOKEN_LIFETIME_MS = 60 * 60 * 1000;

/** Where to seed what. */
export interface SeedOptions {
  readonly stateDir: string;
  readonly origin: string;
  readonly idpUrl: string;
  readonly ownerPassword: string;
  readonly operator: Operator;
}

/** A seeded organisation; every field of the record is there. */
export type Seeded = { readonly [K in keyof SeedRecord]-?: NonNullable<SeedRecord[K]> };

/**
 * Makes sure the demo organisation is complete, and that its connection and the demo IdP know each
 * other's present addresses. Cheap when nothing is to be done; goes on where an interrupted run
 * stopped. Organisation, tokens of the operator: over gRPC as `operator`; everything else over the
 * public API, as the Owner.
 *
 * @throws SEED_FAILED with the request and its answer; STATE_DAMAGED when the database holds the
 *   organisation but this state directory does not know its Owner's password.
 */
export async function seed(options: SeedOptions): Promise<Seeded> {
  const { stateDir, origin, idpUrl, ownerPassword, operator } = options;
  const { orgId, created } = await operator.createOrganization({ ...ORGANIZATION, ownerPassword });
  const progress = openSeedProgress(stateDir, orgId);
  const { record } = progress;
  if (record.complete !== true || record.origin !== origin || record.idpUrl !== idpUrl) {
    const session = await signIn(origin, ownerPassword, created);
    await withToken(session, origin, async (owner) => {
      const step: SeedStep = { owner, origin, idpUrl, progress };
      await connectDemoIdp(step);
      await operator.verifyDomain({
        orgId,
        connectionId: progress.record.connectionId ?? '',
        domain: CONNECTION.domain,
      });
      await Promise.all([provision(step).then(() => mapGroups(step)), createProject(step)]);
    });
  }
  if (progress.record.decisionToken === undefined) {
    progress.note({ decisionToken: await operator.issueDecisionToken(orgId, 'Demo enforcement point') });
  }
  progress.note({ complete: true });
  return progress.record as Seeded;
}

async function signIn(origin: string, ownerPassword: string, created: boolean): Promise<Person> {
  const owner = new Person(origin, ORGANIZATION.ownerEmail);
  const credentials = { organization: ORGANIZATION.slug, email: ORGANIZATION.ownerEmail, password: ownerPassword };
  const answer = await owner.call('POST', '/api/identity/v1/login', credentials);
  if (answer.status >= 200 && answer.status < 300) return owner;
  if (answer.body['code'] === 'LOGIN_REFUSED' && !created) {
    throw new DevEnvironmentError(
      'STATE_DAMAGED',
      `The database already holds the organisation "${ORGANIZATION.slug}", and the password of its Owner is not the one in this state directory: use that directory's own database, or an empty one.`,
    );
  }
  throw new DevEnvironmentError(
    'SEED_FAILED',
    `The Owner's sign-in was answered ${answer.status}: ${JSON.stringify(answer.body)}`,
  );
}

/** Works with an API token of the Owner that is gone afterwards. */
async function withToken(session: Person, origin: string, work: (owner: Caller) => Promise<void>): Promise<void> {
  const expiresAt = new Date(systemClock.now().getTime() + TOKEN_LIFETIME_MS).toISOString();
  const { body } = await mustSucceed(session, 'POST', TOKENS, { name: 'Seeding', expiresAt });
  const owner = patient(bearer(origin, textOf(body, 'token')));
  try {
    await policyKnows(owner);
    await work(owner);
  } finally {
    await session.call('DELETE', `${TOKENS}/${textOf(body, 'id')}`);
  }
}

/** Policy learns of a new Owner through the subject log, a moment after identity has created it. */
async function policyKnows(owner: Caller): Promise<void> {
  await waitFor(async () => (await owner.call('GET', '/api/identity/v1/connections')).status === 200, {
    timeoutMs: 10_000,
    message: 'policy to know the Owner',
  });
}
