import { createDecisionClient, type DecisionClient } from '@sallyport/decision-client';
import type { Mailer } from '@sallyport/mail';
import { openFoundation, type Foundation, type FoundationOverrides } from '@sallyport/service';

import type { CredentialVoiders } from './accounts/index.ts';
import type { IdentityConfig } from './config.ts';
import { credentialVoiders } from './edge/credential-voiders.ts';
import { challengeLookup, type ChallengeLookup } from './domains/index.ts';
import { ownershipClient } from './edge/ask-ownership.ts';
import { policyClient } from './edge/policy-client.ts';
import type { AskOwnership } from './groups/index.ts';
import { ThreadedPasswordJudge, type PasswordJudge } from './local-login/index.ts';
import { configuredMailer, createMailDelivery, type MailDelivery } from './mail/index.ts';
import { migrations } from './migrations/index.ts';
import { readStyleSheet } from './pages/index.ts';
import { ExchangeLog, ScimLimits } from './scim/index.ts';
import { createSignIn, type SignIn } from './sign-in.ts';
import { createSubjectFeed, type SubjectFeed } from './subject-log/index.ts';

/** Everything the slices share; built once per process and passed as a parameter. */
export interface IdentityContext extends Foundation, SignIn {
  readonly config: IdentityConfig;
  readonly decisions: DecisionClient;
  readonly credentialVoiders: CredentialVoiders;
  readonly askOwnership: AskOwnership;
  readonly feed: SubjectFeed;
  /** What a directory may ask of this process. */
  readonly limits: ScimLimits;
  /** What directories asked last. */
  readonly exchanges: ExchangeLog;
  readonly mail: MailDelivery;
  readonly passwordJudge: PasswordJudge;
  /** The style sheet of every page, with the deployment's theme. */
  readonly styleSheet: string;
  /** Looks for the DNS proof of a mail domain. */
  readonly challengeLookup: ChallengeLookup;
  /** Releases in reverse order of acquisition. */
  dispose(): Promise<void>;
}

/** What a test may replace. */
export interface ContextOverrides extends FoundationOverrides {
  readonly decisions?: DecisionClient;
  readonly credentialVoiders?: CredentialVoiders;
  readonly askOwnership?: AskOwnership;
  readonly challengeLookup?: ChallengeLookup;
  readonly mailer?: Mailer;
}

/** Connects to everything. @throws UNAVAILABLE when the database is away or its schema is not the newest. */
export const createContext = async (
  config: IdentityConfig,
  overrides: ContextOverrides = {},
): Promise<IdentityContext> => {
  const styleSheet = await readStyleSheet(config.themeFile);
  await using release = new AsyncDisposableStack();
  const foundation = await openFoundation({ service: 'identity', config, migrations, overrides }, release);
  const { clock, logger, metrics, tls, db, audit } = foundation;
  const policy = policyClient(config, tls, logger);
  release.defer(() => {
    policy.close();
  });
  const ownership = ownershipClient(config, tls, logger);
  release.defer(() => {
    ownership.close();
  });
  const askOwnership = overrides.askOwnership ?? ownership.ask;
  const decisions = overrides.decisions ?? createDecisionClient({ grpc: policy });
  const feed = await createSubjectFeed({ db, audit, clock, logger, metrics, leaseTtlMs: config.leaseTtlMs });
  release.defer(() => feed.close());
  const voiders = overrides.credentialVoiders ?? credentialVoiders;
  const signIn = await createSignIn({ config, db, audit, clock, logger, credentialVoiders: voiders });
  release.defer(() => signIn.samlVerifier.close());
  release.defer(() => signIn.metadataReader.close());
  const limits = new ScimLimits(config, { clock, metrics });
  const exchanges = new ExchangeLog({ db, logger, metrics, keep: config.scimTraces });
  release.defer(() => exchanges.close());
  const passwordJudge = new ThreadedPasswordJudge();
  release.defer(() => passwordJudge.close());
  const mailer = overrides.mailer ?? configuredMailer(config, clock);
  const mail = createMailDelivery({ ...foundation, mailer });
  release.defer(() => mail.close());
  const held = release.move();
  const dispose = (): Promise<void> => held.disposeAsync();
  const own = {
    config,
    decisions,
    askOwnership,
    credentialVoiders: voiders,
    feed,
    limits,
    exchanges,
    mail,
    passwordJudge,
    styleSheet,
    challengeLookup: overrides.challengeLookup ?? challengeLookup(config.dnsServers),
  };
  return { ...foundation, ...own, ...signIn, dispose };
};
