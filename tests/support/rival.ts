import { waitFor } from '@sallyport/dev-env';
import { bearer, expectStatus, issueApiToken, Person, type Caller } from '@sallyport/dev-env/actors';
import { createOperator, type Operator } from '@sallyport/dev-env/operator';

import type { Company } from '../src/company.ts';
import { inAnHour } from '../src/time.ts';
import { credentialsOf, type Credentials } from './senders.ts';

const PROJECT = 'depot';
const PASSWORD = 'another house, another long password';

/** Another organisation, whose Owner may do everything there is, in it. */
export interface Rival {
  readonly orgId: string;
  readonly owner: Caller;
  readonly credentials: Credentials;
  readonly scimToken: string;
  /** Key of a project with an environment `staging`. */
  readonly project: string;
}

const operatorOf = ({ constellation }: Company): Operator =>
  createOperator({
    addressOf: (service) => constellation.services[service].grpcAddress,
    tls: constellation.certificates.operator,
    deployment: constellation.deployment,
  });

/** Creates the organisation as an operator does and furnishes it over the public API. `slug` is of it alone. */
export const openRival = async (company: Company, slug = 'globex'): Promise<Rival> => {
  const { origin } = company.constellation;
  const operator = operatorOf(company);
  const email = `owner@${slug}.example`;
  try {
    const { orgId } = await operator.createOrganization({
      slug,
      displayName: `${slug.charAt(0).toUpperCase()}${slug.slice(1)}`,
      ownerEmail: email,
      ownerPassword: PASSWORD,
    });
    const session = new Person(origin, email);
    await session.signInWithPassword(slug, PASSWORD);
    const ownerToken = await issueApiToken(session, 'Tests', inAnHour());
    const owner = bearer(origin, ownerToken);
    await waitFor(async () => (await owner.call('GET', '/api/identity/v1/connections')).status === 200, {
      message: 'policy to know the other organisation’s Owner',
    });
    const decisionToken = await operator.issueDecisionToken(orgId, 'Tests');
    const { scimToken, environmentKey } = await furnish(owner);
    const held = { ownerToken, ownerSession: session, scimToken, environmentKey, decisionToken };
    return { orgId, owner, credentials: credentialsOf(held), scimToken, project: PROJECT };
  } finally {
    operator.close();
  }
};

const furnish = async (owner: Caller): Promise<{ scimToken: string; environmentKey: string }> => {
  const connections = '/api/identity/v1/connections';
  const { id } = await expectStatus(owner, 201, 'POST', connections, { name: 'Directory', scim: {} });
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
