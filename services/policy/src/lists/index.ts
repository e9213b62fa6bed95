/**
 * Lists from the compiled index: what may somebody do here, where may they do this, who may do it.
 *
 * Owns: putting lists together, their pages and cursors. Does not own: the decision (decide/), who is who
 * (@sallyport/subject-feed), who may see such a list (query/ for gRPC and our own API, authzen/ for searches).
 */
export {
  DEFAULT_PAGE,
  LISTED_TYPES,
  MAX_PAGE,
  SUBJECT_KINDS,
  type ActionsQuestion,
  type AskedSubject,
  type ListPage,
  type ListedAction,
  type ListedResource,
  type ListedSubject,
  type ListedType,
  type Paging,
  type ResourcesQuestion,
  type SubjectKind,
  type SubjectsQuestion,
} from './list.ts';
export { createLists, type Lists, type ListsOptions } from './lists.ts';
export { KEPT_FOR_MS } from './kept-lists.ts';
