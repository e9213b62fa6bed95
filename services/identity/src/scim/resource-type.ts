import { AppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';

import type { ScimCaller } from './caller.ts';
import type { ResourceDefinition } from './protocol/attribute.ts';
import type { Selection } from './protocol/selection.ts';
import type { MakeLayout } from './query/index.ts';
import type { Rendered } from './rendered.ts';

/** What every kept resource has, whatever else it is. */
export interface Kept {
  readonly id: string;
  readonly version: bigint;
}

/** One resource of the caller's connection, as a request names it. */
export interface ResourceTarget {
  readonly id: string;
  /** The `If-Match` header; empty when there is none. */
  readonly ifMatch: string;
}

/** The part of a type of resource that reads. */
export interface ReadableType<Row extends Kept = Kept> {
  readonly definition: ResourceDefinition;
  readonly layout: MakeLayout;
  /** Those of these that are resources of the caller's connection, in any order. */
  load(caller: ScimCaller, ids: readonly string[]): Promise<readonly Row[]>;
  /** The answers for these, in their order; reads nothing that is not selected. */
  render(caller: ScimCaller, rows: readonly Row[], selection: Selection): Promise<readonly Rendered[]>;
  /** What {@link render} would give as the ETag, at less cost. */
  etag(caller: ScimCaller, row: Row, selection: Selection): Promise<string>;
}

/** One type of resource: everything its routes are made from. */
export interface ResourceType<Row extends Kept = Kept> extends ReadableType<Row> {
  /** Bodies of POST, PUT and PATCH; undefined: as for every SCIM request. */
  readonly bodyLimitBytes: number | undefined;
  create(caller: ScimCaller, body: unknown): Promise<Row>;
  replace(caller: ScimCaller, target: ResourceTarget, body: unknown): Promise<Row>;
  patch(caller: ScimCaller, target: ResourceTarget, body: unknown): Promise<Row>;
  remove(caller: ScimCaller, target: ResourceTarget): Promise<void>;
  /** Whether a PATCH is answered with the resource, rather than 204 (RFC 7644 §3.5.2). */
  answersPatch(selection: Selection): boolean;
}

export const locationOf = (origin: string, { endpoint }: ResourceDefinition, id: string): string =>
  `${origin}/scim/v2${endpoint}/${id}`;

/** @throws NOT_FOUND for everything that is no such resource of the caller's connection */
export const getResource = async <Row extends Kept>(
  type: ReadableType<Row>,
  caller: ScimCaller,
  id: string,
): Promise<Row> => {
  const [row] = isId(id) ? await type.load(caller, [id]) : [];
  if (row === undefined) throw new AppError('NOT_FOUND', `There is no such ${type.definition.name.toLowerCase()}.`);
  return row;
};
