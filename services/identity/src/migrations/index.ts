import { auditAppendMigration, auditAppendTogetherMigration, auditMigrations } from '@sallyport/audit';
import type { Migration } from '@sallyport/storage';

import { createDirectory } from './0002-create-directory.ts';
import { createSubjectLog } from './0003-create-subject-log.ts';
import { createSignIn } from './0010-create-sign-in.ts';
import { createCredentials } from './0011-create-credentials.ts';
import { createProvider } from './0012-create-provider.ts';
import { noteEpochTime } from './0013-note-epoch-time.ts';
import { searchAccounts } from './0014-search-accounts.ts';
import { widenScimProfile } from './0016-widen-scim-profile.ts';
import { createScimClients } from './0017-create-scim-clients.ts';
import { createScimExchange } from './0018-create-scim-exchange.ts';
import { reviveAndLinkAccounts } from './0019-revive-and-link-accounts.ts';
import { createDriftReport } from './0020-create-drift-report.ts';
import { appendSubjectLog } from './0021-append-subject-log.ts';
import { widenSaml } from './0023-widen-saml.ts';
import { createFactors } from './0025-create-factors.ts';
import { createInvitations } from './0026-create-invitations.ts';
import { widenOidc } from './0029-widen-oidc.ts';
import { widenProvider } from './0030-widen-provider.ts';
import { createWorkloadIdentity } from './0031-create-workload-identity.ts';
import { limitSessions } from './0032-limit-sessions.ts';
import { proveDomains } from './0033-prove-domains.ts';
import { createLoginTrace } from './0034-create-login-trace.ts';
import { findLoginTests } from './0036-find-login-tests.ts';
import { leaveRoomInArtifacts } from './0040-leave-room-in-artifacts.ts';
import { provisionTogether } from './0039-provision-together.ts';
import { createMailOutbox } from './0027-create-mail-outbox.ts';

/** Every migration of this service, oldest first. 1: audit; 2-9: directory and log; 10 onward: sign-in and provider. */
export const migrations: readonly Migration[] = [
  ...auditMigrations('identity'),
  createDirectory,
  createSubjectLog,
  createSignIn,
  createCredentials,
  createProvider,
  noteEpochTime,
  searchAccounts,
  widenScimProfile,
  createScimClients,
  createScimExchange,
  reviveAndLinkAccounts,
  createDriftReport,
  appendSubjectLog,
  auditAppendMigration('identity', 22),
  widenSaml,
  createFactors,
  createInvitations,
  createMailOutbox,
  widenOidc,
  widenProvider,
  createWorkloadIdentity,
  limitSessions,
  proveDomains,
  createLoginTrace,
  findLoginTests,
  auditAppendTogetherMigration('identity', 38),
  provisionTogether,
  leaveRoomInArtifacts,
];
