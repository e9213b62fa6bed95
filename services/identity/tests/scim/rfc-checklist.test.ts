import assert from 'node:assert/strict';

import { newDirectory, type Directory } from '../support/http.ts';
import { newOrganization, startIdentity, type TestIdentity } from '../support/identity.ts';
import { BULKS } from './rfc/bulk-checks.ts';
import { kitOf, type Check } from './rfc/kit.ts';
import { LISTS } from './rfc/list-checks.ts';
import { ONCE } from './rfc/once-checks.ts';
import { PATCHES } from './rfc/patch-checks.ts';
import { QUERIES } from './rfc/query-checks.ts';
import { NAMES, WRITES } from './rfc/resource-checks.ts';
import { SELECTION } from './rfc/selection-checks.ts';
import { ERRORS, VERSIONS } from './rfc/version-checks.ts';

const CHECKS: readonly Check[] = [
  ...NAMES,
  ...SELECTION,
  ...WRITES,
  ...VERSIONS,
  ...ERRORS,
  ...PATCHES,
  ...LISTS,
  ...QUERIES,
  ...BULKS,
];

describe('SCIM: the checklist of the RFCs (facts, scim.md §3)', () => {
  let identity: TestIdentity;
  let directories: readonly [Directory, Directory];

  before(async () => {
    identity = await startIdentity();
    const organization = await newOrganization(identity);
    directories = [
      await newDirectory(identity, organization, 'One'),
      await newDirectory(identity, organization, 'Two'),
    ];
  });
  after(() => identity.close());

  for (const type of ['User', 'Group'] as const)
    describe(type, () => {
      for (const [clause, says, run] of CHECKS)
        it(`${says} (${clause})`, async () => {
          const [one, two] = directories;
          await run(kitOf(type, one.scim, two.scim));
        });
    });

  for (const [about, type, checks] of ONCE)
    describe(about, () => {
      for (const [clause, says, run] of checks)
        it(`${says} (${clause})`, async () => {
          const [one, two] = directories;
          await run(kitOf(type, one.scim, two.scim));
        });
    });

  it('is a list of checks that differ', () => {
    assert.equal(new Set(CHECKS.map(([, says]) => says)).size, CHECKS.length);
  });
});
