import { bearer, Person, type Holdings, type RelyingParty } from '@sallyport/dev-env/actors';

import { authzen, flagPath, issueApiToken, type Cast } from './cast.ts';

const ME = '/api/identity/v1/me';

/** The subject id and the staging environment's id, as policy knows them. */
export interface Scene {
  readonly subjectId: string;
  readonly projectId: string;
  readonly environmentId: string;
}

/** Gives a person one credential of every class, and a way to use each. */
export const holdEverything = async (
  cast: Cast,
  application: RelyingParty,
  { scene, now }: { readonly scene: Scene; readonly now: Date },
): Promise<Holdings> => {
  const { bootstrap, dana } = cast;
  const tokens = await application.signIn(dana);
  let refreshToken: string = (await application.signIn(dana)).refreshToken;
  const api = bearer(bootstrap.origin, await issueApiToken(dana, 'Demo: build pipeline', now));
  const access = bearer(bootstrap.origin, tokens.accessToken);
  // A second browser, so that reading and writing do not share a session.
  const laptop = new Person(bootstrap.origin, dana.userName);
  await laptop.signInWithSaml(bootstrap.saml.connectionId);
  const decisions = authzen(bootstrap);
  let enabled = false;
  return {
    session: async () => (await dana.call('GET', ME)).status === 200,
    accessToken: async () => (await access.call('GET', ME)).status === 200,
    refreshToken: async () => {
      const rotated = await application.refresh(refreshToken);
      refreshToken = rotated?.refreshToken ?? refreshToken;
      return rotated !== null;
    },
    apiToken: async () => (await api.call('GET', ME)).status === 200,
    policyDecision: async () => {
      const answer = await decisions.call('POST', '/access/v1/evaluation', {
        subject: { type: 'user', id: scene.subjectId },
        action: { name: 'flag:toggle' },
        resource: {
          type: 'environment',
          id: scene.environmentId,
          properties: { project: scene.projectId, environment: scene.environmentId },
        },
      });
      return answer.body['decision'] === true;
    },
    flagMutation: async () => {
      enabled = !enabled;
      const body = { state: enabled ? 'ENABLED' : 'DISABLED' };
      return (await laptop.call('PATCH', flagPath('staging'), body)).status === 200;
    },
  };
};
