import type { JsonValue } from '../protocol/json.ts';

export const DRIFT_STATES = ['receiving', 'comparing', 'complete', 'failed'] as const;
export type DriftState = (typeof DRIFT_STATES)[number];

/** What can differ; `here` is Sallyport, `there` the IdP whose read-back was uploaded. */
export const FINDING_KINDS = [
  'user.missing-here',
  'user.unknown-there',
  'user.active-differs',
  'user.attribute-differs',
  'user.listed-twice',
  'group.missing-here',
  'group.unknown-there',
  'group.attribute-differs',
  'member.missing-here',
  'member.unknown-there',
  'line.unreadable',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** How much of an upload was read so far. */
export interface DriftCounts {
  readonly users: number;
  readonly groups: number;
  readonly members: number;
  /** Lines that are no user and no group; the first of them are findings. */
  readonly unreadable: number;
}

/** A read-back of an IdP beside what we hold for its connection. */
export interface DriftReport {
  readonly orgId: string;
  readonly id: string;
  readonly connectionId: string;
  readonly state: DriftState;
  readonly comparesGroups: boolean;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly updatedAt: Date;
  readonly completedAt: Date | null;
  /** A code; null unless it failed. */
  readonly failure: string | null;
  readonly received: DriftCounts;
  readonly findings: number;
}

/** One difference. */
export interface Finding {
  /** From 1, in the order of a report. */
  readonly number: number;
  readonly kind: FindingKind;
  /** Our id of the user or group; null when we have none. */
  readonly resourceId: string | null;
  /** User name or group name. */
  readonly name: string;
  readonly externalId: string | null;
  /** The attribute that differs; of an unreadable line, why. */
  readonly attribute: string | null;
  /** Of a membership: who. */
  readonly memberId: string | null;
  readonly memberName: string | null;
  readonly here: JsonValue;
  readonly there: JsonValue;
}

const MINUTE_MS = 60_000;
/** A report nobody worked on for this long was left behind by a process that ended. */
export const ABANDONED_AFTER_MS = 5 * MINUTE_MS;
/** Older reports of a connection go when a new one is made. */
export const KEPT_REPORTS = 10;
