import { auditAppendMigration, auditAppendTogetherMigration, auditMigrations } from '@sallyport/audit';
import type { Migration } from '@sallyport/storage';

import { createGrants } from './0002-create-grants.ts';
import { createStanding } from './0003-create-standing.ts';
import { noteSubjectEpoch } from './0004-note-subject-epoch.ts';
import { narrowGrants } from './0005-narrow-grants.ts';
import { logGrantChanges } from './0006-log-grant-changes.ts';
import { createDecisionEngine } from './0007-create-decision-engine.ts';
import { createRoles } from './0009-create-roles.ts';
import { createSeparationRules } from './0010-create-separation-rules.ts';
import { createAccessRequest } from './0011-create-access-request.ts';
import { createReview } from './0012-create-review.ts';
import { createScopeProtection } from './0013-create-scope-protection.ts';
import { createProposal } from './0014-create-proposal.ts';
import { keepHistory } from './0015-keep-history.ts';
import { createDecisionLog } from './0018-create-decision-log.ts';
import { createDecisionLogGaps } from './0019-create-decision-log-gaps.ts';
import { addProposalScope } from './0020-add-proposal-scope.ts';

/** Every migration of the schema `policy`, in order. Never edit a landed one: add the next. */
export const migrations: readonly Migration[] = [
  ...auditMigrations('policy'),
  createGrants,
  createStanding,
  noteSubjectEpoch,
  narrowGrants,
  logGrantChanges,
  createDecisionEngine,
  createRoles,
  createSeparationRules,
  createAccessRequest,
  createReview,
  createScopeProtection,
  createProposal,
  keepHistory,
  createDecisionLog,
  createDecisionLogGaps,
  addProposalScope,
  auditAppendMigration('policy', 30),
  auditAppendTogetherMigration('policy', 31),
];
