import { expectStatus, bearer, Person, type Caller } from './person.ts';
import type { RelyingParty } from './relying-party.ts';
import type { Holdings } from './revocation.ts';

const ME = '/api/identity/v1/me';

/** Who is to hold credentials, and what they are good for. */
export interface HoldingsScene {
  /** Signed in, with a role that permits what the rest of the scene names. */
  readonly person: Person;
  readonly application: RelyingParty;
  /** For a second browser of the person. */
  readonly samlConnectionId: string;
  /** Asks policy over AuthZEN, as somebody else's enforcement point would. */
  readonly decisions: Caller;
  readonly projectId: string;
  readonly environmentId: string;
  /** Where PATCH switches a flag in an unprotected environment. */
  readonly flagPath: string;
  readonly expiresAt: Date;
}

/** A personal API token; answers the secret. */
export const issueApiToken = async (person: Caller, name: string, expiresAt: Date): Promise<string> => {
  const body = { name, expiresAt: expiresAt.toISOString() };
  return String((await expectStatus(person, 201, 'POST', '/api/identity/v1/api-tokens', body))['token']);
};

/** Gives a person one credential of every class, and a way to use each. */
export const holdEverything = async (scene: HoldingsScene): Promise<Holdings> => {
  const { person, application, flagPath } = scene;
  const tokens = await application.signIn(person);
  let refreshToken: string = (await application.signIn(person)).refreshToken;
  const api = bearer(person.origin, await issueApiToken(person, 'Build pipeline', scene.expiresAt));
  const access = bearer(person.origin, tokens.accessToken);
  // A second browser, so that reading and writing do not share a session.
  const laptop = new Person(person.origin, person.userName);
  await laptop.signInWithSaml(scene.samlConnectionId);
  const subject = { type: 'user', id: String((await expectStatus(person, 200, 'GET', ME))['subjectId']) };
  const { environmentId: environment, projectId: project } = scene;
  const question = {
    subject,
    action: { name: 'flag:toggle' },
    resource: { type: 'environment', id: environment, properties: { project, environment } },
  };
  let enabled = false;
  return {
    session: async () => (await person.call('GET', ME)).status === 200,
    accessToken: async () => (await access.call('GET', ME)).status === 200,
    refreshToken: async () => {
      const rotated = await application.refresh(refreshToken);
      refreshToken = rotated?.refreshToken ?? refreshToken;
      return rotated !== null;
    },
    apiToken: async () => (await api.call('GET', ME)).status === 200,
    policyDecision: async () =>
      (await scene.decisions.call('POST', '/access/v1/evaluation', question)).body['decision'] === true,
    flagMutation: async () => {
      enabled = !enabled;
      return (await laptop.call('PATCH', flagPath, { state: enabled ? 'ENABLED' : 'DISABLED' })).status === 200;
    },
  };
};
