import assert from 'node:assert/strict';

import { isAppError, type ErrorCode } from '@sallyport/errors';

import type { ScimProfile } from '../../connections/index.ts';
import { applyPatch } from '../protocol/apply-patch.ts';
import { readFilter } from '../protocol/filter/index.ts';
import { GROUP, GROUP_SCHEMA } from '../protocol/group-schema.ts';
import type { Document, JsonValue } from '../protocol/json.ts';
import { normalisePatch } from '../protocol/normalise-patch.ts';
import { readReplacement, readResource } from '../protocol/resource.ts';
import { ENTERPRISE_USER_SCHEMA as ENTERPRISE, USER, USER_SCHEMA } from '../protocol/user-schema.ts';
import { DIALECTS, type Dialect } from './dialect.ts';

const PROFILES = Object.keys(DIALECTS) as ScimProfile[];
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const ADSCIM_GROUP = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';

const before: Document = {
  userName: 'b@example.com',
  active: true,
  title: 'Dr',
  emails: [{ value: 'w@example.com', type: 'work', primary: true }],
  [ENTERPRISE]: { manager: { value: 'm1' } },
};

/** What a request of the shape comes to under a dialect. */
type Read = (dialect: Dialect) => unknown;

const patchOf = (...operations: readonly unknown[]) => ({ schemas: [PATCH_OP], Operations: operations });

const user =
  (pick: string, body: unknown): Read =>
  (dialect) => {
    const steps = normalisePatch(USER, body, dialect).filter((step) => step.kind !== 'members');
    const after = applyPatch(USER, before, steps);
    return pick === ''
      ? after
      : pick.split('/').reduce<JsonValue | undefined>((value, key) => (value as Document)[key], after);
  };

const group =
  (body: unknown): Read =>
  (dialect) =>
    normalisePatch(GROUP, body, dialect).map((step) => (step.kind === 'members' ? step.step : step));

interface Shape {
  readonly name: string;
  readonly read: Read;
  /** The exact outcome where it is accepted. */
  readonly means: unknown;
  /** Who accepts it: everybody but these, or nobody but these. */
  readonly by: { readonly not: readonly ScimProfile[] } | { readonly only: readonly ScimProfile[] };
  /** How it is refused elsewhere. */
  readonly otherwise?: ErrorCode;
}

const everybody = { not: [] } as const;
const entra = { only: ['auto', 'entra', 'entra-062020'] } as const;
const notStrict = { not: ['interop-strict'] } as const;

const USERS: readonly Shape[] = [
  {
    name: 'RFC: replace with path and a boolean (also Entra 062020)',
    read: user('active', patchOf({ op: 'replace', path: 'active', value: false })),
    means: false,
    by: everybody,
  },
  {
    name: 'Okta OIN: deactivate, pathless and without schemas',
    read: user('active', { Operations: [{ op: 'replace', value: { active: false } }] }),
    means: false,
    by: { only: ['auto', 'okta-oin'] },
    otherwise: 'INVALID_SYNTAX',
  },
  {
    name: 'RFC: pathless with schemas',
    read: user('active', patchOf({ op: 'replace', value: { active: false } })),
    means: false,
    by: notStrict,
    otherwise: 'INVALID_SYNTAX',
  },
  {
    name: 'Okta AIW: PUT of the whole, active false, what is read-only echoed',
    read: (dialect) =>
      readReplacement(
        USER,
        {
          schemas: [USER_SCHEMA],
          id: 'u1',
          userName: 'b@example.com',
          active: false,
          groups: [],
          meta: { version: 'W/"1"' },
          password: 'x',
        },
        dialect,
      ).document,
    means: { userName: 'b@example.com', active: false },
    by: notStrict,
    otherwise: 'INVALID_SYNTAX',
  },
  {
    name: 'Entra: op capitalised',
    read: user('nickName', patchOf({ op: 'Add', path: 'nickName', value: 'Babs' })),
    means: 'Babs',
    by: notStrict,
    otherwise: 'INVALID_SYNTAX',
  },
  {
    name: 'Entra: disable with the string "False"',
    read: user('active', patchOf({ op: 'replace', path: 'active', value: 'False' })),
    means: false,
    by: entra,
    otherwise: 'INVALID_VALUE',
  },
  {
    name: 'Entra: filtered path',
    read: user('emails', patchOf({ op: 'replace', path: 'emails[type eq "work"].value', value: 'n@example.com' })),
    means: [{ value: 'n@example.com', type: 'work', primary: true }],
    by: everybody,
  },
  {
    name: 'Entra: add to a filtered path that selects nothing',
    read: user('phoneNumbers', patchOf({ op: 'add', path: 'phoneNumbers[type eq "mobile"].value', value: '+1' })),
    means: [{ type: 'mobile', value: '+1' }],
    by: entra,
    otherwise: 'NO_TARGET',
  },
  {
    name: 'Entra: path of the enterprise extension',
    read: user(
      `${ENTERPRISE}/employeeNumber`,
      patchOf({ op: 'add', path: `${ENTERPRISE}:employeeNumber`, value: '7' }),
    ),
    means: '7',
    by: everybody,
  },
  {
    name: 'Entra 062020: pathless with dotted keys',
    read: user('name/givenName', patchOf({ op: 'replace', value: { displayName: 'B', 'name.givenName': 'K' } })),
    means: 'K',
    by: { only: ['auto', 'entra-062020'] },
    otherwise: 'INVALID_PATH',
  },
  {
    name: 'Entra 062020: pathless with a URN key',
    read: user(
      `${ENTERPRISE}/employeeNumber`,
      patchOf({ op: 'replace', value: { [`${ENTERPRISE}:employeeNumber`]: 'A' } }),
    ),
    means: 'A',
    by: { only: ['auto', 'entra-062020'] },
    otherwise: 'INVALID_PATH',
  },
  {
    name: 'Entra: manager as a bare id',
    read: user(`${ENTERPRISE}/manager`, patchOf({ op: 'replace', path: `${ENTERPRISE}:manager`, value: 'm2' })),
    means: { value: 'm2' },
    by: entra,
    otherwise: 'INVALID_VALUE',
  },
  {
    name: 'Entra: manager cleared with ""',
    read: user(ENTERPRISE, patchOf({ op: 'replace', path: `${ENTERPRISE}:manager`, value: '' })),
    means: undefined,
    by: { only: ['auto', 'entra', 'entra-062020', 'okta-oin', 'okta-aiw'] },
    otherwise: 'INVALID_VALUE',
  },
  {
    name: 'RFC: manager as an object',
    read: user(
      `${ENTERPRISE}/manager`,
      patchOf({ op: 'replace', path: `${ENTERPRISE}:manager`, value: { value: 'm2' } }),
    ),
    means: { value: 'm2' },
    by: everybody,
  },
  {
    name: 'Microsoft null update: "" and then null',
    read: user(
      'title',
      patchOf({ op: 'replace', path: 'title', value: '' }, { op: 'replace', path: 'title', value: null }),
    ),
    means: undefined,
    by: { only: ['auto', 'entra', 'entra-062020', 'okta-oin', 'okta-aiw'] },
    otherwise: 'INVALID_VALUE',
  },
  {
    name: 'RFC: null unassigns',
    read: user('title', patchOf({ op: 'replace', path: 'title', value: null })),
    means: undefined,
    by: everybody,
  },
  {
    name: 'RFC: a whole element in place of the selected one',
    read: user('emails', patchOf({ op: 'replace', path: 'emails[type eq "work"]', value: { value: 'n@example.com' } })),
    means: [{ value: 'n@example.com' }],
    by: notStrict,
    otherwise: 'INVALID_PATH',
  },
  {
    name: 'Entra: create with the enterprise schema, roles [] and meta.resourceType',
    read: (dialect) =>
      readResource(
        USER,
        {
          schemas: [USER_SCHEMA, ENTERPRISE],
          userName: 'b@example.com',
          active: true,
          roles: [],
          meta: { resourceType: 'User' },
        },
        dialect,
      ).document,
    means: { userName: 'b@example.com', active: true },
    by: everybody,
  },
  {
    name: 'Entra: filter value without quotes',
    read: (dialect) =>
      readFilter(USER, 'externalId eq jyoung', { allowBareWords: dialect.bareWordFilters }).kind === 'compare',
    means: true,
    by: entra,
    otherwise: 'INVALID_FILTER',
  },
  {
    name: 'RFC: filter value in quotes',
    read: (dialect) =>
      readFilter(USER, 'externalId eq "jyoung"', { allowBareWords: dialect.bareWordFilters }).kind === 'compare',
    means: true,
    by: everybody,
  },
  {
    name: 'nobody: a remove of a list with a value it is not about',
    read: user('', patchOf({ op: 'remove', path: 'emails', value: [] })),
    means: undefined,
    by: { only: [] },
    otherwise: 'INVALID_VALUE',
  },
];

const GROUPS: readonly Shape[] = [
  {
    name: 'Okta: create with members []',
    read: (dialect) => readResource(GROUP, { schemas: [GROUP_SCHEMA], displayName: 'N', members: [] }, dialect).members,
    means: [],
    by: everybody,
  },
  {
    name: 'Okta: rename with the id in the value',
    read: group(patchOf({ op: 'replace', value: { id: 'g1', displayName: 'N' } })),
    means: [{ kind: 'set', place: ['displayName'], value: 'N' }],
    by: { only: ['auto', 'okta-oin'] },
    otherwise: 'MUTABILITY',
  },
  {
    name: 'Okta: remove by filter and add with display, in one request; no member type',
    read: group(
      patchOf(
        { op: 'remove', path: 'members[value eq "1"]' },
        { op: 'add', path: 'members', value: [{ value: '2', display: 'two@example.com' }] },
      ),
    ),
    means: [
      { kind: 'remove', ids: ['1'] },
      { kind: 'add', ids: ['2'] },
    ],
    by: everybody,
  },
  {
    name: 'Okta: full push',
    read: group(patchOf({ op: 'replace', path: 'members', value: [{ value: '1' }] })),
    means: [{ kind: 'replace', ids: ['1'] }],
    by: everybody,
  },
  {
    name: 'Okta AIW: PUT of the group with its members',
    read: (dialect) =>
      readReplacement(GROUP, { schemas: [GROUP_SCHEMA], displayName: 'N', members: [{ value: '1' }] }, dialect).members,
    means: ['1'],
    by: notStrict,
    otherwise: 'INVALID_SYNTAX',
  },
  {
    name: 'Entra: add a member with $ref null',
    read: group(patchOf({ op: 'add', path: 'members', value: [{ $ref: null, value: '1' }] })),
    means: [{ kind: 'add', ids: ['1'] }],
    by: everybody,
  },
  {
    name: 'Entra: Remove with a value is that member, never all',
    read: group(patchOf({ op: 'remove', path: 'members', value: [{ $ref: null, value: '1' }] })),
    means: [{ kind: 'remove', ids: ['1'] }],
    by: entra,
    otherwise: 'INVALID_SYNTAX',
  },
  {
    name: 'Entra: create with its own group schema',
    read: (dialect) =>
      readResource(GROUP, { schemas: [GROUP_SCHEMA, ADSCIM_GROUP], displayName: 'N', externalId: 'x' }, dialect)
        .document,
    means: { displayName: 'N', externalId: 'x' },
    by: entra,
    otherwise: 'INVALID_SYNTAX',
  },
];

const isAccepted = ({ by }: Shape, profile: ScimProfile): boolean =>
  'only' in by ? by.only.includes(profile) : !by.not.includes(profile);

describe('profiles: every documented shape is accepted exactly, or refused with a typed 4xx', () => {
  for (const shape of [...USERS, ...GROUPS])
    it(shape.name, () => {
      for (const profile of PROFILES) {
        const dialect = DIALECTS[profile];
        if (isAccepted(shape, profile)) assert.deepEqual(shape.read(dialect), shape.means, profile);
        else
          assert.throws(
            () => shape.read(dialect),
            (error) => isAppError(error) && error.kind.http === 400,
            `${profile} accepts it`,
          );
      }
      const refusing = PROFILES.find((profile) => !isAccepted(shape, profile));
      if (refusing !== undefined)
        assert.throws(
          () => shape.read(DIALECTS[refusing]),
          (error) => isAppError(error) && error.code === shape.otherwise,
          `${refusing} does not say ${String(shape.otherwise)}`,
        );
    });

  it('auto accepts whatever any vendor profile accepts', () => {
    for (const profile of PROFILES)
      for (const [field, isAccepted] of Object.entries(DIALECTS[profile]))
        if (isAccepted === true) assert.equal(DIALECTS.auto[field as keyof Dialect], true, `${profile}: ${field}`);
  });

  it('interop-strict accepts nothing that the RFC does not', () => {
    for (const [field, isAccepted] of Object.entries(DIALECTS['interop-strict']))
      if (isAccepted === true) assert.equal(DIALECTS.rfc[field as keyof Dialect], true, field);
  });
});
