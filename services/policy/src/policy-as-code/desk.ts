/** What the routes of policy as code do: export, plan, apply. */
import type { Principal } from '@sallyport/http';
import type { Database, ReadTx } from '@sallyport/storage';

import { holderOf, populationOf, type Acts, type Administrator, type GrantDependencies } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { listSeparationRules } from '../roles/index.ts';
import { inTurns } from '../turns/index.ts';
import {
  blockedBy,
  compareInTurns,
  currentIndex,
  policyAfterSteps,
  type Blocked,
  type DifferenceCounts,
  type LockOut,
} from '../what-if/index.ts';
import { applyPlan, separationsAfter } from './apply.ts';
import type { FileReader } from './file-reader.ts';
import { planPolicy, toChanges, type Plan, type PresentPolicy } from './plan.ts';
import type { WantedPolicy } from './policy.ts';
import { resolveCasbin, type CasbinFile } from './read-casbin.ts';
import { resolveDocument, type DocumentFile } from './read-document.ts';
import { readMappingIds } from './store.ts';
import { writeDocument } from './write-document.ts';

export type DeskDependencies = GrantDependencies & { readonly db: Database; readonly policyFiles: FileReader };

/** A policy as it was sent. */
export type SentPolicy =
  | { readonly format: 'yaml'; readonly document: string }
  | { readonly format: 'casbin'; readonly document: string; readonly model: string };

/** A policy as it was read: it can be compared with what is there as often as that changes. */
type PolicyFile =
  | { readonly format: 'yaml'; readonly file: DocumentFile }
  | { readonly format: 'casbin'; readonly file: CasbinFile };

const readSent = async ({ policyFiles }: DeskDependencies, orgId: string, sent: SentPolicy): Promise<PolicyFile> =>
  sent.format === 'yaml'
    ? { format: sent.format, file: await policyFiles.readDocument(orgId, sent.document) }
    : {
        format: sent.format,
        file: await policyFiles.readCasbin(orgId, { model: sent.model, policy: sent.document }),
      };

const wantedOf = ({ format, file }: PolicyFile, { index, population }: PresentPolicy): WantedPolicy =>
  format === 'yaml' ? resolveDocument(file, index) : resolveCasbin(file, index, population);

/** Everything a file is compared with. Under the lock of the organisation's head it is one state. */
const readPresent = async (
  { standing, clock }: DeskDependencies,
  tx: ReadTx,
  index: OrganizationIndex,
): Promise<PresentPolicy> => {
  const { orgId } = index;
  return {
    index,
    mappingIds: await readMappingIds(tx, orgId),
    rules: await listSeparationRules(tx, orgId),
    population: populationOf(standing, orgId),
    hasGroup: (groupId) => standing.hasGroup(orgId, groupId),
    nowMs: clock.now().getTime(),
  };
};

const presentOf = async (dependencies: DeskDependencies, orgId: string): Promise<PresentPolicy> => {
  const index = currentIndex(dependencies, orgId);
  return await dependencies.db.read(orgId, async (tx) => await readPresent(dependencies, tx, index));
};

/** The policy as a YAML file, with the names of groups as comments. */
export const exportDocument = async (
  dependencies: DeskDependencies,
  orgId: string,
): Promise<{ readonly revision: bigint; readonly document: string }> => {
  const { index, mappingIds, rules, nowMs } = await presentOf(dependencies, orgId);
  const { groups } = dependencies.standing.state(orgId, '');
  const names = new Map(groups.map(({ groupId, displayName }) => [groupId, displayName ?? undefined]));
  const groupName = (groupId: string): string | undefined => names.get(groupId);
  const steps = writeDocument(index, { mappingIds, rules, groupName, nowMs });
  return { revision: index.revision, document: await inTurns(steps, dependencies.clock) };
};

/** A plan, and what it would come to. */
export interface PlanPreview {
  readonly plan: Plan;
  readonly index: OrganizationIndex;
  readonly after: OrganizationIndex;
  readonly counts: DifferenceCounts;
  readonly blocked: readonly Blocked[];
  readonly lockOuts: readonly LockOut[];
}

/**
 * What would change if the policy were as the file says. Nothing is changed.
 *
 * @throws INVALID_REQUEST naming lines, TOO_MANY, UNAVAILABLE; INVALID_VALUE for a Casbin model that is not ours, or a
 *   file that takes too long to read
 */
export const previewPlan = async (
  dependencies: DeskDependencies,
  caller: Acts & Pick<Principal, 'orgId'>,
  sent: SentPolicy,
): Promise<PlanPreview> => {
  const { clock } = dependencies;
  const file = await readSent(dependencies, caller.orgId, sent);
  const present = await presentOf(dependencies, caller.orgId);
  const { index, population, nowMs } = present;
  const plan = planPolicy(present, wantedOf(file, present));
  const changes = toChanges(plan.operations, (at) => `proposed-${String(at)}`);
  const separations = separationsAfter(index, plan.operations);
  const after = { ...(await inTurns(policyAfterSteps(index, changes), clock)), separations };
  const { difference, lockOuts } = await compareInTurns({ before: index, after, nowMs }, population, clock);
  const actor = holderOf(population, caller);
  const blocked = blockedBy({ before: { ...index, separations }, actor, population, nowMs }, after, changes);
  return { plan, index, after, counts: difference.counts, blocked, lockOuts };
};

/** Applies what was planned: see {@link applyPlan}. */
export const applyDocument = async (
  dependencies: DeskDependencies,
  administrator: Administrator,
  { sent, hash }: { readonly sent: SentPolicy; readonly hash: string },
): Promise<Plan> => {
  const { orgId } = administrator.principal;
  const file = await readSent(dependencies, orgId, sent);
  const present = await presentOf(dependencies, orgId);
  return await applyPlan(dependencies, administrator, {
    hash,
    planned: planPolicy(present, wantedOf(file, present)),
    planAgain: async (tx, state) => {
      const locked = await readPresent(dependencies, tx, state.before);
      return planPolicy(locked, wantedOf(file, locked));
    },
  });
};
