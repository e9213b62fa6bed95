import type { ScimProfile } from '../../connections/index.ts';

/**
 * What a directory may send beyond (or short of) RFC 7644. Every field is one shape that differs between clients; true
 * means it is accepted with exactly its documented meaning, false that it is refused with a typed 4xx.
 */
export interface Dialect {
  readonly name: ScimProfile;
  /** PUT. The interoperability profile knows only PATCH. */
  readonly put: boolean;
  /** A PATCH body without `schemas` (Okta). */
  readonly patchWithoutSchemas: boolean;
  /** `Add`, `REPLACE`: `op` in any case (RFC checklist; Entra). */
  readonly opInAnyCase: boolean;
  /** An operation without `path`, its value an object of attributes (RFC 7644 §3.5.2.1, §3.5.2.3; Okta). */
  readonly pathlessOps: boolean;
  /** Keys of a pathless value that are paths: `name.givenName`, `urn:…:User:department` (Entra, 062020). */
  readonly dottedKeys: boolean;
  /** `id` among the attributes of a pathless value: neither applied nor refused (Okta's group push). */
  readonly repeatedId: boolean;
  /** `remove` whose value names what to remove (Entra: `members`). */
  readonly removeWithValue: boolean;
  /** A path that ends with `]`: a whole element of a list is put in place or removed. Members may always be removed. */
  readonly wholeElements: boolean;
  /** `add` to `emails[type eq "work"].value` makes the element when there is none (Entra). */
  readonly addMakesElement: boolean;
  /** `"True"` and `"False"`, in any case, for booleans (Entra). */
  readonly stringBooleans: boolean;
  /** A manager as the bare identifier (Entra). */
  readonly bareManager: boolean;
  /** `""` means unassigned, as `null` does (Entra, Okta). */
  readonly emptyStringClears: boolean;
  /** `externalId eq jyoung`: a filter value without quotes is a string (Entra). */
  readonly bareWordFilters: boolean;
  /** URNs in `schemas` that are known to be sent and mean nothing here (Entra's group schema). */
  readonly toleratedSchemas: boolean;
}

const RFC: Dialect = {
  name: 'rfc',
  put: true,
  patchWithoutSchemas: false,
  opInAnyCase: true,
  pathlessOps: true,
  dottedKeys: false,
  repeatedId: false,
  removeWithValue: false,
  wholeElements: true,
  addMakesElement: false,
  stringBooleans: false,
  bareManager: false,
  emptyStringClears: false,
  bareWordFilters: false,
  toleratedSchemas: false,
};

// A custom Okta application sends PUT; what it sends otherwise is held to the RFC.
const OKTA_AIW: Dialect = { ...RFC, name: 'okta-aiw', emptyStringClears: true };

const ENTRA: Dialect = {
  ...RFC,
  name: 'entra',
  removeWithValue: true,
  addMakesElement: true,
  stringBooleans: true,
  bareManager: true,
  emptyStringClears: true,
  bareWordFilters: true,
  toleratedSchemas: true,
};

/**
 * The dialects by the name of their profile. A profile is what RFC 7644 says and what its vendor documents beyond;
 * `interop-strict` is less than the RFC; `auto` is everything that is documented anywhere.
 */
export const DIALECTS: Readonly<Record<ScimProfile, Dialect>> = {
  auto: { ...ENTRA, name: 'auto', patchWithoutSchemas: true, dottedKeys: true, repeatedId: true },
  'okta-oin': { ...OKTA_AIW, name: 'okta-oin', patchWithoutSchemas: true, repeatedId: true },
  'okta-aiw': OKTA_AIW,
  entra: ENTRA,
  // On-demand provisioning ignores the URL flag and keeps to the default dialect.
  'entra-062020': { ...ENTRA, name: 'entra-062020', dottedKeys: true },
  'interop-strict': {
    ...RFC,
    name: 'interop-strict',
    put: false,
    opInAnyCase: false,
    pathlessOps: false,
    wholeElements: false,
  },
  rfc: RFC,
};
