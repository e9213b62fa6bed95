/** What each list consists of. Standing changes in place, so what is needed of it is taken before anything is awaited. */
import { AppError } from '@sallyport/errors';
import type { SubjectStanding } from '@sallyport/subject-feed';

import {
  REASONS,
  evaluate,
  findTarget,
  holdsOutlived,
  type Actor,
  type Question,
  type ReferenceEngine,
} from '../decide/index.ts';
import { PERMISSION_NAMES, permissionNumber, type OrganizationIndex } from '../model/index.ts';
import {
  LISTED_TYPES,
  SUBJECT_KINDS,
  type ActionsQuestion,
  type AskedSubject,
  type ListedAction,
  type ListedResource,
  type ListedSubject,
  type ListedType,
  type ResourcesQuestion,
  type SubjectsQuestion,
} from './list.ts';
import { sortInTurns, type Turn } from './turns.ts';

/** What a list is made from. */
export interface Ground {
  readonly index: OrganizationIndex;
  /** As it is now; it changes in place. */
  readonly subjects: ReadonlyMap<string, SubjectStanding>;
  /** The moment the list speaks of. */
  readonly nowMs: number;
  readonly reference: ReferenceEngine | undefined;
}

const stale = (reason: 'STANDING_STALE' | 'GRANTS_STALE'): AppError =>
  new AppError('DECISION_UNAVAILABLE', REASONS[reason], { metadata: { reason }, retryAfterSeconds: 1 });

/**
 * The subject as it acts; null for who may nothing at all.
 *
 * @throws DECISION_UNAVAILABLE when the credential is newer than what is known, or roles of an earlier life are there
 */
const actorOf = ({ index, subjects }: Ground, { type, id, epoch }: AskedSubject): Actor | null => {
  const standing = subjects.get(id);
  if (standing === undefined || standing.type !== type || !standing.active) return null;
  if (epoch !== 0n && epoch < standing.epoch) return null;
  if (epoch > standing.epoch) throw stale('STANDING_STALE');
  if (holdsOutlived(index, id, standing)) throw stale('GRANTS_STALE');
  return { type: standing.type, id, groupIds: standing.groupIds };
};

/** The decision itself. @throws DECISION_UNAVAILABLE when Casbin decides and cannot */
const isAllowed = async ({ index, reference }: Ground, question: Question): Promise<boolean> => {
  if (reference?.decides(index) !== true) return evaluate(index, question).kind === 'allowed';
  await reference.prepare(index, question.actor);
  const verdict = reference.verdict(index, question);
  if (verdict === null) throw stale('GRANTS_STALE');
  return verdict.kind === 'allowed';
};

/** Those of the candidates for which the question is answered with yes. */
const filter = async <T>(
  ground: Ground,
  candidates: readonly T[],
  questionOf: (candidate: T) => Question | null,
  turn: Turn,
): Promise<readonly T[]> => {
  const isByCasbin = ground.reference?.decides(ground.index) === true;
  const found: T[] = [];
  for (const candidate of candidates) {
    const question = questionOf(candidate);
    const may =
      question !== null &&
      (isByCasbin ? await isAllowed(ground, question) : evaluate(ground.index, question).kind === 'allowed');
    if (may) found.push(candidate);
    if (isByCasbin || turn.isOver()) await turn.rest();
  }
  return found;
};

export const listActions = async (
  ground: Ground,
  { subject, projectId, environmentId, resource, given }: ActionsQuestion,
  turn: Turn,
): Promise<readonly ListedAction[]> => {
  const { index, nowMs } = ground;
  const actor = actorOf(ground, subject);
  const target = findTarget(index, projectId, environmentId);
  if (actor === null || typeof target === 'string') return [];
  const candidates = PERMISSION_NAMES.map((action) => ({ action }));
  return await filter(
    ground,
    candidates,
    ({ action }) => ({ actor, permission: permissionNumber(action), target, nowMs, resource, given }),
    turn,
  );
};

const byId = (left: { readonly id: string }, right: { readonly id: string }): boolean => left.id < right.id;

/** Everything of one type that lies within the project (empty: anywhere). */
const thingsOf = (index: OrganizationIndex, type: ListedType, within: string): readonly ListedResource[] => {
  const { orgId, slug, projects, environments } = index;
  const isWithin = ({ projectId }: { readonly projectId: string }): boolean => within === '' || projectId === within;
  if (type === 'organization')
    return within === '' ? [{ type, id: orgId, key: slug, projectId: null, tier: null }] : [];
  if (type === 'project')
    return [...projects.values()]
      .filter(isWithin)
      .map(({ projectId, key }) => ({ type, id: projectId, key, projectId, tier: null }));
  return [...environments.values()]
    .filter(isWithin)
    .map(({ environmentId, projectId, key, tier }) => ({ type, id: environmentId, key, projectId, tier }));
};

export const listResources = async (
  ground: Ground,
  { subject, action, types = LISTED_TYPES, projectId = '', given }: ResourcesQuestion,
  turn: Turn,
): Promise<readonly ListedResource[]> => {
  const { index, nowMs } = ground;
  const actor = actorOf(ground, subject);
  const permission = permissionNumber(action);
  if (actor === null || permission < 0) return [];
  const found: ListedResource[] = [];
  for (const type of LISTED_TYPES.filter((each) => types.includes(each))) {
    const things = await sortInTurns(thingsOf(index, type, projectId), byId, turn);
    const questionOf = (thing: ListedResource): Question | null => {
      const target = findTarget(index, thing.projectId ?? '', thing.type === 'environment' ? thing.id : '');
      const resource = { type: thing.type, id: thing.id };
      return typeof target === 'string' ? null : { actor, permission, target, nowMs, resource, given };
    };
    found.push(...(await filter(ground, things, questionOf, turn)));
  }
  return found;
};

/** Subjects looked at between two chances to rest. */
const PART = 512;

interface Candidate extends ListedSubject {
  readonly groupIds: readonly string[];
}

/** Whoever could be allowed anything: active, and nothing of an earlier life about them. */
const isCandidate = (index: OrganizationIndex, id: string, standing: SubjectStanding): boolean =>
  standing.active && !holdsOutlived(index, id, standing);

export const listSubjects = async (
  ground: Ground,
  { action, projectId, environmentId, types = SUBJECT_KINDS, resource, given }: SubjectsQuestion,
  turn: Turn,
): Promise<readonly ListedSubject[]> => {
  const { index, nowMs } = ground;
  const permission = permissionNumber(action);
  const target = findTarget(index, projectId, environmentId);
  if (permission < 0 || typeof target === 'string') return [];
  const found: ListedSubject[] = [];
  const questionOf = ({ type, id, groupIds }: Candidate): Question => ({
    actor: { type, id, groupIds },
    permission,
    target,
    nowMs,
    resource,
    given,
  });
  // What follows takes several turns: whoever is there now is who this list is about.
  const ids = [...ground.subjects.keys()];
  const standings = [...ground.subjects.values()];
  for (let from = 0; from < ids.length; from += PART) {
    const candidates: Candidate[] = [];
    for (const [at, standing] of standings.slice(from, from + PART).entries()) {
      const id = ids[from + at] ?? '';
      if (types.includes(standing.type) && isCandidate(index, id, standing))
        candidates.push({ type: standing.type, id, groupIds: standing.groupIds });
    }
    for (const { type, id } of await filter(ground, candidates, questionOf, turn)) found.push({ type, id });
    if (turn.isOver()) await turn.rest();
  }
  const sorted = await sortInTurns(found, byId, turn);
  return SUBJECT_KINDS.flatMap((kind) => sorted.filter(({ type }) => type === kind));
};
