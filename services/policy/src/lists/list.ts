import type { GivenProperties } from '../conditions/index.ts';

/** Types of things in our own catalogue that can be listed; what lies inside them is the enforcement points'. */
export const LISTED_TYPES = ['organization', 'project', 'environment'] as const;
export type ListedType = (typeof LISTED_TYPES)[number];

export const SUBJECT_KINDS = ['user', 'service_account'] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** Who is asked about: as in a decision. */
export interface AskedSubject {
  readonly type: string;
  readonly id: string;
  /** Epoch of the credential presented; 0 when the asker holds none. */
  readonly epoch: bigint;
}

/** One page of a list. */
export interface Paging {
  /** Items, 1 to {@link MAX_PAGE}; default {@link DEFAULT_PAGE}. */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before, of the same question; everything but the limit has to be the same. */
  readonly cursor?: string | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

export const DEFAULT_PAGE = 100;
export const MAX_PAGE = 1_000;

/** What may the subject do here? */
export interface ActionsQuestion extends Paging {
  readonly orgId: string;
  readonly subject: AskedSubject;
  /** Empty project: the organisation; empty environment: the project. */
  readonly projectId: string;
  readonly environmentId: string;
  /** As in a decision: only conditions look at it. */
  readonly resource?: { readonly type: string; readonly id: string } | undefined;
  readonly given?: GivenProperties | undefined;
}

/** Where may the subject do this? For conditions, `resource.type` and `resource.id` are those of the thing itself. */
export interface ResourcesQuestion extends Paging {
  readonly orgId: string;
  readonly subject: AskedSubject;
  readonly action: string;
  /** Only these; absent: all. */
  readonly types?: readonly ListedType[] | undefined;
  /** Only this project and its environments; empty or absent: everywhere. */
  readonly projectId?: string | undefined;
  readonly given?: GivenProperties | undefined;
}

/** Who may do this here? Active users and service accounts, whether by themselves or through groups. */
export interface SubjectsQuestion extends Paging {
  readonly orgId: string;
  readonly action: string;
  readonly projectId: string;
  readonly environmentId: string;
  /** Only these; absent: both. */
  readonly types?: readonly SubjectKind[] | undefined;
  readonly resource?: { readonly type: string; readonly id: string } | undefined;
  /** What is said of the subject is said of every one of them. */
  readonly given?: GivenProperties | undefined;
}

export interface ListedAction {
  readonly action: string;
}

export interface ListedResource {
  readonly type: ListedType;
  readonly id: string;
  readonly key: string;
  /** Null for the organisation. */
  readonly projectId: string | null;
  /** Null for everything but environments. */
  readonly tier: 'non-production' | 'production' | null;
}

export interface ListedSubject {
  readonly type: SubjectKind;
  readonly id: string;
}

/**
 * A page of the whole answer, as it was at one revision and one moment: all pages of one list together are exactly what
 * one decision each would have allowed then.
 */
export interface ListPage<T> {
  readonly items: readonly T[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
  /** `<org>@s<standing position>.g<grants revision>`: the same on every page. */
  readonly revision: string;
  /** True when nothing comes after this page. */
  readonly complete: boolean;
  /** Of all pages together. */
  readonly total: number;
  /** The moment all pages speak of, ms since 1970. */
  readonly asOfMs: number;
}

/** One whole answer. */
export interface WholeList<T> {
  readonly items: readonly T[];
  readonly revision: string;
  readonly asOfMs: number;
}
