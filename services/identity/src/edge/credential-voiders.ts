import type { CredentialVoiders } from '../accounts/index.ts';
import { voidProviderArtifacts } from '../provider/index.ts';
import { voidSessions } from '../sessions/index.ts';
import { voidApiTokens } from '../tokens/index.ts';

/** The kinds of credentials that exist, wired to the slices that own them. */
export const credentialVoiders: CredentialVoiders = {
  sessions: voidSessions,
  apiTokens: voidApiTokens,
  providerArtifacts: voidProviderArtifacts,
};
