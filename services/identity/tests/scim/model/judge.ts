import assert from 'node:assert/strict';

import type { Answer, Client } from '../../support/http.ts';
import type { Kind, ReferenceDirectory, Verdict } from './directory.ts';
import { isObject, type Doc, type Json } from './vocabulary.ts';

/** A connection as the player knows it: its client, its organisation in the model, and who is in which slot. */
export interface Speaker {
  readonly name: string;
  readonly scim: Client;
  readonly directory: ReferenceDirectory;
  readonly slots: Readonly<Record<Kind, Map<number, string>>>;
}

export interface Request {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body: Json | undefined;
  /** How many operations it counts for. */
  readonly operations: number;
}

/** One request, what was answered, and what the model says of it. */
export interface Exchange {
  readonly speaker: Speaker;
  readonly kind: Kind;
  readonly request: Request;
  readonly answer: Answer;
  readonly verdict: Verdict;
  /** The resource as it was read right before, `meta` included; undefined when there was none. */
  readonly before: Doc | undefined;
}

/** A text of a document; empty when it has none. */
export const textOf = (doc: Doc, name: string): string => {
  const value = doc[name];
  return typeof value === 'string' ? value : '';
};

/** By the text of one attribute, so that two lists can be compared. */
export const byText =
  (name: string) =>
  (left: Doc, right: Doc): number =>
    textOf(left, name) < textOf(right, name) ? -1 : 1;

export const asDoc = (answer: Answer): Doc => answer.body as unknown as Doc;
export const show = (value: unknown): string => (JSON.stringify(value, undefined, 1) ?? 'nothing').slice(0, 9_000);

/** As the model shows it: what is derived of others (`$ref`, a name) must be there, but is not compared. */
export const comparable = (kind: Kind, { meta: _meta, ...plain }: Doc): Doc => {
  const key = kind === 'Users' ? 'groups' : 'members';
  const derived = plain[key];
  if (!Array.isArray(derived)) return plain;
  const kept = derived.filter(isObject).map((item): Doc => {
    assert.equal(typeof item['$ref'], 'string');
    const { value = null, display = null } = item;
    return kind === 'Users' ? { value, display } : { value };
  });
  return { ...plain, [key]: kept.sort(byText('value')) };
};

const judgeVersion = (before: Doc, after: Doc, isChanged: boolean): void => {
  const [old, now] = [before['meta'], after['meta']];
  assert.ok(isObject(old) && isObject(now));
  if (!isChanged) assert.deepEqual(now, old, 'nothing changed, and yet there is another version');
  else assert.notEqual(now['version'], old['version'], 'changed without a new version');
  assert.equal(now['created'], old['created']);
};

/**
 * Holds an answer against the model: a refusal has the right status and word and left the resource as it was, `meta`
 * included; a success is followed by exactly the document the model has.
 */
export const judge = async (exchange: Exchange, read: (id: string) => Promise<Doc>): Promise<void> => {
  const { speaker, kind, request, answer, verdict, before } = exchange;
  if (verdict.outcome === 'refused') {
    const word = answer.body.scimType;
    assert.equal(answer.status, verdict.words.length === 0 ? 404 : word === 'uniqueness' ? 409 : 400);
    assert.ok(
      word === undefined ? verdict.words.length === 0 : verdict.words.includes(word),
      `scimType ${String(word)}`,
    );
    if (before !== undefined) assert.deepEqual(await read(textOf(before, 'id')), before);
    return;
  }
  const isSilent = request.method === 'PATCH' && kind === 'Groups';
  assert.equal(answer.status, request.method === 'POST' ? 201 : isSilent ? 204 : 200);
  const id = before === undefined ? answer.body.id : textOf(before, 'id');
  if (before === undefined)
    assert.equal(speaker.directory.find(kind, speaker.name, id), undefined, 'an id was given twice');
  if (verdict.id !== undefined) assert.equal(id, verdict.id, 'who comes back is who they were');
  const stored = verdict.commit(id);
  assert.ok(stored !== undefined);
  const after = await read(id);
  assert.deepEqual(comparable(kind, after), speaker.directory.shown(kind, stored));
  if (!isSilent) assert.deepEqual(asDoc(answer), after, 'the answer is what is read after it');
  if (before !== undefined) judgeVersion(before, after, verdict.isChanged);
};
