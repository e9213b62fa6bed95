import { Decision } from '@sallyport/proto/policy/v1';
import {
  bearer,
  expectStatus,
  holdEverything,
  issueApiToken,
  Person,
  type CredentialClass,
  type Holdings,
} from '@sallyport/dev-env/actors';

import { askPolicy, type Company, type Employee } from './company.ts';
import { employMachine } from './machine.ts';
import type { Project } from './project.ts';
import { inAnHour } from './time.ts';

/** The classes of the demo, and what only tests look at. */
export type WideClass =
  | CredentialClass
  | 'accessTokenIntrospection'
  | 'accessTokenMutation'
  | 'apiTokenMutation'
  | 'userInfo'
  | 'policyCheck'
  | 'policyCheckWithEpoch'
  | 'machineApiToken'
  | 'machineApiTokenMutation'
  | 'machineAccessToken'
  | 'machineAccessTokenMutation'
  | 'machineTokenRequest';

/** One of everything, in use, and what a service account holds that the person answers for. `toggle` is a flag of the project that staging lets developers switch. */
export const holdWidely = async (
  company: Company,
  { person, subjectId }: Employee,
  project: Project,
  toggle: string,
): Promise<Holdings<WideClass>> => {
  const { constellation, application, connectionId, owner } = company;
  const { origin } = constellation;
  const { projectId, stagingId: environmentId } = project;
  const flagPath = project.flagPath(toggle, 'staging');
  const holdings = await holdEverything({
    person,
    application,
    samlConnectionId: connectionId,
    decisions: company.decisions,
    projectId,
    environmentId,
    flagPath,
    expiresAt: inAnHour(),
  });
  const { accessToken } = await application.signIn(person);
  const [access, api] = [
    bearer(origin, accessToken),
    bearer(origin, await issueApiToken(person, 'Deploys', inAnHour())),
  ];
  const account = await expectStatus(owner, 200, 'GET', `/api/identity/v1/accounts/${subjectId}`);
  const epoch = BigInt(String(account['epoch']));
  const machine = await employMachine(company, subjectId, project);
  const checked = async (shown: bigint): Promise<boolean> => {
    const { decision } = await askPolicy(company, subjectId, { projectId, environmentId, epoch: shown });
    return decision === Decision.DECISION_ALLOW;
  };
  const toggles = (caller: typeof api) => {
    let enabled = false;
    return async (): Promise<boolean> => {
      enabled = !enabled;
      return (await caller.call('PATCH', flagPath, { state: enabled ? 'ENABLED' : 'DISABLED' })).status === 200;
    };
  };
  const isKnown = (caller: typeof api) => async (): Promise<boolean> =>
    (await caller.call('GET', '/api/identity/v1/me')).status === 200;
  return {
    ...holdings,
    accessTokenIntrospection: async () => await application.introspect(accessToken),
    accessTokenMutation: toggles(access),
    apiTokenMutation: toggles(api),
    userInfo: async () => (await access.call('GET', '/oidc/me')).status === 200,
    policyCheck: async () => await checked(0n),
    policyCheckWithEpoch: async () => await checked(epoch),
    machineApiToken: isKnown(machine.fixed),
    machineApiTokenMutation: toggles(machine.fixed),
    machineAccessToken: isKnown(machine.workload),
    machineAccessTokenMutation: toggles(machine.workload),
    machineTokenRequest: async () => (await machine.ask()) !== null,
  };
};

/** Things that work only once, on their way when access ends. Each answers whether it still got somebody in. */
export interface InFlight {
  /** An authorization code of ours that nobody has redeemed. */
  readonly code: () => Promise<boolean>;
  /** A SAML response the browser has not posted yet. */
  readonly assertion: () => Promise<boolean>;
  /** The way back from the IdP's OpenID Provider, not followed yet. */
  readonly callback: () => Promise<boolean>;
}

/** Starts one of each, in browsers of their own. */
export const startFlights = async (company: Company, { person }: Employee): Promise<InFlight> => {
  const { application, connectionId } = company;
  const { code, verifier } = await application.authorize(person);
  const fromIdp = async (facet: 'saml' | 'oidc'): Promise<() => Promise<boolean>> => {
    const browser = new Person(person.origin, person.userName);
    const deliver = await browser.askIdp(facet, connectionId);
    return async () => {
      await deliver();
      return browser.session !== undefined;
    };
  };
  return {
    code: async () =>
      await application.redeem(code, verifier).then(
        () => true,
        (error: unknown) => {
          if (String(error).includes('invalid_grant')) return false;
          throw error;
        },
      ),
    assertion: await fromIdp('saml'),
    callback: await fromIdp('oidc'),
  };
};
