import assert from 'node:assert/strict';

import type { Flag } from '../flags/index.ts';
import type { Environment } from '../projects/index.ts';
import { type OperationInput, operationInputSchema } from './operation.ts';
import { type ChangePlan, planChange, type ProjectView } from './plan-change.ts';

const environment = (key: string, requiredApprovals = 0): Environment => ({
  environmentId: `id-${key}`,
  projectId: 'p1',
  key,
  name: key,
  tier: 'production',
  protected: requiredApprovals > 0,
  requiredApprovals,
  ruleVersion: 4,
  version: 0n,
  createdAt: new Date(0),
});

const flag = (key: string, archived = false): Flag => ({
  flagId: `flag-${key}`,
  key,
  type: 'boolean',
  version: 7,
  definition: {
    variants: { on: true, off: false },
    description: '',
    tags: [],
    owner: null,
    clientVisible: false,
    archived,
  },
  environments: new Map([
    ['id-dev', { version: 2, configuration: { state: 'DISABLED', rules: [], defaultVariant: 'off' } }],
    ['id-prod', { version: 5, configuration: { state: 'ENABLED', rules: [], defaultVariant: 'on' } }],
  ]),
  createdAt: new Date(0),
});

const view: ProjectView = {
  orgId: 'o1',
  projectId: 'p1',
  environments: [environment('dev'), environment('prod', 1), environment('empty')],
  flags: new Map([flag('f'), flag('old', true)].map((one) => [one.key, one])),
};

const plan = (...inputs: object[]): ChangePlan => {
  let counter = 0;
  const operations = inputs.map((input) => operationInputSchema.parse(input));
  return planChange(view, operations, () => `new-${String((counter += 1))}`);
};

const refusal = (...inputs: object[]): string => {
  try {
    plan(...inputs);
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'accepted';
};

const toggle = (key: string, where: string, state = 'ENABLED'): object => ({
  kind: 'set-state',
  flag: key,
  environment: where,
  state,
});

describe('planning a change', () => {
  it('takes base versions of what it touches, and of nothing else', () => {
    const { content, reviewed } = plan(toggle('f', 'dev'));
    assert.deepEqual(content.base, [
      { flagId: 'flag-f', version: 7, environments: [{ environmentId: 'id-dev', version: 2 }] },
    ]);
    assert.deepEqual(content.environments, [{ environmentId: 'id-dev', key: 'dev', ruleVersion: 4 }]);
    assert.deepEqual(reviewed, []);
  });

  it('touches every environment of a flag that is edited', () => {
    const { touched, reviewed } = plan({ kind: 'edit-flag', flag: 'f', description: 'x' });
    assert.deepEqual(
      touched.map(({ key }) => key),
      ['dev', 'prod'],
    );
    assert.deepEqual(
      reviewed.map(({ key }) => key),
      ['prod'],
    );
  });

  it('spells out what was left out', () => {
    const { content } = plan({ kind: 'set-targeting', flag: 'f', environment: 'dev', defaultVariant: 'on' });
    const [operation] = content.changes;
    assert.deepEqual(operation, {
      kind: 'set-targeting',
      flagId: 'flag-f',
      flagKey: 'f',
      environmentId: 'id-dev',
      rules: [],
      defaultVariant: 'on',
    });
  });

  it('creates a flag switched off, everywhere unless told otherwise', () => {
    const created = plan({ kind: 'create-flag', flag: 'n', type: 'string', variants: { a: 'x' } });
    assert.deepEqual(
      created.touched.map(({ key }) => key),
      ['dev', 'prod', 'empty'],
    );
    assert.deepEqual(
      created.content.base.map(({ version, environments }) => [version, ...environments.map((each) => each.version)]),
      [[0, 0, 0, 0]],
    );
    const [operation] = created.content.changes;
    assert.ok(operation?.kind === 'create-flag');
    assert.deepEqual(
      operation.environments.map(({ configuration }) => configuration.state),
      ['DISABLED', 'DISABLED', 'DISABLED'],
    );
  });

  it('lets later operations see earlier ones', () => {
    const create = { kind: 'create-flag', flag: 'n', type: 'boolean', variants: { on: true }, environments: ['dev'] };
    assert.equal(refusal(create, toggle('n', 'dev')), 'accepted');
    assert.equal(refusal(toggle('n', 'dev'), create), 'NOT_FOUND');
    const edit = { kind: 'edit-flag', flag: 'f', variants: { on: true, off: false, blue: true } };
    const target = { kind: 'set-targeting', flag: 'f', environment: 'dev', defaultVariant: 'blue' };
    assert.equal(refusal(edit, target), 'accepted');
    assert.equal(refusal(target, edit), 'INVALID_REQUEST');
  });

  it('is a no-op only when nothing in it changes anything', () => {
    assert.equal(plan(toggle('f', 'dev', 'DISABLED')).isNoOp, true);
    assert.equal(plan(toggle('f', 'dev', 'DISABLED'), toggle('f', 'prod', 'DISABLED')).isNoOp, false);
    assert.equal(plan({ kind: 'edit-flag', flag: 'f', description: '' }).isNoOp, true);
  });

  const refused: readonly [what: string, code: string, ...inputs: object[]][] = [
    ['an unknown flag', 'NOT_FOUND', toggle('nobody', 'dev')],
    ['an unknown environment', 'NOT_FOUND', toggle('f', 'nowhere')],
    ['an environment the flag is not in', 'NOT_FOUND', toggle('f', 'empty')],
    [
      'a key that is taken',
      'ALREADY_EXISTS',
      { kind: 'create-flag', flag: 'f', type: 'boolean', variants: { on: true } },
    ],
    ['adding a flag where it is', 'ALREADY_EXISTS', { kind: 'add-flag', flag: 'f', environments: ['dev'] }],
    ['touching an archived flag', 'CONFLICT', toggle('old', 'dev')],
    ['deleting what is not archived', 'CONFLICT', { kind: 'delete-flag', flag: 'f' }],
    [
      'a default that is no variant',
      'INVALID_REQUEST',
      { kind: 'set-targeting', flag: 'f', environment: 'dev', defaultVariant: 'x' },
    ],
    [
      'a rule that serves no variant',
      'INVALID_REQUEST',
      { kind: 'set-targeting', flag: 'f', environment: 'dev', rules: [{ serve: { variant: 'x' } }] },
    ],
    ['removing a variant in use', 'INVALID_REQUEST', { kind: 'edit-flag', flag: 'f', variants: { on: true } }],
    [
      'variants of another type',
      'INVALID_REQUEST',
      { kind: 'edit-flag', flag: 'f', variants: { on: 'yes', off: false } },
    ],
    [
      'a number beyond 2^53 - 1',
      'INVALID_REQUEST',
      { kind: 'create-flag', flag: 'n', type: 'number', variants: { a: 2 ** 53 } },
    ],
    ['a list as an object', 'INVALID_REQUEST', { kind: 'create-flag', flag: 'n', type: 'object', variants: { a: [] } }],
    [
      'variants that are too large',
      'INVALID_REQUEST',
      { kind: 'create-flag', flag: 'n', type: 'string', variants: { a: 'x'.repeat(17_000) } },
    ],
    [
      'editing what the same change creates',
      'INVALID_REQUEST',
      { kind: 'create-flag', flag: 'n', type: 'boolean', variants: { on: true } },
      { kind: 'archive-flag', flag: 'n' },
    ],
    [
      'using what the same change deletes',
      'NOT_FOUND',
      { kind: 'delete-flag', flag: 'old' },
      { kind: 'restore-flag', flag: 'old' },
    ],
  ];
  for (const [what, code, ...inputs] of refused)
    it(`refuses ${what}`, () => {
      assert.equal(refusal(...inputs), code);
    });

  const malformed: readonly [what: string, input: object][] = [
    ['an unknown kind', { kind: 'overwrite', flag: 'f' }],
    ['a field that would skip a review', { ...toggle('f', 'dev'), skipReview: true }],
    ['a change of type', { kind: 'edit-flag', flag: 'f', type: 'string' }],
    ['a variant named like an object internal', { kind: 'edit-flag', flag: 'f', variants: { constructor: true } }],
    ['no variant at all', { kind: 'edit-flag', flag: 'f', variants: {} }],
    ['a key named like an object internal', { kind: 'archive-flag', flag: 'toString' }],
    ['an environment twice', { kind: 'add-flag', flag: 'f', environments: ['dev', 'dev'] }],
  ];
  for (const [what, input] of malformed)
    it(`does not parse ${what}`, () => {
      assert.equal(operationInputSchema.safeParse(input satisfies object as OperationInput).success, false);
    });
});
