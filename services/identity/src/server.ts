import { auditRoutes } from '@sallyport/audit-api';
import { createHttpApp, type Authenticate, type Route } from '@sallyport/http';
import { serve, type RunningServer } from '@sallyport/service';

import { factorRoutes, localSignInAdminRoutes, securityPageRoutes } from './account-security/index.ts';
import { accountRoutes } from './accounts/index.ts';
import { authenticate } from './edge/authenticate.ts';
import { decide, recordDenied } from './edge/authorize.ts';
import { carryThroughUnfinished, connectionRoutes, startExpiryWarnings } from './connections/index.ts';
import type { IdentityContext } from './context.ts';
import { domainProofRoutes, startDomainChecks } from './domains/index.ts';
import { groupRoutes } from './groups/index.ts';
import { introspectionService } from './introspection/index.ts';
import { domainRoutes, loginRoutes, stepUpRoutes, startSweeping } from './login/index.ts';
import { loginTestRoutes } from './login-tests/index.ts';
import { oidcAdminRoutes, oidcRoutes } from './oidc/index.ts';
import { invitationPageRoutes, invitationRoutes } from './invitations/index.ts';
import { localSignInRoutes, passkeySignInRoutes, sweepLocalSignIns } from './local-sign-in/index.ts';
import { operatorService } from './organizations/index.ts';
import { nameRoutes } from './names/index.ts';
import { renderErrorPage } from './pages/index.ts';
import { passwordResetRoutes, sweepResets } from './password-reset/index.ts';
import { clientRoutes, interactionRoutes } from './provider/index.ts';
import { samlAdminRoutes, samlRoutes, startSamlMaintenance } from './saml/index.ts';
import { driftRoutes, exchangeRoutes, renderScimError, scimRoutes } from './scim/index.ts';
import { sessionAdminRoutes, sessionRoutes, settingsRoutes } from './sessions/index.ts';
import { subjectFeedService } from './subject-log/index.ts';
import { withoutGuessing } from './throttle/index.ts';
import { serviceAccountTokenRoutes, tokenRoutes } from './tokens/index.ts';
import { workloadRoutes } from './workload/index.ts';

/** The HTTP surface of the whole service; each slice's `routes.ts` holds its rows. */
export const routes = (context: IdentityContext): Route[] => [
  ...scimRoutes(context), //       /scim/v2/*
  ...connectionRoutes(context), // /api/identity/v1/connections, …/scim-tokens, …/scim-clients, …/scim-networks
  ...exchangeRoutes(context), //   …/scim-exchanges
  ...driftRoutes(context), //      …/drift-reports
  ...accountRoutes(context), //    /api/identity/v1/accounts
  ...groupRoutes(context), //      /api/identity/v1/groups
  ...nameRoutes(context), //       /api/identity/v1/names
  ...auditRoutes(context.audit, '/api/identity/v1'), // …/audit, …/audit/export
  ...loginRoutes(context), //      /, /login, /login/start, /account, /logout
  ...localSignInRoutes(context), // /login/password, /login/second-factor, /login/enrol, /api/identity/v1/login
  ...passkeySignInRoutes(context), // /api/identity/v1/login/passkey, …/second-factor/passkey, …/enrol/passkey
  ...securityPageRoutes(context), // /account/security
  ...factorRoutes(context), //     /api/identity/v1/factors, …/password
  ...localSignInAdminRoutes(context), // …/accounts/:accountId/factors, …/local-sign-in
  ...passwordResetRoutes(context), // /login/forgot, /login/reset
  ...invitationPageRoutes(context), // /login/invitation
  ...invitationRoutes(context), // /api/identity/v1/invitations
  ...stepUpRoutes(context), //     /login/step-up
  ...samlRoutes(context), //       /saml/:connectionId/metadata, …/login, …/acs, …/slo
  ...oidcRoutes(context), //       /login/oidc/:connectionId/start, …/callback
  ...interactionRoutes(context), // /login/interaction/:uid
  ...samlAdminRoutes(context), //  /api/identity/v1/connections/:connectionId/saml
  ...oidcAdminRoutes(context), //  /api/identity/v1/connections/:connectionId/oidc
  ...loginTestRoutes(context), //  …/login-tests, …/login-traces, /login/test/:connectionId
  ...domainProofRoutes(context), // …/domain-proofs
  ...domainRoutes(context), //     /api/identity/v1/connections/:connectionId/domains
  ...settingsRoutes(context), //   /api/identity/v1/session-settings
  ...sessionRoutes(context), //    /api/identity/v1/me, /api/identity/v1/sessions
  ...tokenRoutes(context), //      /api/identity/v1/api-tokens
  ...sessionAdminRoutes(context), // /api/identity/v1/accounts/:accountId/sessions
  ...serviceAccountTokenRoutes(context), // /api/identity/v1/accounts/:accountId/api-tokens
  ...workloadRoutes(context), //   /api/identity/v1/accounts/:accountId/owner, …/keys
  ...clientRoutes(context), //     /api/identity/v1/oauth-clients, …/secrets
];

/** The gRPC surface: which service may call what. */
export const rpcs = (context: IdentityContext) => [
  operatorService(context), //     OperatorService       operator
  subjectFeedService(context), //  SubjectFeedService    policy, flags
  introspectionService(context), // IntrospectionService policy, flags
];

/** What a test may replace. */
export interface ServerOverrides {
  readonly authenticate?: Authenticate;
  /** Answers that a route did not declare become 500. */
  readonly strictResponses?: boolean;
}

/** Finishes what an earlier process left half-done, then serves both surfaces. */
export const startServer = async (
  context: IdentityContext,
  overrides: ServerOverrides = {},
): Promise<RunningServer> => {
  const { config, logger, metrics } = context;
  await carryThroughUnfinished(context);
  const http = createHttpApp({
    service: 'identity',
    logger,
    metrics,
    routes: routes(context),
    authenticate: overrides.authenticate ?? authenticate(context),
    decide: decide(context),
    onDenied: recordDenied(context),
    renderers: { scim: renderScimError, browser: renderErrorPage },
    publicOrigin: config.publicOrigin,
    trustedProxies: config.trustedProxies,
    mounts: [withoutGuessing(context.openIdProvider.mount, context.clock)], // /oidc
    readiness: { database: () => context.db.ping() },
    strictResponses: overrides.strictResponses ?? false,
  });
  const server = await serve({ ...context, service: 'identity', http, rpcs: rpcs(context) });
  const stopSweeping = startSweeping(context, [sweepLocalSignIns, sweepResets]);
  const stopProvider = await context.openIdProvider.start();
  const samlMaintenance = startSamlMaintenance(context);
  const stopDomainChecks = startDomainChecks(context);
  const stopWarning = startExpiryWarnings(context);
  return {
    ...server,
    close: async () => {
      await Promise.all([stopSweeping(), stopProvider(), samlMaintenance.stop(), stopWarning(), stopDomainChecks()]);
      await server.close();
    },
  };
};
