/**
 * Whole lists from the index: what somebody may do, where, and who may. Each is put together from one index and one
 * state of standing, as of one moment, with the very evaluation a decision is made with; so the pages together are what
 * a decision about each would have said. Nothing is answered on knowledge that is too old: neither when a list is begun,
 * nor when it was finished, nor when a later page of it is asked for.
 */
import { createHash } from 'node:crypto';

import { AppError } from '@sallyport/errors';
import { decodeCursor, encodeCursor } from '@sallyport/http';
import type { Clock } from '@sallyport/storage';
import type { SubjectStanding } from '@sallyport/subject-feed';
import { z } from 'zod';

import { REASONS, type DecisionKnowledge, type ReferenceEngine } from '../decide/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import { KEPT_FOR_MS, KeptLists } from './kept-lists.ts';
import {
  DEFAULT_PAGE,
  MAX_PAGE,
  type ActionsQuestion,
  type AskedSubject,
  type ListPage,
  type ListedAction,
  type ListedResource,
  type ListedSubject,
  type Paging,
  type ResourcesQuestion,
  type SubjectsQuestion,
  type WholeList,
} from './list.ts';
import { Turns, type Turn } from './turns.ts';
import { listActions, listResources, listSubjects, type Ground } from './work.ts';

export interface ListsOptions {
  readonly knowledge: DecisionKnowledge;
  readonly clock: Clock;
  /** As for decisions: what decides for organisations for which the index was seen to be wrong. */
  readonly reference?: ReferenceEngine;
}

/** Lists, page by page. */
export interface Lists {
  /**
   * What the subject may do here, in the order of the catalogue. Nothing for who is not active.
   *
   * @throws INVALID_REQUEST, INVALID_CURSOR, EXPIRED_CURSOR; DECISION_UNAVAILABLE (metadata.reason STANDING_STALE or
   * GRANTS_STALE) while it cannot be told
   */
  actions(question: ActionsQuestion): Promise<ListPage<ListedAction>>;
  /** Where the subject may do this: the organisation, then projects, then environments, by id. Throws as the first. */
  resources(question: ResourcesQuestion): Promise<ListPage<ListedResource>>;
  /** Who may do this here: users, then service accounts, by id; active ones only. Throws as the first. */
  subjects(question: SubjectsQuestion): Promise<ListPage<ListedSubject>>;
}

const cursorShape = z.strictObject({
  /** Digest of the question. */
  q: z.string().max(64),
  /** `@s<standing position>.g<grants revision>` */
  r: z.string().max(48),
  /** The moment the list speaks of. */
  t: z.number().int(),
  /** Items before this page, and all together. */
  o: z.number().int().min(1),
  n: z.number().int().min(1),
});
type Cursor = z.infer<typeof cursorShape>;

/** A moment in a cursor that lies ahead was written by a clock that is ahead; further ahead by nobody of ours. */
const MAX_SKEW_MS = 5_000;
const MAX_CHARS = 1_024;

const invalid = (detail: string): AppError => new AppError('INVALID_REQUEST', detail);
const expired = (): AppError =>
  new AppError('EXPIRED_CURSOR', 'What this list rests on is no longer there. Begin again.');

type StaleReason = 'STANDING_STALE' | 'GRANTS_STALE';

const unavailable = (reason: StaleReason): AppError =>
  new AppError('DECISION_UNAVAILABLE', REASONS[reason], { metadata: { reason }, retryAfterSeconds: 1 });

/** What is known at one moment, fresh enough to be used. */
interface Current {
  readonly index: OrganizationIndex;
  readonly subjects: ReadonlyMap<string, SubjectStanding>;
  readonly revision: string;
}

/** A question with everything that makes it this one; anything that is not asked for is in it too, as null. */
const digestOf = (kind: string, parts: readonly unknown[]): string =>
  createHash('sha256')
    .update(
      JSON.stringify([kind, ...parts], (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    )
    .digest('base64url')
    .slice(0, 32);

const NOBODY: ReadonlyMap<string, SubjectStanding> = new Map();

const isDescription = (given: { readonly type: string; readonly id: string } | undefined): boolean =>
  given === undefined || (given.type.length <= MAX_CHARS && given.id.length <= MAX_CHARS);

/** Ids and names are looked up; what is not there gives an empty list, whatever else is wrong with it. */
const isBounded = (id: string | undefined): boolean => id === undefined || id.length <= MAX_CHARS;

const refuseSubject = ({ type, id, epoch }: AskedSubject): void => {
  if ((type !== 'user' && type !== 'service_account') || id === '' || !isBounded(id) || epoch < 0n)
    throw invalid(
      'The subject is not one of ours: its type is "user" or "service_account", its id that of an account.',
    );
};

class PinnedLists implements Lists {
  readonly #options: ListsOptions;
  readonly #turns: Turns;
  readonly #kept = new KeptLists();

  constructor(options: ListsOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
  }

  async actions(question: ActionsQuestion): Promise<ListPage<ListedAction>> {
    const { orgId, subject, projectId, environmentId, resource, given } = question;
    refuseSubject(subject);
    if (!isBounded(projectId) || !isBounded(environmentId) || !isDescription(resource))
      throw invalid('The question is not well formed.');
    const asked = [orgId, subject, projectId, environmentId, resource ?? null, given ?? null];
    return await this.#page(
      { ...question, digest: digestOf('actions', asked) },
      async (ground, turn) => await listActions(ground, question, turn),
    );
  }

  async resources(question: ResourcesQuestion): Promise<ListPage<ListedResource>> {
    const { orgId, subject, action, types, projectId, given } = question;
    refuseSubject(subject);
    if (!isBounded(action) || !isBounded(projectId)) throw invalid('The question is not well formed.');
    const asked = [orgId, subject, action, types ?? null, projectId ?? '', given ?? null];
    return await this.#page(
      { ...question, digest: digestOf('resources', asked) },
      async (ground, turn) => await listResources(ground, question, turn),
    );
  }

  async subjects(question: SubjectsQuestion): Promise<ListPage<ListedSubject>> {
    const { orgId, action, projectId, environmentId, types, resource, given } = question;
    if (!isBounded(action) || !isBounded(projectId) || !isBounded(environmentId) || !isDescription(resource))
      throw invalid('The question is not well formed.');
    const asked = [orgId, action, projectId, environmentId, types ?? null, resource ?? null, given ?? null];
    return await this.#page(
      { ...question, digest: digestOf('subjects', asked) },
      async (ground, turn) => await listSubjects(ground, question, turn),
    );
  }

  async #page<T>(asked: Asked, work: Work<T>): Promise<ListPage<T>> {
    const { orgId, limit = DEFAULT_PAGE, digest } = asked;
    if (!isBounded(orgId)) throw invalid('There is no such organisation.');
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
      throw invalid(`A page has 1 to ${String(MAX_PAGE)} items.`);
    const after = cursorOf(asked);
    await this.#options.knowledge.ensure?.(orgId);
    this.#current(orgId);
    const list = await (after === null ? this.#made(asked, null, work) : this.#continued(asked, after, work));
    const page = pageOf(list, digest, after?.o ?? 0, limit);
    if (!page.complete) this.#keep(orgId, digest, list);
    return page;
  }

  /** The list a cursor belongs to: kept, or put together again as of the moment it speaks of. */
  async #continued<T>(asked: Asked, after: Cursor, work: Work<T>): Promise<WholeList<T>> {
    const { clock } = this.#options;
    const nowMs = clock.now().getTime();
    if (after.t > nowMs + MAX_SKEW_MS) throw new AppError('INVALID_CURSOR', 'This cursor is not one of ours.');
    const kept = this.#kept.find(keyOf(asked.digest, after.r, after.t), clock.monotonicMs());
    if (kept !== undefined) return kept as WholeList<T>;
    // Another replica may have begun this list: from the same knowledge, as of the same moment, it is the same.
    if (nowMs - after.t >= KEPT_FOR_MS) throw expired();
    return await this.#made(asked, after, work);
  }

  /** Puts a list together; one that is continued must come out as it was. */
  async #made<T>({ orgId, signal }: Asked, after: Cursor | null, work: Work<T>): Promise<WholeList<T>> {
    const { clock, reference } = this.#options;
    const list = await this.#turns.take(signal, async (turn) => {
      const asOfMs = after?.t ?? clock.now().getTime();
      const { index, subjects, revision } = this.#current(orgId);
      if (after !== null && after.r !== standOf(revision)) throw expired();
      return { items: await work({ index, subjects, nowMs: asOfMs, reference }, turn), revision, asOfMs };
    });
    // What was current when it was begun may be too old by now.
    this.#current(orgId);
    if (after !== null && after.n !== list.items.length) throw expired();
    return list;
  }

  #keep(orgId: string, digest: string, list: WholeList<unknown>): void {
    const now = this.#options.clock.monotonicMs();
    const key = keyOf(digest, standOf(list.revision), list.asOfMs);
    if (this.#kept.find(key, now) === undefined) this.#kept.put(key, orgId, list, now);
  }

  /** @throws DECISION_UNAVAILABLE unless both leases hold; NOT_FOUND */
  #current(orgId: string): Current {
    const { clock, knowledge } = this.#options;
    const moment = { monotonicMs: clock.monotonicMs(), wallMs: clock.now().getTime() };
    const { index, standing, standingMs, grantsMs } = knowledge.look(orgId, moment);
    if (standingMs < 1) throw unavailable('STANDING_STALE');
    if (grantsMs < 1) throw unavailable('GRANTS_STALE');
    if (index === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    const revision = `${orgId}@s${String(standing?.position ?? 0n)}.g${String(index.revision)}`;
    return { index, subjects: standing?.subjects ?? NOBODY, revision };
  }
}

type Asked = Paging & { readonly orgId: string; readonly digest: string };
type Work<T> = (ground: Ground, turn: Turn) => Promise<readonly T[]>;

const cursorOf = ({ cursor, digest }: Asked): Cursor | null => {
  if (cursor === undefined || cursor === '') return null;
  const after = decodeCursor(cursorShape, cursor);
  if (after.q !== digest) throw new AppError('INVALID_CURSOR', 'This cursor belongs to another question.');
  return after;
};

const pageOf = <T>(list: WholeList<T>, digest: string, from: number, limit: number): ListPage<T> => {
  const { items, revision, asOfMs } = list;
  const to = Math.min(from + limit, items.length);
  const next: Cursor = { q: digest, r: standOf(revision), t: asOfMs, o: to, n: items.length };
  const complete = to === items.length;
  return {
    items: items.slice(from, to),
    nextCursor: complete ? null : encodeCursor(next),
    revision,
    complete,
    total: items.length,
    asOfMs,
  };
};

/** A revision without its organisation, which the digest of the question is of already; ids may be long. */
const standOf = (revision: string): string => revision.slice(revision.lastIndexOf('@'));

/** Neither a digest nor a number has a space in it. */
const keyOf = (digest: string, revision: string, asOfMs: number): string => `${digest} ${String(asOfMs)} ${revision}`;

/** Lists from what is known; see {@link Lists}. */
export const createLists = (options: ListsOptions): Lists => new PinnedLists(options);
