import type { IdentityContext } from '../context.ts';
import type { ScimCaller } from './caller.ts';
import { readSelection } from './protocol/selection.ts';
import { searchResources, type FoundRow, type SearchPage, type SearchRequest } from './query/index.ts';
import { listBody, type Rendered } from './rendered.ts';
import { LIST_SCHEMA } from './request.ts';
import type { Kept, ReadableType } from './resource-type.ts';

interface Rendering<Row extends Kept> {
  readonly type: ReadableType<Row>;
  readonly caller: ScimCaller;
  readonly request: SearchRequest;
}

/** The answers for the rows of one type, by their ids; whoever was removed meanwhile is not among them. */
const renderRows = async <Row extends Kept>(
  { type, caller, request }: Rendering<Row>,
  found: readonly FoundRow[],
): Promise<readonly (readonly [id: string, resource: Rendered])[]> => {
  const ids = found.filter((row) => row.type === type.definition.name).map(({ id }) => id);
  if (ids.length === 0) return [];
  const rows = await type.load(caller, ids);
  const answers = await type.render(caller, rows, readSelection(type.definition, request));
  return rows.flatMap(({ id }, index) => {
    const resource = answers[index];
    return resource === undefined ? [] : [[id, resource] as const];
  });
};

/** The list answer: numbers are numbers, `Resources` is always there (RFC 7644 §3.4.2, RFC 9865 §2.2). */
const listResponse = (
  { total, startIndex, nextCursor, previousCursor }: SearchPage,
  resources: readonly Rendered[],
): object => {
  const head = {
    schemas: [LIST_SCHEMA],
    ...(total === undefined ? {} : { totalResults: total }),
    ...(startIndex === undefined ? {} : { startIndex }),
    itemsPerPage: resources.length,
    ...(nextCursor === undefined ? {} : { nextCursor }),
    ...(previousCursor === undefined ? {} : { previousCursor }),
  };
  return listBody(head, 'Resources', resources);
};

/**
 * Answers a list, of one type of resource or across several.
 *
 * @throws what {@link searchResources} throws; INVALID_VALUE when attributes and excludedAttributes are both given
 */
export const answerSearch = async (
  service: IdentityContext,
  caller: ScimCaller,
  types: readonly ReadableType[],
  request: SearchRequest,
): Promise<object> => {
  // Refused before anything is looked for.
  for (const { definition } of types) readSelection(definition, request);
  const page = await searchResources(service, caller, { request, types });
  const answers = new Map<string, Rendered>();
  for (const type of types)
    for (const [id, resource] of await renderRows({ type, caller, request }, page.rows)) answers.set(id, resource);
  const resources = page.rows.flatMap(({ id }) => {
    const resource = answers.get(id);
    return resource === undefined ? [] : [resource];
  });
  return listResponse(page, resources);
};
