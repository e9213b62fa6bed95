/** The standing of one subject after a change: the whole of it, never a difference. */
export interface SubjectState {
  readonly subjectId: string;
  readonly type: 'user' | 'service_account';
  readonly active: boolean;
  readonly epoch: bigint;
  readonly groupIds: readonly string[];
  readonly deleted: boolean;
  /** The epoch of the last removal; absent: never. What was given to the subject up to then is void for ever. */
  readonly removedEpoch?: bigint;
}

export interface GroupState {
  readonly groupId: string;
  readonly displayName: string;
  readonly deleted: boolean;
}

/** One entry of an organisation's log. */
export interface LogEntry {
  readonly orgId: string;
  /** Gap-free from 1, in commit order. */
  readonly position: bigint;
  /** `account.deactivated`, `group.members-changed` ... For people. */
  readonly cause: string;
  readonly subjects: readonly SubjectState[];
  readonly groups: readonly GroupState[];
  readonly requestId: string;
  readonly committedAt: Date;
}

/** More subjects or groups than this become several entries, so that no message and no lock grows without bound. */
export const MAX_STATES_PER_ENTRY = 500;

/** The channel on which appends are announced; the payload says nothing, the table is the truth. */
export const SUBJECT_LOG_CHANNEL = 'identity_subject_log';
