import type { Answer } from '../../support/http.ts';
import type { Doc } from '../model/vocabulary.ts';

export type Profile = 'auto' | 'okta-oin' | 'okta-aiw' | 'entra' | 'entra-062020' | 'interop-strict' | 'rfc';

/** Ids of a fresh tenant, for the shapes to speak of. */
export interface Cast {
  readonly user: string;
  readonly others: readonly [string, string];
  /** With `user` in it. */
  readonly group: string;
}

export interface Sent {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request as a vendor documents it, and the exact answer. */
export interface Shape {
  readonly name: string;
  /** Where it means what it says; `auto` takes every shape and is not listed. */
  readonly profiles: readonly Profile[];
  /** Where it must be refused, with the word. */
  readonly refusedBy?: readonly (readonly [Profile, string])[];
  readonly of: 'user' | 'group' | 'nothing';
  /** `resource` is the user or group as it was read. */
  readonly send: (cast: Cast, resource: Doc) => Sent;
  readonly status: number;
  /**
   * The resource afterwards, without `meta`: exactly. Of a shape `of: 'nothing'`: looked at with `check`. The same
   * object as given: nothing changed, the version neither.
   */
  readonly after?: (resource: Doc, cast: Cast) => Doc;
  readonly check?: (answer: Answer, cast: Cast) => void;
}

export const OKTA_HEADERS = {
  accept: 'application/scim+json',
  'content-type': 'application/scim+json; charset=utf-8',
  'user-agent': 'OKTA SCIM Integration',
};

/** Sometimes there is no User-Agent at all (suna#7297). */
export const ENTRA_HEADERS = {
  accept: '*/*',
  'content-type': 'application/scim+json; charset=utf-8',
  'user-agent': '',
};

export const ENTRA_BOTH = ['entra', 'entra-062020'] as const;

export const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
export const patch = (...Operations: unknown[]) => ({ schemas: [PATCH_OP], Operations });
