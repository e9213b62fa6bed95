import assert from 'node:assert/strict';

import type { Answer, Client } from '../../support/http.ts';
import { NOT_THERE, ReferenceDirectory, refusedFor, type Kind, type Stored, type Verdict } from './directory.ts';
import {
  CONNECTIONS,
  USER_SLOTS,
  type DeleteStep,
  type FindStep,
  type PatchStep,
  type Step,
  type TrespassStep,
  type WholeStep,
} from './steps.ts';
import type { Tally } from './tally.ts';
import { holds, render } from './filters.ts';
import { asDoc, byText, comparable, judge, show, type Exchange, type Request, type Speaker } from './judge.ts';
import { isObject, type Doc, type Json } from './vocabulary.ts';

const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const NOBODY = '01900000-0000-7000-8000-00000000dead';

/** The verdict on a body that is wrong in itself, too. */
const alsoWrong = (verdict: Verdict, words: readonly string[] | undefined): Verdict =>
  words === undefined || words.length === 0
    ? verdict
    : refusedFor(...words, ...(verdict.outcome === 'refused' ? verdict.words : []));

/** Plays steps against the service and the model, and looks after each of them whether the two still agree. */
export class Player {
  readonly #speakers: readonly Speaker[];
  readonly #tally: Tally;

  /** `clients`: two connections of one organisation, then one of another. */
  constructor(clients: readonly Client[], tally: Tally) {
    assert.equal(clients.length, CONNECTIONS);
    const [near, far] = [new ReferenceDirectory(), new ReferenceDirectory()];
    this.#speakers = clients.map((scim, at) => ({
      name: String(at),
      scim,
      directory: at < 2 ? near : far,
      slots: { Users: new Map<number, string>(), Groups: new Map<number, string>() },
    }));
    this.#tally = tally;
  }

  async play(step: Step): Promise<void> {
    const speaker = this.#speakers[step.by];
    assert.ok(speaker !== undefined);
    switch (step.do) {
      case 'create-user':
      case 'create-group':
        await this.#create(speaker, step);
        return;
      case 'put-user':
      case 'put-group':
        await this.#put(speaker, step);
        return;
      case 'patch-user':
      case 'patch-group':
        await this.#patch(speaker, step);
        return;
      case 'delete-user':
      case 'delete-group':
        await this.#delete(speaker, step);
        return;
      case 'trespass':
        await this.#trespass(speaker, step);
        return;
      case 'list':
        await this.list(speaker, step.kind);
        return;
      case 'find':
        await this.#search(speaker, step);
    }
  }

  #neighbour(speaker: Speaker): Speaker {
    const at = (this.#speakers.indexOf(speaker) + 1) % this.#speakers.length;
    return this.#speakers[at] ?? speaker;
  }

  #idAt(speaker: Speaker, kind: Kind, slot: number): string {
    if (slot < USER_SLOTS) return speaker.slots[kind].get(slot) ?? NOBODY;
    return [...this.#neighbour(speaker).slots[kind].values()][0] ?? NOBODY;
  }

  /** The slot, or somebody instead of nobody: most changes are to be of what is there. */
  #occupied({ slots }: Speaker, kind: Kind, slot: number): number {
    const taken = [...slots[kind].keys()];
    return taken.includes(slot) ? slot : (taken[slot % Math.max(1, taken.length)] ?? slot);
  }

  #find(speaker: Speaker, kind: Kind, slot: number): Stored | undefined {
    return speaker.directory.find(kind, speaker.name, this.#idAt(speaker, kind, slot));
  }

  #body(speaker: Speaker, step: WholeStep) {
    const { resource } = step;
    if (!('members' in step)) return { body: resource.wire, ids: [] };
    const ids = step.members.map((slot) => this.#idAt(speaker, 'Users', slot));
    const wire = isObject(resource.wire) ? resource.wire : {};
    const body: Json = { members: ids.map((value): Json => ({ value })), ...wire };
    return { body, ids };
  }

  async #create(speaker: Speaker, step: WholeStep): Promise<void> {
    const kind: Kind = step.do === 'create-user' ? 'Users' : 'Groups';
    if (this.#find(speaker, kind, step.slot) !== undefined) return;
    const { body, ids } = this.#body(speaker, step);
    const { refused, doc } = step.resource;
    const verdict = alsoWrong(speaker.directory.create(kind, speaker.name, doc, ids), refused);
    const request: Request = { method: 'POST', path: `/${kind}`, body, operations: 1 };
    const answer = await this.#send(speaker, request);
    await this.#judge({ speaker, kind, request, answer, verdict, before: undefined });
    if (verdict.outcome === 'exact') speaker.slots[kind].set(step.slot, answer.body.id);
    else await this.list(speaker, kind);
  }

  async #put(speaker: Speaker, step: WholeStep): Promise<void> {
    const kind: Kind = step.do === 'put-user' ? 'Users' : 'Groups';
    const slot = this.#occupied(speaker, kind, step.slot);
    const stored = this.#find(speaker, kind, slot);
    const { body, ids } = this.#body(speaker, step);
    const { refused, doc } = step.resource;
    await this.#change(speaker, kind, stored, {
      request: { method: 'PUT', path: `/${kind}/${this.#idAt(speaker, kind, slot)}`, body, operations: 1 },
      refused,
      decide: (there) => speaker.directory.replace(kind, there, doc, ids),
    });
  }

  async #patch(speaker: Speaker, step: PatchStep): Promise<void> {
    const kind: Kind = step.do === 'patch-user' ? 'Users' : 'Groups';
    const slot = this.#occupied(speaker, kind, step.slot);
    const stored = this.#find(speaker, kind, slot);
    const operations =
      step.do === 'patch-user'
        ? step.operations
        : step.operations.map((write) => write((slot) => this.#idAt(speaker, 'Users', slot)));
    const body: Json = { schemas: [PATCH_OP], Operations: operations.map(({ wire }) => wire) };
    const path = `/${kind}/${this.#idAt(speaker, kind, slot)}`;
    await this.#change(speaker, kind, stored, {
      request: { method: 'PATCH', path, body, operations: operations.length },
      refused: operations.flatMap(({ intents }) => intents.flatMap((one) => (one.do === 'refuse' ? one.words : []))),
      decide: (there) =>
        speaker.directory.patch(
          kind,
          there,
          operations.flatMap(({ intents }) => intents),
        ),
    });
  }

  async #change(
    speaker: Speaker,
    kind: Kind,
    stored: Stored | undefined,
    {
      request,
      refused,
      decide,
    }: {
      readonly request: Request;
      readonly refused: readonly string[] | undefined;
      readonly decide: (stored: Stored) => Verdict;
    },
  ): Promise<void> {
    // Nobody is there yet: worth a try now and then.
    if (stored === undefined && request.operations > 1) return;
    const before = stored === undefined ? undefined : await this.#read(speaker, kind, stored.id);
    const answer = await this.#send(speaker, request);
    // Of nobody: whether the body or the address is looked at first is the service's choice.
    const isMissing = stored === undefined && answer.status === 404;
    const verdict = isMissing ? NOT_THERE : alsoWrong(stored === undefined ? NOT_THERE : decide(stored), refused);
    await this.#judge({ speaker, kind, request, answer, verdict, before });
  }

  async #delete(speaker: Speaker, step: DeleteStep): Promise<void> {
    const kind: Kind = step.do === 'delete-user' ? 'Users' : 'Groups';
    const stored = this.#find(speaker, kind, step.slot);
    const path = `/${kind}/${this.#idAt(speaker, kind, step.slot)}`;
    const { status } = await this.#send(speaker, { method: 'DELETE', path, body: undefined, operations: 1 });
    assert.equal(status, stored === undefined ? 404 : 204);
    this.#tally.note(1, stored === undefined ? '404' : undefined);
    if (stored === undefined) return;
    speaker.directory.remove(kind, stored);
    speaker.slots[kind].delete(step.slot);
    assert.equal((await speaker.scim('GET', path)).status, 404);
  }

  /** What is somebody else's is not there, whatever one does to it. */
  async #trespass(speaker: Speaker, { kind, method, slot }: TrespassStep): Promise<void> {
    const neighbour = this.#neighbour(speaker);
    const stored = this.#find(neighbour, kind, slot);
    if (stored === undefined) return;
    const before = await this.#read(neighbour, kind, stored.id);
    const name = kind === 'Users' ? { userName: 'mine' } : { displayName: 'mine' };
    const body =
      method === 'PUT' ? name : method === 'PATCH' ? { Operations: [{ op: 'replace', value: name }] } : undefined;
    const answer = await speaker.scim(method, `/${kind}/${stored.id}`, body);
    assert.equal(answer.status, 404, `${method} of a neighbour's: ${show(answer.body)}`);
    this.#tally.note(1, '404');
    assert.deepEqual(await this.#read(neighbour, kind, stored.id), before);
  }

  /** Everything of a connection, and nothing else, is in its list. */
  async list(speaker: Speaker, kind: Kind): Promise<void> {
    const { status, body } = await speaker.scim('GET', `/${kind}`);
    assert.equal(status, 200);
    const expected = speaker.directory.all(kind, speaker.name);
    assert.equal(body.totalResults, expected.length, `${kind} of connection ${speaker.name}`);
    const shown = (body.Resources as unknown as Doc[]).map((resource) => comparable(kind, resource));
    const wanted = expected.map((stored) => speaker.directory.shown(kind, stored));
    assert.deepEqual(shown.sort(byText('id')), wanted.sort(byText('id')));
    this.#tally.note(1, undefined);
  }

  /** Exactly those who meet the filter are found. */
  async #search(speaker: Speaker, { kind, filter }: FindStep): Promise<void> {
    const text = render(filter);
    const { status, body } = await speaker.scim('GET', `/${kind}?attributes=id&filter=${encodeURIComponent(text)}`);
    assert.equal(status, 200, `${text}: ${show(body)}`);
    const all = speaker.directory.all(kind, speaker.name);
    const expected = all.filter(({ doc }) => holds(doc, filter)).map(({ id }) => id);
    assert.deepEqual(
      body.Resources.map(({ id }) => id).sort(),
      expected.sort(),
      `${text}\nof ${show(all.map(({ id, doc }) => ({ id, doc })))}`,
    );
    assert.equal(body.totalResults, expected.length, text);
    this.#tally.note(1, undefined);
  }

  async listEverything(): Promise<void> {
    for (const speaker of this.#speakers) {
      await this.list(speaker, 'Users');
      await this.list(speaker, 'Groups');
    }
  }

  async #send(speaker: Speaker, { method, path, body }: Request): Promise<Answer> {
    return await speaker.scim(method, path, body);
  }

  async #read(speaker: Speaker, kind: Kind, id: string): Promise<Doc> {
    const answer = await speaker.scim('GET', `/${kind}/${id}`);
    assert.equal(answer.status, 200, show(answer.body));
    assert.equal(answer.headers.get('etag'), answer.body.meta['version']);
    return asDoc(answer);
  }

  async #judge(exchange: Exchange): Promise<void> {
    const { speaker, kind, request, answer } = exchange;
    try {
      await judge(exchange, (id) => this.#read(speaker, kind, id));
    } catch (cause) {
      const { before, verdict } = exchange;
      const told = { request, before, answered: [answer.status, answer.body], verdict };
      throw new Error(`the service and the model disagree: ${show(told)}\n${String(cause)}`, { cause });
    }
    this.#tally.note(
      request.operations,
      exchange.verdict.outcome === 'exact' ? undefined : (answer.body.scimType ?? String(answer.status)),
    );
  }
}
