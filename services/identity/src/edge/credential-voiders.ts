import type { CredentialVoiders } from '../accounts/index.ts';

/**
 * The kinds of credentials that exist, wired to the slices that own them: `voidSessions` of sessions/,
 * `voidApiTokens` of tokens/, `voidProviderArtifacts` of provider/.
 */
export const credentialVoiders: CredentialVoiders = {
  sessions: () => Promise.resolve(0),
  apiTokens: () => Promise.resolve(0),
  providerArtifacts: () => Promise.resolve(0),
};
