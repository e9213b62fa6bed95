/**
 * The three searches: who may do this here, where may they do this, what may they do here.
 *
 * What is found is what an evaluation of it would permit at that moment, also through groups. A type we do not know
 * finds nothing; so does anything that is not there. What lies inside environments (flags, keys, change requests) is
 * known to the enforcement points, not to us, and is not found either.
 *
 * @see OpenID AuthZEN Authorization API 1.0 §8
 */
import { AppError } from '@sallyport/errors';
import type { Keyring } from '@sallyport/keyring';
import { isIdentifier } from '@sallyport/subject-feed';
import { z } from 'zod';

import type { GrantKnowledge } from '../grants/index.ts';
import { LISTED_TYPES, SUBJECT_KINDS, type ListPage, type Lists, type Paging } from '../lists/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import type { Caller } from './caller.ts';
import {
  actionShape,
  canonical,
  canonicalProperties,
  contextShape,
  ourOptions,
  searchedThing,
  thing,
  type SearchedThing,
  type Thing,
} from './entities.ts';
import { givenBy } from './evaluation.ts';
import { locate, locateSearched } from './locate.ts';
import { answerSearch, nothingFound, pageShape, type Search, type SearchAnswer } from './search-page.ts';

const common = {
  context: contextShape.optional(),
  page: pageShape.optional(),
  options: z.looseObject(ourOptions).optional(),
};

/** §8.4 */
export const subjectSearchShape = z.looseObject({
  subject: searchedThing,
  action: actionShape,
  resource: thing,
  ...common,
});

/** §8.5 */
export const resourceSearchShape = z.looseObject({
  subject: thing,
  action: actionShape,
  resource: searchedThing,
  ...common,
});

/** §8.6: without an action; one that is sent is a field we do not know. */
export const actionSearchShape = z.looseObject({ subject: thing, resource: thing, ...common });

export interface SearchDependencies {
  readonly knowledge: GrantKnowledge;
  readonly lists: Lists;
  readonly keyring: Keyring;
}

/** Beside the body. */
export interface SearchRequest {
  readonly caller: Caller;
  readonly wantsReasons: boolean;
  readonly signal: AbortSignal;
}

type Reader<T> = (paging: Paging) => Promise<ListPage<T>>;

interface Found {
  readonly type: string;
  readonly id: string;
}

/** @throws DECISION_UNAVAILABLE while nothing is known of the organisation */
const indexOf = ({ knowledge }: SearchDependencies, { orgId }: Caller): OrganizationIndex => {
  const index = knowledge.organization(orgId);
  if (index === undefined)
    throw new AppError('DECISION_UNAVAILABLE', 'It cannot be told right now who holds which role.');
  return index;
};

const thingOf = ({ type, properties }: SearchedThing): unknown[] => [type, properties ?? null];

const isOneOf = <T extends string>(names: readonly T[], name: string): name is T =>
  (names as readonly string[]).includes(name);

/** As a list takes it; null for who is nobody of ours. */
const askedSubject = ({ type, id }: Thing): { type: string; id: string; epoch: bigint } | null =>
  isOneOf(SUBJECT_KINDS, type) && isIdentifier(id) ? { type, id, epoch: 0n } : null;

const toThing = ({ type, id }: Found): Found => ({ type, id });

/** Who may do this here (§8.4). */
export const searchSubjects = async (
  dependencies: SearchDependencies,
  body: z.output<typeof subjectSearchShape>,
  { caller, wantsReasons, signal }: SearchRequest,
): Promise<SearchAnswer<Found>> => {
  const { subject, action, resource, context, page } = body;
  const asked = [thingOf(subject), action.name, action.properties, resource.id, thingOf(resource), context];
  const search: Search = { caller, content: canonical(['subject', ...asked]), page };
  const where = locate(indexOf(dependencies, caller), resource);
  if ('reason' in where || !isOneOf(SUBJECT_KINDS, subject.type) || !isIdentifier(action.name))
    return nothingFound(dependencies.keyring, search);
  const question = {
    orgId: caller.orgId,
    action: action.name,
    ...where,
    types: [subject.type],
    resource: { type: resource.type, id: resource.id },
    given: canonicalProperties(givenBy(body)),
    signal,
  };
  const read: Reader<Found> = (paging) => dependencies.lists.subjects({ ...question, ...paging });
  return await answerSearch(dependencies.keyring, search, read, { toResult: toThing, wantsReasons });
};

/** Where somebody may do this (§8.5); within one project when `properties.project` names it. */
export const searchResources = async (
  dependencies: SearchDependencies,
  body: z.output<typeof resourceSearchShape>,
  { caller, wantsReasons, signal }: SearchRequest,
): Promise<SearchAnswer<Found>> => {
  const { subject, action, resource, context, page } = body;
  const asked = [thingOf(resource), action.name, action.properties, subject.id, thingOf(subject), context];
  const search: Search = { caller, content: canonical(['resource', ...asked]), page };
  const within = locateSearched(indexOf(dependencies, caller), resource);
  const who = askedSubject(subject);
  if (typeof within !== 'string' || who === null || !isOneOf(LISTED_TYPES, resource.type) || !isIdentifier(action.name))
    return nothingFound(dependencies.keyring, search);
  const question = {
    orgId: caller.orgId,
    subject: who,
    action: action.name,
    types: [resource.type],
    projectId: within,
    given: canonicalProperties(givenBy(body)),
    signal,
  };
  const read: Reader<Found> = (paging) => dependencies.lists.resources({ ...question, ...paging });
  return await answerSearch(dependencies.keyring, search, read, { toResult: toThing, wantsReasons });
};

/** What somebody may do here (§8.6). */
export const searchActions = async (
  dependencies: SearchDependencies,
  body: z.output<typeof actionSearchShape>,
  { caller, wantsReasons, signal }: SearchRequest,
): Promise<SearchAnswer<{ readonly name: string }>> => {
  const { subject, resource, context, page } = body;
  const asked = [subject.id, thingOf(subject), resource.id, thingOf(resource), context];
  const search: Search = { caller, content: canonical(['action', ...asked]), page };
  const where = locate(indexOf(dependencies, caller), resource);
  const who = askedSubject(subject);
  if ('reason' in where || who === null) return nothingFound(dependencies.keyring, search);
  const question = {
    orgId: caller.orgId,
    subject: who,
    ...where,
    resource: { type: resource.type, id: resource.id },
    given: canonicalProperties(givenBy({ subject, resource, context })),
    signal,
  };
  const read: Reader<{ readonly action: string }> = (paging) => dependencies.lists.actions({ ...question, ...paging });
  const toResult = ({ action: name }: { readonly action: string }): { name: string } => ({ name });
  return await answerSearch(dependencies.keyring, search, read, { toResult, wantsReasons });
};
