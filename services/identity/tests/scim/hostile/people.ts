import { MUTABILITY, patchGroup, patchUser, postUser, VALUE, type Attack, type Attacks } from './attack.ts';

const UNIQUE = ['uniqueness'];
/** Names nobody could tell from the Owner's. */
const OWNERS = ['owner@example.com', 'OWNER@EXAMPLE.COM', 'ｏｗｎｅｒ@example.com', 'owner@example.ⓒⓞⓜ'];

/** Names of accounts that are there already, an Owner's before all. */
export const collisions: Attacks = (scene) => [
  ...OWNERS.flatMap((userName) => [
    postUser(`a create as ${userName}`, { userName }, UNIQUE, 409),
    patchUser(scene, `a rename to ${userName}`, { op: 'replace', path: 'userName', value: userName }, UNIQUE, 409),
    {
      ...postUser(`a PUT as ${userName}`, { userName }, UNIQUE, 409),
      method: 'PUT',
      path: `/Users/${scene.own.userId}`,
    },
  ]),
  postUser('a create as a service account', { userName: 'CI' }, UNIQUE, 409),
  postUser('a create as a user of another connection', { userName: 'near@example.com' }, UNIQUE, 409),
  postUser('an external id that is taken', { externalId: 'shared-external-id' }, UNIQUE, 409),
  {
    ...postUser('a user name that is taken, by PUT', { userName: 'own@example.com' }, UNIQUE, 409),
    method: 'PUT',
    path: `/Users/${scene.own.otherUserId}`,
  },
  patchUser(scene, 'a user name removed', { op: 'remove', path: 'userName' }, MUTABILITY),
  postUser('no user name', { userName: '' }, VALUE),
];

const first = { op: 'replace', path: 'displayName', value: 'half applied' };

/** A failure anywhere leaves nothing anywhere. */
export const partial: Attacks = (scene) => [
  ...[
    { op: 'replace', path: 'nope', value: 'x' },
    { op: 'replace', path: 'emails[type eq "none"].value', value: 'x' },
    { op: 'replace', path: 'active', value: 'no' },
    { op: 'remove' },
    { op: 'remove', path: 'userName' },
    { op: 'replace', path: 'id', value: 'x' },
    { op: 'move', path: 'title', value: 'x' },
  ].map((last) =>
    patchUser(
      scene,
      `an operation before ${JSON.stringify(last)}`,
      [first, { op: 'replace', path: 'active', value: false }, last],
      ['invalidPath', 'noTarget', 'invalidValue', 'mutability', 'invalidSyntax'],
    ),
  ),
  patchUser(
    scene,
    'an operation before a name that is taken',
    [first, { op: 'replace', path: 'userName', value: 'own-2@example.com' }],
    UNIQUE,
    409,
  ),
  patchGroup(
    scene,
    'members before somebody unknown',
    [
      { op: 'remove', path: 'members' },
      { op: 'add', path: 'members', value: [{ value: scene.own.otherUserId }, { value: scene.far.userId }] },
    ],
    VALUE,
  ),
  {
    name: 'a PUT of a group with somebody unknown',
    method: 'PUT',
    path: `/Groups/${scene.own.groupId}`,
    body: { displayName: 'half', members: [{ value: scene.own.otherUserId }, { value: scene.near.userId }] },
    status: 400,
    words: VALUE,
  },
  {
    name: 'a create of a group with somebody unknown',
    method: 'POST',
    path: '/Groups',
    body: { displayName: 'half', members: [{ value: scene.own.otherUserId }, { value: 'nobody' }] },
    status: 400,
    words: VALUE,
  },
];

const asMember = (scene: Parameters<Attacks>[0], who: string, value: string): readonly Attack[] => [
  patchGroup(scene, `${who} added as a member`, { op: 'add', path: 'members', value: [{ value }] }, VALUE),
  patchGroup(scene, `${who} put in place as the member`, { op: 'replace', path: 'members', value: [{ value }] }, VALUE),
  patchGroup(
    scene,
    `${who} added without a path`,
    { op: 'add', value: { members: [{ value, $ref: `https://x/Users/${value}` }] } },
    VALUE,
  ),
  {
    name: `${who} in a group that is put`,
    method: 'PUT',
    path: `/Groups/${scene.own.groupId}`,
    body: { displayName: 'x', members: [{ value }] },
    status: 400,
    words: VALUE,
  },
  {
    name: `${who} in a new group`,
    method: 'POST',
    path: '/Groups',
    body: { displayName: 'x', members: [{ value }] },
    status: 400,
    words: VALUE,
  },
];

/** People and groups of others, in every place a reference may stand. */
export const references: Attacks = (scene) => {
  const { near, far } = scene;
  const strangers: readonly (readonly [string, string])[] = [
    ['a user of another connection', near.userId],
    ['a user of another organisation', far.userId],
    ['the local Owner', scene.organization.ownerId],
    ['a service account', scene.serviceAccountId],
    ['a group', scene.own.groupId],
    ['a group of another organisation', far.groupId],
  ];
  const foreign = [
    ['Users', near.userId],
    ['Users', far.userId],
    ['Users', scene.organization.ownerId],
    ['Users', scene.serviceAccountId],
    ['Users', scene.own.groupId],
    ['Groups', near.groupId],
    ['Groups', far.groupId],
    ['Groups', scene.own.userId],
  ] as const;
  return [
    ...strangers.flatMap(([who, id]) => asMember(scene, who, id)),
    ...foreign.flatMap(([kind, id]): Attack[] => {
      const path = `/${kind}/${id}`;
      const body = kind === 'Users' ? { userName: 'mine@example.com' } : { displayName: 'mine' };
      const common = { path, status: 404, words: [] };
      const change = { Operations: [{ op: 'replace', value: { displayName: 'mine' } }] };
      return [
        { ...common, name: `GET of ${path}`, method: 'GET' },
        { ...common, name: `PUT of ${path}`, method: 'PUT', body },
        { ...common, name: `PATCH of ${path}`, method: 'PATCH', body: change },
        { ...common, name: `DELETE of ${path}`, method: 'DELETE' },
      ];
    }),
  ];
};
