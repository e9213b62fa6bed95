import type { Document, JsonObject, JsonValue } from './protocol/json.ts';

/** The rest of a list that is too long to be held in memory: read page by page, as fast as the client takes it. */
export interface LongList {
  /** The attribute; the document has its first values. */
  readonly name: string;
  readonly rest: AsyncIterable<readonly JsonValue[]>;
}

/** A resource as it is answered. */
export interface Rendered {
  readonly document: Document;
  readonly long: LongList | undefined;
  /** Of what is answered: it differs when anything selected differs. */
  readonly etag: string;
}

const items = (values: readonly JsonValue[]): string => values.map((value) => JSON.stringify(value)).join(',');

/** An object up to where a list of it begins. */
const opening = (head: JsonObject, name: string): string => {
  const text = JSON.stringify(head);
  return `${text.slice(0, -1)}${text === '{}' ? '' : ','}${JSON.stringify(name)}:[`;
};

async function* writeResource({ document, long }: Rendered): AsyncGenerator<string> {
  if (long === undefined) {
    yield JSON.stringify(document);
    return;
  }
  const { [long.name]: first, ...head } = document;
  const values = Array.isArray(first) ? (first as readonly JsonValue[]) : [];
  let isFirst = values.length === 0;
  yield opening(head, long.name) + items(values);
  for await (const page of long.rest) {
    if (page.length === 0) continue;
    yield (isFirst ? '' : ',') + items(page);
    isFirst = false;
  }
  yield ']}';
}

async function* writeList(head: JsonObject, name: string, resources: readonly Rendered[]): AsyncGenerator<string> {
  yield opening(head, name);
  for (const [index, resource] of resources.entries()) {
    if (index > 0) yield ',';
    yield* writeResource(resource);
  }
  yield ']}';
}

/** The body of an answer with one resource: a stream when it is long. */
export const resourceBody = (resource: Rendered): object =>
  resource.long === undefined ? resource.document : writeResource(resource);

/** The body of an answer with a list of resources: a stream when one of them is long. */
export const listBody = (head: JsonObject, name: string, resources: readonly Rendered[]): object =>
  resources.some(({ long }) => long !== undefined)
    ? writeList(head, name, resources)
    : { ...head, [name]: resources.map(({ document }) => document) };
