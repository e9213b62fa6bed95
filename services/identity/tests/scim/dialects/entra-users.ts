import { CORE_USER, ENTERPRISE, type Doc } from '../model/vocabulary.ts';
import { ENTRA_BOTH as BOTH, ENTRA_HEADERS as headers, patch, type Profile, type Shape } from './shape.ts';

const userPatch = (
  name: string,
  { profiles, refusedBy = [] }: { profiles: readonly Profile[]; refusedBy?: Shape['refusedBy'] },
  operations: readonly unknown[],
  after: (resource: Doc) => Doc,
): Shape => ({
  name,
  profiles,
  ...(refusedBy.length === 0 ? {} : { refusedBy }),
  of: 'user',
  send: ({ user }) => ({ method: 'PATCH', path: `/Users/${user}`, body: patch(...operations), headers }),
  status: 200,
  after,
});

const nameOf = (resource: Doc): Doc => resource['name'] as Doc;
const enterprise = (resource: Doc, more: Doc): Doc => ({
  ...resource,
  schemas: [CORE_USER, ENTERPRISE],
  [ENTERPRISE]: more,
});
const withWork = (resource: Doc, value: string): Doc => ({
  ...resource,
  emails: (resource['emails'] as Doc[]).map((email) => (email['type'] === 'work' ? { ...email, value } : email)),
});

const switches: readonly Shape[] = [
  ...['False', 'false', 'FALSE'].map((value) =>
    userPatch(
      `disables: Replace active with the string "${value}"`,
      { profiles: BOTH, refusedBy: [['interop-strict', 'invalidSyntax']] },
      [{ op: 'Replace', path: 'active', value }],
      (resource) => ({ ...resource, active: false }),
    ),
  ),
  userPatch(
    'disables: Replace active with a boolean',
    { profiles: [...BOTH, 'rfc'] },
    [{ op: 'Replace', path: 'active', value: false }],
    (resource) => ({
      ...resource,
      active: false,
    }),
  ),
  userPatch(
    '062020: disables by a boolean',
    { profiles: [...BOTH, 'rfc', 'interop-strict', 'okta-oin', 'okta-aiw'] },
    [{ op: 'replace', path: 'active', value: false }],
    (resource) => ({ ...resource, active: false }),
  ),
  {
    ...userPatch('x', { profiles: [] }, [{ op: 'replace', path: 'active', value: 'False' }], (resource) => resource),
    name: 'a string for a boolean is refused where nobody documents it',
    refusedBy: [
      ['rfc', 'invalidValue'],
      ['interop-strict', 'invalidValue'],
      ['okta-oin', 'invalidValue'],
    ],
  },
];

const attributes: readonly Shape[] = [
  userPatch(
    'adds a string: Add nickName',
    { profiles: [...BOTH, 'rfc'] },
    [{ op: 'Add', path: 'nickName', value: 'Babs' }],
    (resource) => ({
      ...resource,
      nickName: 'Babs',
    }),
  ),
  userPatch(
    '062020: adds a string',
    { profiles: [...BOTH, 'rfc', 'interop-strict'] },
    [{ op: 'add', path: 'nickName', value: 'Babs' }],
    (resource) => ({
      ...resource,
      nickName: 'Babs',
    }),
  ),
  userPatch(
    'sets several attributes, one operation each',
    { profiles: BOTH },
    [
      { op: 'Replace', path: 'displayName', value: 'B' },
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'b@work.example' },
      { op: 'Replace', path: 'name.givenName', value: 'K' },
      { op: 'Replace', path: 'externalId', value: 'x-1' },
      { op: 'Add', path: `${ENTERPRISE}:employeeNumber`, value: 'A' },
    ],
    (resource) =>
      enterprise(
        {
          ...withWork(resource, 'b@work.example'),
          displayName: 'B',
          name: { ...nameOf(resource), givenName: 'K' },
          externalId: 'x-1',
        },
        { employeeNumber: 'A' },
      ),
  ),
  userPatch(
    '062020: sets several attributes, the filtered one apart, the rest without a path and with dotted keys',
    {
      profiles: ['entra-062020'],
      refusedBy: [
        ['interop-strict', 'invalidSyntax'],
        ['rfc', 'invalidPath'],
      ],
    },
    [
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'b@work.example' },
      { op: 'replace', value: { displayName: 'B', 'name.givenName': 'K', [`${ENTERPRISE}:employeeNumber`]: 'A' } },
    ],
    (resource) =>
      enterprise(
        { ...withWork(resource, 'b@work.example'), displayName: 'B', name: { ...nameOf(resource), givenName: 'K' } },
        { employeeNumber: 'A' },
      ),
  ),
  userPatch(
    'adds an address that is not there yet: Add with a filtered path',
    { profiles: BOTH },
    [{ op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '+47' }],
    (resource) => ({ ...resource, phoneNumbers: [{ type: 'mobile', value: '+47' }] }),
  ),
  {
    ...userPatch(
      'x',
      { profiles: [] },
      [{ op: 'Replace', path: 'phoneNumbers[type eq "mobile"].value', value: '+47' }],
      (resource) => resource,
    ),
    name: 'replaces an address that is not there: noTarget, never a silent success',
    refusedBy: [
      ['auto', 'noTarget'],
      ['entra', 'noTarget'],
      ['rfc', 'noTarget'],
    ],
  },
  userPatch(
    'a null update: "" leaves the attribute unassigned',
    { profiles: BOTH },
    [{ op: 'Replace', path: 'title', value: '' }],
    (resource) => {
      const { title: _title, ...rest } = resource;
      return rest;
    },
  ),
  userPatch(
    'a null update: null leaves the attribute unassigned',
    { profiles: [...BOTH, 'rfc'] },
    [{ op: 'Replace', path: 'title', value: null }],
    (resource) => {
      const { title: _title, ...rest } = resource;
      return rest;
    },
  ),
  userPatch(
    'sets a manager as a bare id',
    { profiles: BOTH, refusedBy: [['rfc', 'invalidValue']] },
    [{ op: 'Add', path: `${ENTERPRISE}:manager`, value: '26118915-6090-4610-87e4-49d8ca9f808d' }],
    (resource) => enterprise(resource, { manager: { value: '26118915-6090-4610-87e4-49d8ca9f808d' } }),
  ),
  userPatch(
    'clears a manager with ""',
    { profiles: BOTH },
    [
      { op: 'Add', path: `${ENTERPRISE}:manager`, value: 'm' },
      { op: 'Replace', path: `${ENTERPRISE}:manager`, value: '' },
    ],
    (resource) => resource,
  ),
];

/** §2.4, PATCH of users */
export const ENTRA_USERS: readonly Shape[] = [...switches, ...attributes];
