import assert from 'node:assert/strict';

import { importLaw } from './import-law.ts';

const lawful: readonly (readonly [string, string])[] = [
  ['services/identity/src/scim/users.ts', '../accounts/index.ts'],
  ['services/identity/src/scim/routes.ts', './users.ts'],
  ['services/identity/src/context.ts', './scim/store.ts'],
  ['services/flags/src/context.ts', '@sallyport/proto/policy/v1'],
  ['services/policy/src/model/enforcer.ts', 'casbin'],
  ['packages/grpc/src/server.ts', '@grpc/grpc-js'],
  ['packages/audit/src/store.ts', '@sallyport/storage'],
  ['apps/launcher/src/main.ts', '@sallyport/dev-env'],
  ['services/flags/tests/apply.test.ts', '@sallyport/dev-env'],
  ['tests/faults/crash.test.ts', '../src/company.ts'],
];

const unlawful: readonly (readonly [string, string])[] = [
  ['services/identity/src/scim/users.ts', '../accounts/store.ts'],
  ['services/identity/src/scim/store.ts', './routes.ts'],
  ['services/identity/src/scim/entity.ts', './store.ts'],
  ['services/flags/src/context.ts', '@sallyport/policy'],
  ['services/flags/src/context.ts', '../../policy/src/model/roles.ts'],
  ['services/policy/src/decide/check.ts', 'casbin'],
  ['services/identity/src/subject-log/rpc.ts', '@grpc/grpc-js'],
  ['services/identity/src/accounts/deactivate.ts', 'typeorm'],
  ['services/identity/src/context.ts', '@sallyport/dev-env'],
  ['packages/http/src/index.ts', '@sallyport/identity'],
  ['packages/http/src/index.ts', '@sallyport/launcher'],
  ['apps/demo-idp/src/main.ts', '@sallyport/errors'],
  ['tests/faults/crash.test.ts', '../../packages/audit/src/index.ts'],
];

describe('import law', () => {
  for (const [from, source] of lawful) {
    it(`lets ${from} import ${source}`, () => {
      assert.equal(importLaw(from, source), undefined);
    });
  }
  for (const [from, source] of unlawful) {
    it(`refuses ${source} in ${from}`, () => {
      assert.equal(typeof importLaw(from, source), 'string');
    });
  }
});
