import type { Keyring } from '@sallyport/keyring';
import { isId } from '@sallyport/storage';

import { RESOURCE_TYPES } from '../model/index.ts';
import type { Noted } from './entry.ts';

const PURPOSE = 'decision-log-subject';
/** 132 bits: no two subjects of an organisation share one. */
const PSEUDONYM_CHARS = 22;
/** Tells what is masked from what is not, whatever that looks like. */
const MARK = '~';

/** Things whose ids name no person. Whatever else a caller acts on may be one. */
const SHOWN_TYPES: ReadonlySet<string> = new Set([
  ...RESOURCE_TYPES.filter((type) => type !== 'account' && type !== 'session'),
  'segment',
  'group',
]);

const ACTION = /^[a-z][a-z0-9_-]{0,31}:[a-z][a-z0-9_-]{0,31}$/;
const KEY = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;
const TYPE = /^[a-z][a-z0-9_-]{0,31}$/;
/** As accepted at the edges, where it may come from outside. */
const REQUEST_ID = /^[\w.:-]{8,64}$/;

/** What is remembered of pseudonyms before it is forgotten at once. */
const MAX_KNOWN = 10_000;

/** An entry with every name of a person replaced, and nothing in it that a caller could put there at will. */
export type Masked = Omit<Noted, 'subjectId' | 'asker'> & {
  readonly subject: string;
  readonly requestId: string;
  readonly askerKind: string;
  readonly asker: string;
};

/**
 * Takes the names of persons out of entries. A pseudonym is a keyed hash (HMAC-SHA-256) under a key of the organisation:
 * the same person has the same one throughout an organisation's log, another one in any other organisation's, and
 * without the master key it can be neither turned back nor tried out.
 */
export class Mask {
  readonly #keyring: Keyring;
  readonly #known = new Map<string, string>();

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** The pseudonym under which a subject stands in the log of the organisation. */
  pseudonym(orgId: string, id: string): string {
    const key = `${orgId} ${id}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    const mac = this.#keyring.mac(orgId, PURPOSE, Buffer.from(id, 'utf8'));
    const pseudonym = MARK + mac.toString('base64url').slice(0, PSEUDONYM_CHARS);
    this.#known.set(key, pseudonym);
    return pseudonym;
  }

  entry({ subjectId, asker, ...noted }: Noted): Masked {
    const { orgId } = noted;
    const unless = (isHarmless: boolean, text: string): string =>
      isHarmless || text === '' ? text : this.pseudonym(orgId, text);
    const type = unless(TYPE.test(noted.resourceType), noted.resourceType);
    return {
      ...noted,
      subject: unless(false, subjectId),
      subjectType: unless(TYPE.test(noted.subjectType), noted.subjectType),
      action: unless(ACTION.test(noted.action), noted.action),
      resourceType: type,
      resourceId: unless(SHOWN_TYPES.has(type) && KEY.test(noted.resourceId), noted.resourceId),
      projectId: unless(isId(noted.projectId), noted.projectId),
      environmentId: unless(isId(noted.environmentId), noted.environmentId),
      requestId: REQUEST_ID.test(asker?.requestId ?? '') ? (asker?.requestId ?? '') : '',
      askerKind: asker?.kind ?? 'unknown',
      asker: unless(asker?.kind !== 'account', asker?.id ?? ''),
    };
  }
}
