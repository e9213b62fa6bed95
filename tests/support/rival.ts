import { waitFor } from '@sallyport/dev-env';
import { bearer, expectStatus, issueApiToken, Person, type Caller } from '@sallyport/dev-env/actors';
import { createOperator, type Operator } from '@sallyport/dev-env/operator';

import type { Company } from '../src/company.ts';
import { inAnHour } from '../src/time.ts';
import { credentialsOf, type Credentials } from './senders.ts';

const SLUG = 'globex';
const EMAIL = 'owner@globex.example';
const PROJECT = 'depot';
const PASSWORD = 'another house, another long password';

/** A second organisation, whose Owner may do everything there is, in it. */
export interface Rival {
  readonly orgId: string;
  readonly owner: Caller;
  readonly credentials: Credentials;
  /** Key of a project with an environment `staging`. */
  readonly project: string;
}

const operatorOf = ({ constellation }: Company): Operator =>
  createOperator({
    addressOf: (service) => constellation.services[service].grpcAddress,
    tls: constellation.certificates.operator,
    deployment: constellation.deployment,
  });

/** Creates the organisation as an operator does and furnishes it over the public API. */
export const openRival = async (company: Company): Promise<Rival> => {
  const { origin } = company.constellation;
  const operator = operatorOf(company);
  try {
    const { orgId } = await operator.createOrganization({
      slug: SLUG,
      displayName: 'Globex',
      ownerEmail: EMAIL,
      ownerPassword: PASSWORD,
    });
    const session = new Person(origin, EMAIL);
    await session.signInWithPassword(SLUG, PASSWORD);
    const ownerToken = await issueApiToken(session, 'Tests', inAnHour());
    const owner = bearer(origin, ownerToken);
    await waitFor(async () => (await owner.call('GET', '/api/identity/v1/connections')).status === 200, {
      message: 'policy to know the other organisation’s Owner',
    });
    const decisionToken = await operator.issueDecisionToken(orgId, 'Tests');
    const { scimToken, environmentKey } = await furnish(owner);
    const held = { ownerToken, ownerSession: session, scimToken, environmentKey, decisionToken };
    return { orgId, owner, credentials: credentialsOf(held), project: PROJECT };
  } finally {
    operator.close();
  }
};

const furnish = async (owner: Caller): Promise<{ scimToken: string; environmentKey: string }> => {
  const connections = '/api/identity/v1/connections';
  const { id } = await expectStatus(owner, 201, 'POST', connections, { name: 'Globex directory', scim: {} });
  const token = await expectStatus(owner, 201, 'POST', `${connections}/${String(id)}/scim-tokens`, { name: 'Tests' });
  const path = `/api/flags/v1/projects/${PROJECT}`;
  await expectStatus(owner, 201, 'POST', '/api/flags/v1/projects', { key: PROJECT, name: 'Depot' });
  const staging = { key: 'staging', name: 'Staging', tier: 'non-production' };
  await expectStatus(owner, 201, 'POST', `${path}/environments`, staging);
  const keys = `${path}/environments/staging/keys`;
  await waitFor(async () => (await owner.call('GET', keys)).status === 200, {
    message: 'policy to know the other organisation’s project',
  });
  const key = await expectStatus(owner, 201, 'POST', keys, { name: 'Tests', kind: 'server' });
  return { scimToken: String(token['token']), environmentKey: String(key['key']) };
};
