import { SubjectType, type GroupState, type LogEntry, type SubjectState } from '@sallyport/proto/identity/v1';

import { isIdentifier } from './identifier.ts';
import type { GroupChange, SubjectChange } from './standing.ts';

/** An entry of the subject log after every field was looked at. */
export interface ReadEntry {
  readonly subjects: readonly SubjectChange[];
  readonly groups: readonly GroupChange[];
  /** Subjects whose state makes no sense; they are in `subjects` as unknown, so they are denied. */
  readonly quarantined: readonly string[];
}

const typeOf = (type: SubjectType): 'user' | 'service_account' | null => {
  if (type === SubjectType.SUBJECT_TYPE_USER) return 'user';
  return type === SubjectType.SUBJECT_TYPE_SERVICE_ACCOUNT ? 'service_account' : null;
};

const readSubject = (state: SubjectState): SubjectChange => {
  const type = typeOf(state.type);
  if (type === null || typeof state.epoch !== 'bigint' || !state.groupIds.every(isIdentifier))
    return { subjectId: state.subjectId, standing: null };
  const active = state.active && !state.deleted;
  return {
    subjectId: state.subjectId,
    standing: {
      type,
      active,
      epoch: state.epoch,
      groupIds: [...new Set(state.groupIds)],
      ...(state.removedEpoch === undefined ? {} : { removedEpoch: state.removedEpoch }),
    },
  };
};

/** PostgreSQL stores neither NUL nor half a character. */
const storable = (text: string): string => text.toWellFormed().replaceAll('\u0000', '');

const readGroup = (state: GroupState): GroupChange => ({
  groupId: state.groupId,
  displayName: state.deleted ? null : storable(state.displayName),
});

/**
 * Reads the resulting states of one entry or snapshot page.
 *
 * A subject with a usable id but a senseless state becomes unknown (and is named in `quarantined`); a state without a
 * usable id cannot be attributed to anybody.
 *
 * @returns null when a state names nobody: the entry must not be applied
 */
export const readStates = (entry: Pick<LogEntry, 'subjects' | 'groups'>): ReadEntry | null => {
  if (!entry.subjects.every(({ subjectId }) => isIdentifier(subjectId))) return null;
  if (!entry.groups.every(({ groupId }) => isIdentifier(groupId))) return null;
  const subjects = entry.subjects.map(readSubject);
  return {
    subjects,
    groups: entry.groups.map(readGroup),
    quarantined: subjects.filter(({ standing }) => standing === null).map(({ subjectId }) => subjectId),
  };
};

/** The same for a page of a snapshot: what names nobody is left out, because re-reading would bring it again. */
export const readSnapshotStates = (page: Pick<LogEntry, 'subjects' | 'groups'>): ReadEntry & { nameless: number } => {
  const subjects = page.subjects.filter(({ subjectId }) => isIdentifier(subjectId));
  const groups = page.groups.filter(({ groupId }) => isIdentifier(groupId));
  const nameless = page.subjects.length - subjects.length + page.groups.length - groups.length;
  const read = readStates({ subjects, groups }) ?? { subjects: [], groups: [], quarantined: [] };
  return { ...read, nameless };
};
