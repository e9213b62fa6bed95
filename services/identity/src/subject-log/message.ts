import {
  SubjectType,
  type GroupState as GroupMessage,
  type LogEntry as LogEntryMessage,
  type SubjectState as SubjectMessage,
} from '@sallyport/proto/identity/v1';

import type { GroupState, LogEntry, SubjectState } from './entry.ts';

export const toSubjectMessage = (subject: SubjectState): SubjectMessage => ({
  subjectId: subject.subjectId,
  type: subject.type === 'user' ? SubjectType.SUBJECT_TYPE_USER : SubjectType.SUBJECT_TYPE_SERVICE_ACCOUNT,
  active: subject.active,
  epoch: subject.epoch,
  groupIds: [...subject.groupIds],
  deleted: subject.deleted,
  removedEpoch: subject.removedEpoch,
});

export const toGroupMessage = (group: GroupState): GroupMessage => ({ ...group });

export const toLogEntryMessage = (entry: LogEntry): LogEntryMessage => ({
  orgId: entry.orgId,
  position: entry.position,
  cause: entry.cause,
  subjects: entry.subjects.map(toSubjectMessage),
  groups: entry.groups.map(toGroupMessage),
  requestId: entry.requestId,
  committedAt: entry.committedAt,
});
