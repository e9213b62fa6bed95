import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { REPOSITORY } from '@sallyport/dev-env';
import { BUILT_IN_ROLES, referenceEnforcer } from '@sallyport/policy/decisions';

import {
  GRANTS_PER_ORGANIZATION,
  environmentIdOf,
  orgIdOf,
  projectIdOf,
  roleOf,
  rowsOf,
  tierOf,
  userIdOf,
} from './world.ts';

/** Apache-2.0. Not a dependency: 13 MB for one row of one table. */
const CEDAR = '@cedar-policy/cedar-wasm';
const CEDAR_VERSION = '4.13.0';

interface EntityUid {
  readonly type: string;
  readonly id: string;
}

interface Cedar {
  preparsePolicySet(id: string, policies: object): { readonly type: string };
  statefulIsAuthorized(call: object): {
    readonly type: string;
    readonly response?: { readonly decision: string };
  };
}

/** Installs the peer beside what `npm ci` installed, once; nothing of it is run while it is installed. */
const install = async (): Promise<string> => {
  const directory = join(REPOSITORY, 'node_modules/.cache/sallyport-bench', `cedar-wasm-${CEDAR_VERSION}`);
  if (existsSync(directory)) return directory;
  const unfinished = `${directory}.${String(process.pid)}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, 'package.json'), '{"private":true}');
  console.error(`installing ${CEDAR} ${CEDAR_VERSION} to compare with`);
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
  try {
    await promisify(execFile)('npm', ['install', ...flags, `${CEDAR}@${CEDAR_VERSION}`], { cwd: unfinished });
    renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return directory;
};

const uid = (type: string, id: string): EntityUid => ({ type, id });
const literal = ({ type, id }: EntityUid): string => `${type}::${JSON.stringify(id)}`;

/** One policy a role and place: what the role permits there. */
const cedarPolicies = (): string =>
  BUILT_IN_ROLES.flatMap((role) =>
    Object.entries(role.permissions)
      .filter(([, names]) => names.length > 0)
      .map(([place, names]) => {
        const actions = names.map((name) => literal(uid('Action', name))).join(', ');
        return `permit(principal in ${literal(uid('Role', role.key))}, action in [${actions}], resource in ${literal(uid('Place', place))});`;
      }),
  ).join('\n');

const PEER_USERS = GRANTS_PER_ORGANIZATION;
const PEER_DECISIONS = 400;

/**
 * µs a decision of Cedar takes with the same roles: policies parsed before, the two entities a question is about sent
 * with it (its interface has no other way).
 */
export const openCedar = async (): Promise<() => number> => {
  const directory = await install();
  const module = join(directory, 'node_modules', CEDAR, 'nodejs/cedar_wasm.js');
  const cedar = (await import(module)) as Cedar;
  if (cedar.preparsePolicySet('roles', { staticPolicies: cedarPolicies() }).type !== 'success')
    throw new Error('Cedar does not take the policies');
  const calls = Array.from({ length: PEER_USERS }, (_, user) => {
    const [principal, resource] = [uid('User', userIdOf(0, user)), uid('Environment', environmentIdOf(0, user % 108))];
    const entities = [
      { uid: principal, attrs: {}, parents: [uid('Role', roleOf(user))] },
      { uid: resource, attrs: {}, parents: [uid('Place', tierOf(user % 108))] },
    ];
    return {
      principal,
      action: uid('Action', 'flag:toggle'),
      resource,
      context: {},
      preparsedPolicySetId: 'roles',
      entities,
    };
  });
  return () => {
    let allowed = 0;
    const startedAt = process.hrtime.bigint();
    for (let number = 0; number < PEER_DECISIONS; number += 1) {
      const answer = cedar.statefulIsAuthorized(calls[number % calls.length] ?? {});
      if (answer.type !== 'success') throw new Error('Cedar did not decide');
      if (answer.response?.decision === 'allow') allowed += 1;
    }
    if (allowed === 0 || allowed === PEER_DECISIONS) throw new Error('Cedar decides everything alike');
    return Number(process.hrtime.bigint() - startedAt) / PEER_DECISIONS / 1_000;
  };
};

/** 92 organisations of 150 grants. */
const CASBIN_ORGANIZATIONS = 92;
const CASBIN_DECISIONS = 60;

/** µs a decision of Casbin's own enforcer takes: our model, 13,800 policy lines, the synchronous call. */
export const openCasbin = async (): Promise<() => number> => {
  const organizations = Array.from({ length: CASBIN_ORGANIZATIONS }, (_, org) => {
    const raw = rowsOf(org);
    const grants = raw.grants.map((row) =>
      Object.fromEntries(Object.entries(row).filter(([key]) => !['tier', 'resourceType', 'condition'].includes(key))),
    );
    return { rows: { ...raw, revision: 1n, grants } as never, memberships: [] };
  });
  const enforcer = await referenceEnforcer({ roles: BUILT_IN_ROLES, organizations });
  return () => {
    const startedAt = process.hrtime.bigint();
    for (let number = 0; number < CASBIN_DECISIONS; number += 1) {
      const [org, user, environment] = [(number * 37) % CASBIN_ORGANIZATIONS, (number * 31) % 150, (number * 17) % 108];
      enforcer.allows({
        orgId: orgIdOf(org),
        subjectType: 'user',
        subjectId: userIdOf(org, user),
        action: 'flag:toggle',
        place: tierOf(environment) as never,
        projectId: projectIdOf(org, environment % 30),
        environmentId: environmentIdOf(org, environment),
        nowMs: 1_700_000_000_000,
      });
    }
    return Number(process.hrtime.bigint() - startedAt) / CASBIN_DECISIONS / 1_000;
  };
};
